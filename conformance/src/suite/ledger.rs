//! What a case did: volumes and holds to take back, exchanges to show.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::Exchange;
use super::context::Host;
use crate::protocol::Endpoint;

/// How many exchanges of a case are kept: the first ones, and the last ones.
const KEPT_FIRST: usize = 20;
const KEPT_LAST: usize = 40;

/// The record of one case. Shared by the case and the runner, which reads it also when the case
/// was cut short.
#[derive(Debug, Default)]
pub struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    volumes: Vec<MadeVolume>,
    first: Vec<Exchange>,
    last: VecDeque<Exchange>,
    left_out: usize,
    steps: Vec<String>,
    notes: Vec<String>,
    trouble: Option<Trouble>,
    /// The memory of what is going on within the case, while it is.
    company: Option<Arc<Ledger>>,
}

/// A volume that a case asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeVolume {
    /// Its name.
    pub name: String,
    /// Mount IDs that may still be held, one entry a hold.
    pub holds: Vec<String>,
    /// The same on the second host.
    pub peer_holds: Vec<String>,
    /// Whether it may still exist.
    pub exists: bool,
    /// Whether the user's `--prepare` ran for it.
    pub prepared: bool,
}

/// A sign that the plugin is no longer well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The call that went unanswered.
    pub endpoint: Endpoint,
    /// What happened to it.
    pub what: String,
    /// Whether it hung, rather than being refused or cut off.
    pub hung: bool,
}

/// What a ledger holds in the end.
#[derive(Debug, Default)]
pub struct Record {
    /// The exchanges kept.
    pub exchanges: Vec<Exchange>,
    /// How many were left out between the first and the last.
    pub left_out: usize,
    /// What the case did after the last exchange.
    pub steps: Vec<String>,
    /// Remarks of the case that change no verdict.
    pub notes: Vec<String>,
}

impl Ledger {
    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        // A panic of the case must not hide what it made: the data stay usable.
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps an exchange.
    pub(crate) fn exchange(&self, mut exchange: Exchange) {
        self.with(|inner| {
            exchange.before.append(&mut inner.steps);
            if inner.first.len() < KEPT_FIRST {
                inner.first.push(exchange);
                return;
            }
            inner.last.push_back(exchange);
            if inner.last.len() > KEPT_LAST {
                inner.last.pop_front();
                inner.left_out += 1;
            }
        });
    }

    /// Keeps a step that is no exchange.
    pub(crate) fn step(&self, what: impl Into<String>) {
        self.with(|inner| inner.steps.push(what.into()));
    }

    /// Keeps a remark that changes no verdict.
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.with(|inner| inner.notes.push(what.into()));
    }

    /// Remembers the first sign of trouble.
    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.with(|inner| {
            // A call that hung says more than one that was refused after it.
            let worse = inner
                .trouble
                .as_ref()
                .is_none_or(|known| trouble.hung && !known.hung);
            if worse {
                inner.trouble = Some(trouble);
            }
        });
    }

    /// The sign of trouble, if there was one.
    pub(crate) fn first_trouble(&self) -> Option<Trouble> {
        self.with(|inner| inner.trouble.clone())
    }

    /// Takes back the sign of trouble: the case caused it itself.
    pub(crate) fn forgive(&self) {
        self.with(|inner| inner.trouble = None);
    }

    /// A Create was sent: the volume may exist from now on.
    pub(crate) fn created(&self, name: &str) {
        self.with(|inner| inner.volume(name).exists = true);
    }

    /// `--prepare` ran for the volume.
    pub(crate) fn prepared(&self, name: &str) {
        self.with(|inner| inner.volume(name).prepared = true);
    }

    /// Whether `--prepare` ran for the volume already.
    pub(crate) fn is_prepared(&self, name: &str) -> bool {
        self.with(|inner| inner.volume(name).prepared)
    }

    /// A Mount of the plugin under test succeeded, or went unanswered.
    pub(crate) fn mounted(&self, name: &str, id: &str) {
        self.mounted_on(Host::Own, name, id);
    }

    /// A Mount succeeded, or went unanswered.
    pub(crate) fn mounted_on(&self, host: Host, name: &str, id: &str) {
        self.with(|inner| inner.volume(name).holds_on(host).push(id.to_owned()));
    }

    /// An Unmount of the plugin under test succeeded.
    pub(crate) fn unmounted(&self, name: &str, id: &str) {
        self.unmounted_on(Host::Own, name, id);
    }

    /// An Unmount succeeded.
    pub(crate) fn unmounted_on(&self, host: Host, name: &str, id: &str) {
        self.with(|inner| {
            let holds = inner.volume(name).holds_on(host);
            if let Some(at) = holds.iter().position(|held| held == id) {
                holds.remove(at);
            }
        });
    }

    /// A Remove succeeded.
    pub(crate) fn removed(&self, name: &str) {
        self.with(|inner| {
            let volume = inner.volume(name);
            volume.exists = false;
            volume.holds.clear();
            volume.peer_holds.clear();
        });
    }

    /// What has to be taken back, the last made first, that of the company included.
    pub(crate) fn left(&self) -> Vec<MadeVolume> {
        let (company, own) = self.with(|inner| {
            let own = inner.volumes.iter().rev().cloned();
            (inner.company.clone(), own.collect::<Vec<_>>())
        });
        let theirs = company.map(|company| company.left()).unwrap_or_default();
        theirs.into_iter().chain(own).collect()
    }

    /// From now on `company` remembers what goes on within the case: its exchanges are not shown,
    /// and what it made is taken back with the case, should that end now.
    pub(crate) fn accompany(&self, company: Arc<Self>) {
        self.with(|inner| inner.company = Some(company));
    }

    /// The company is gone, and has left nothing.
    pub(crate) fn leave(&self) {
        self.with(|inner| inner.company = None);
    }

    /// All that a report shows of the case.
    pub(crate) fn record(&self) -> Record {
        self.with(|inner| Record {
            exchanges: inner.first.iter().chain(&inner.last).cloned().collect(),
            left_out: inner.left_out,
            steps: inner.steps.clone(),
            notes: inner.notes.clone(),
        })
    }
}

impl MadeVolume {
    const fn holds_on(&mut self, host: Host) -> &mut Vec<String> {
        match host {
            Host::Own => &mut self.holds,
            Host::Peer => &mut self.peer_holds,
        }
    }

    /// Whether anything may be left of it.
    pub(crate) const fn is_left(&self) -> bool {
        self.exists || !self.holds.is_empty() || !self.peer_holds.is_empty()
    }
}

impl Inner {
    fn volume(&mut self, name: &str) -> &mut MadeVolume {
        let at = self
            .volumes
            .iter()
            .position(|volume| volume.name == name)
            .unwrap_or_else(|| {
                self.volumes.push(MadeVolume {
                    name: name.to_owned(),
                    holds: Vec::new(),
                    peer_holds: Vec::new(),
                    exists: false,
                    prepared: false,
                });
                self.volumes.len() - 1
            });
        // `at` was found or pushed in the line above.
        #[expect(clippy::indexing_slicing, reason = "the index was just found or made")]
        &mut self.volumes[at]
    }
}
