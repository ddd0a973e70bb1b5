//! What a case is given: the plugin, names of its own, and a memory of what it did.

mod calls;
mod engine;
mod exchanges;
mod files;
mod peer;
mod process;
mod steps;
mod storage;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use engine::EngineCall;

use super::{Exchange, Ledger, NameMaker};
use crate::protocol::Opts;
use crate::target::Target;
use crate::wire::Connection;

/// The hands of a case.
///
/// Calls go out as dockerd sends them, over one kept-alive connection, and every exchange is kept.
/// [`fork`](Self::fork) gives a second client with a connection of its own.
#[derive(Debug)]
pub struct Cx {
    target: Arc<Target>,
    ledger: Arc<Ledger>,
    case: String,
    names: NameMaker,
    connection: Option<Connection>,
    host: Host,
    limit: Duration,
}

/// Whose plugin is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// The one under test.
    Own,
    /// Another instance of it, on the same storage.
    Peer,
}

impl Cx {
    /// A context for the case `id`.
    #[must_use]
    pub fn new(target: Arc<Target>, ledger: Arc<Ledger>, id: &str) -> Self {
        let names = target.naming.for_case(id);
        let limit = target.timeout;
        Self {
            target,
            ledger,
            case: id.to_owned(),
            names,
            connection: None,
            host: Host::Own,
            limit,
        }
    }

    /// A second client: a connection of its own, the same memory. Its names and IDs are those of
    /// `purpose`, which must differ between the forks of a case.
    #[must_use]
    pub fn fork(&self, purpose: &str) -> Self {
        Self {
            target: Arc::clone(&self.target),
            ledger: Arc::clone(&self.ledger),
            case: self.case.clone(),
            names: self.target.naming.for_case(purpose),
            connection: None,
            host: self.host,
            limit: self.limit,
        }
    }

    /// The plugin under test and all that belongs to the run.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The same, to be kept while the context is used.
    #[must_use]
    pub(crate) fn shared_target(&self) -> Arc<Target> {
        Arc::clone(&self.target)
    }

    /// What the context remembers.
    #[must_use]
    pub(crate) fn memory(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// From now on the context remembers in `ledger`, and its names and IDs are those of `purpose`.
    /// The connection stays.
    pub(crate) fn enter(&mut self, ledger: Arc<Ledger>, purpose: &str) {
        self.ledger = ledger;
        self.names = self.target.naming.for_case(purpose);
    }

    /// Whether every character of `name` is one that ordinary names are made of.
    #[must_use]
    pub fn is_ordinary(&self, name: &str) -> bool {
        self.names.is_ordinary(name)
    }

    /// The id of the case.
    #[must_use]
    pub fn case(&self) -> &str {
        &self.case
    }

    /// How long one call may take.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// A fresh ordinary volume name. Nothing is created.
    pub fn name(&mut self) -> String {
        self.names.name()
    }

    /// A fresh mount ID: 64 lower-case hex digits.
    pub fn id(&mut self) -> String {
        self.names.id()
    }

    /// `digits` random lower-case hex digits.
    pub fn hex(&mut self, digits: usize) -> String {
        self.names.hex(digits)
    }

    /// Whether ordinary names are made of the characters of `text`, among others.
    #[must_use]
    pub fn spells(&self, text: &str) -> bool {
        self.names.spells(text)
    }

    /// A random number, the same for the same seed.
    pub fn random(&mut self) -> u64 {
        self.names.number()
    }

    /// The user's options for a volume, `{volume}` replaced; `null` when there are none.
    #[must_use]
    pub fn opts_for(&self, name: &str) -> Opts {
        if self.target.opts.is_empty() {
            return None;
        }
        let replace =
            |(key, value): (&String, &String)| (key.clone(), value.replace("{volume}", name));
        Some(self.target.opts.iter().map(replace).collect())
    }

    /// The user's options for a volume with one more.
    #[must_use]
    pub fn opts_with(&self, name: &str, key: &str, value: &str) -> Opts {
        let mut opts: BTreeMap<_, _> = self.opts_for(name).unwrap_or_default();
        opts.insert(key.to_owned(), value.to_owned());
        Some(opts)
    }

    /// Keeps a step that is no exchange, for the reader of a finding.
    pub fn step(&self, what: impl Into<String>) {
        self.ledger.step(what);
    }

    /// Keeps a remark that changes no verdict.
    pub fn note(&self, what: impl Into<String>) {
        self.ledger.note(what);
    }

    /// Tells the runner that calls which went unanswered in this case were the case's own doing.
    pub fn forgive_trouble(&self) {
        self.ledger.forgive();
    }

    /// Puts an exchange of another case's into this one's transcript: the one that a finding is
    /// about.
    pub fn show(&self, exchange: &Exchange) {
        self.ledger.exchange(exchange.clone());
    }

    /// Tells the runner that a volume called `name` may have come into being.
    pub fn may_exist(&self, name: &str) {
        self.ledger.created(name);
    }

    /// Tells the runner that `id` may hold the volume `name`.
    pub fn may_hold(&self, name: &str, id: &str) {
        self.ledger.mounted(name, id);
    }
}

/// Whether the runner may do what only root may.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
