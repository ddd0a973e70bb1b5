//! What a case is given: the plugin, names of its own, and a memory of what it did.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ledger::Trouble;
use super::{Answer, CaseResult, Exchange, Finding, Halt, Ledger, NameMaker, Token};
use crate::protocol::{Endpoint, Opts, create_body, hold_body, name_body};
use crate::target::{Plugin, Target};
use crate::wire::{Connection, Request, Sent, WireError};

/// The hands of a case.
///
/// Calls go out as dockerd sends them, over one kept-alive connection, and every exchange is kept.
/// [`fork`](Self::fork) gives a second client with a connection of its own.
#[derive(Debug)]
pub struct Cx {
    target: Arc<Target>,
    ledger: Arc<Ledger>,
    names: NameMaker,
    connection: Option<Connection>,
    limit: Duration,
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
            names,
            connection: None,
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
            names: self.target.naming.for_case(purpose),
            connection: None,
            limit: self.limit,
        }
    }

    /// The plugin under test and all that belongs to the run.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How long one call may take.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    // ---- names -------------------------------------------------------------------------------

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

    // ---- calls, as dockerd makes them --------------------------------------------------------

    /// Activate, with an empty body.
    ///
    /// # Errors
    /// Only [`Halt::Skip`], where the call is known to hang; so for all calls.
    pub async fn activate(&mut self) -> CaseResult<Answer> {
        self.call(Endpoint::Activate, Vec::new(), None).await
    }

    /// Capabilities, with `{}`.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn capabilities(&mut self) -> CaseResult<Answer> {
        self.call(Endpoint::Capabilities, b"{}\n".to_vec(), None)
            .await
    }

    /// Create with the user's options, after `--prepare`.
    ///
    /// # Errors
    /// As [`activate`](Self::activate), and [`Halt::Harness`] when `--prepare` fails.
    pub async fn create(&mut self, name: &str) -> CaseResult<Answer> {
        let opts = self.opts_for(name);
        self.create_with(name, &opts).await
    }

    /// Create with these options, after `--prepare`.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_with(&mut self, name: &str, opts: &Opts) -> CaseResult<Answer> {
        self.prepare(name).await?;
        self.ledger.created(name);
        self.call(Endpoint::Create, create_body(name, opts), Some(name))
            .await
    }

    /// Create under a name that is not of the ordinary alphabet. Options and `--prepare` are given
    /// an ordinary stand-in, so that only the name is strange.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_strange(&mut self, name: &str) -> CaseResult<Answer> {
        let stand_in = self.name();
        let opts = self.opts_for(&stand_in);
        self.prepare(&stand_in).await?;
        self.ledger.created(name);
        self.call(Endpoint::Create, create_body(name, &opts), Some(name))
            .await
    }

    /// Get.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn get(&mut self, name: &str) -> CaseResult<Answer> {
        self.call(Endpoint::Get, name_body(name), Some(name)).await
    }

    /// List, with `{}`.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn list(&mut self) -> CaseResult<Answer> {
        self.call(Endpoint::List, b"{}\n".to_vec(), None).await
    }

    /// Path.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn path(&mut self, name: &str) -> CaseResult<Answer> {
        self.call(Endpoint::Path, name_body(name), Some(name)).await
    }

    /// Mount.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn mount(&mut self, name: &str, id: &str) -> CaseResult<Answer> {
        let answer = self
            .call(Endpoint::Mount, hold_body(name, id), Some(name))
            .await?;
        // A Mount that went unanswered may have been carried out.
        if answer.is_ok() || answer.wire_error().is_some() {
            self.ledger.mounted(name, id);
        }
        Ok(answer)
    }

    /// Unmount.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn unmount(&mut self, name: &str, id: &str) -> CaseResult<Answer> {
        let answer = self
            .call(Endpoint::Unmount, hold_body(name, id), Some(name))
            .await?;
        if answer.is_ok() {
            self.ledger.unmounted(name, id);
        }
        Ok(answer)
    }

    /// Remove. The user's `--cleanup` follows when the case is over.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn remove(&mut self, name: &str) -> CaseResult<Answer> {
        let answer = self
            .call(Endpoint::Remove, name_body(name), Some(name))
            .await?;
        if answer.is_ok() {
            self.ledger.removed(name);
        }
        Ok(answer)
    }

    // ---- steps: they end the case where they do not work -------------------------------------

    /// A volume of the case's own.
    ///
    /// # Errors
    /// [`Halt::Setup`] when Create fails.
    pub async fn volume(&mut self) -> CaseResult<String> {
        let name = self.name();
        self.create(&name)
            .await?
            .step("Create of a new volume succeeds")?;
        Ok(name)
    }

    /// Mounts a volume that should be mountable; the mountpoint.
    ///
    /// # Errors
    /// [`Halt::Setup`] when Mount fails or names no path.
    pub async fn hold(&mut self, name: &str, id: &str) -> CaseResult<PathBuf> {
        let answer = self.mount(name, id).await?;
        answer.step("Mount of an existing volume succeeds")?;
        if answer.mountpoint().is_empty() {
            return Err(Halt::setup(&answer, "Mount names a mountpoint"));
        }
        Ok(PathBuf::from(answer.mountpoint()))
    }

    /// Unmounts a hold that is held.
    ///
    /// # Errors
    /// [`Halt::Setup`] when Unmount fails.
    pub async fn release(&mut self, name: &str, id: &str) -> CaseResult {
        self.unmount(name, id)
            .await?
            .step("Unmount of a held ID succeeds")?;
        Ok(())
    }

    /// Removes a volume that nobody holds.
    ///
    /// # Errors
    /// [`Halt::Setup`] when Remove fails.
    pub async fn discard(&mut self, name: &str) -> CaseResult {
        self.remove(name)
            .await?
            .step("Remove of an unused volume succeeds")?;
        Ok(())
    }

    /// A volume of the case's own, mounted under an ID of its own: name, ID and mountpoint.
    ///
    /// # Errors
    /// [`Halt::Setup`] when Create or Mount fails.
    pub async fn held_volume(&mut self) -> CaseResult<(String, String, PathBuf)> {
        let name = self.volume().await?;
        let id = self.id();
        let path = self.hold(&name, &id).await?;
        Ok((name, id, path))
    }

    // ---- raw exchanges -----------------------------------------------------------------------

    /// Makes a well-formed call over the kept-alive connection. `subject` is the volume, if any.
    ///
    /// # Errors
    /// [`Halt::Skip`] where the call is known to hang.
    pub async fn call(
        &mut self,
        endpoint: Endpoint,
        body: Vec<u8>,
        subject: Option<&str>,
    ) -> CaseResult<Answer> {
        let (answer, exchange) = self
            .exchange(endpoint, &Request::docker(endpoint.path(), body))
            .await?;
        self.target.lints.look(&answer, subject, &exchange);
        Ok(answer)
    }

    /// Sends any request over the kept-alive connection and reads the answer as one of `endpoint`.
    /// What comes back is not held against the rules for well-formed calls.
    ///
    /// # Errors
    /// [`Halt::Skip`] where the call is known to hang.
    pub async fn send(&mut self, endpoint: Endpoint, request: Request) -> CaseResult<Answer> {
        Ok(self.exchange(endpoint, &request).await?.0)
    }

    async fn exchange(
        &mut self,
        endpoint: Endpoint,
        request: &Request,
    ) -> CaseResult<(Answer, Exchange)> {
        self.usable(endpoint)?;
        let begun = Instant::now();
        let sent = self.send_reusing(request).await;
        Ok(self.keep_both(endpoint, request, sent, begun))
    }

    /// Opens a connection of its own, for cases that write bytes themselves.
    ///
    /// # Errors
    /// A finding when the plugin cannot be reached.
    pub async fn connect(&self) -> CaseResult<Connection> {
        self.usable(Endpoint::Activate)?;
        Connection::open(&self.target.address, self.limit)
            .await
            .map_err(|error| {
                self.worry(Endpoint::Activate, &error);
                Finding::new("the plugin accepts a connection", format!("it {error}")).into()
            })
    }

    /// Keeps an exchange that the case made with a connection of its own.
    pub fn keep(
        &self,
        endpoint: Endpoint,
        request: &Request,
        sent: Sent,
        begun: Instant,
    ) -> Answer {
        self.keep_both(endpoint, request, sent, begun).0
    }

    fn keep_both(
        &self,
        endpoint: Endpoint,
        request: &Request,
        sent: Sent,
        begun: Instant,
    ) -> (Answer, Exchange) {
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut exchange = Exchange::record(request, &sent, ms, &self.target.secrets());
        if let Err(error) = &sent {
            self.worry(endpoint, error);
        }
        let answer = Answer::new(endpoint, sent, ms);
        exchange.failed = !answer.is_ok();
        self.ledger.exchange(exchange.clone());
        (answer, exchange)
    }

    /// Drops the kept-alive connection: the next call opens a new one.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Over the kept-alive connection if there is one. A connection that the plugin closed while
    /// it was idle is replaced, as HTTP clients do.
    async fn send_reusing(&mut self, request: &Request) -> Sent {
        let deadline = Instant::now() + self.limit;
        if let Some(mut connection) = self.connection.take() {
            match connection.send(request, self.limit).await {
                Err(WireError::Closed | WireError::Io(_)) => {}
                sent => {
                    self.put_back(connection, &sent);
                    return sent;
                }
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let mut connection = Connection::open(&self.target.address, left).await?;
        let sent = connection.send(request, self.limit).await;
        self.put_back(connection, &sent);
        sent
    }

    fn put_back(&mut self, connection: Connection, sent: &Sent) {
        let closing = sent.as_ref().map_or(true, |response| {
            response
                .header("Connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        });
        if !closing && !connection.ended() {
            self.connection = Some(connection);
        }
    }

    /// Ends the case where `endpoint` is known to go unanswered.
    fn usable(&self, endpoint: Endpoint) -> CaseResult {
        for known in [endpoint, Endpoint::Activate] {
            if let Some(broken) = self.target.health.broken(known) {
                let reason = format!(
                    "not tried again: {known} {} (seen in {})",
                    broken.what, broken.case
                );
                return Err(Halt::Skip(reason));
            }
        }
        Ok(())
    }

    fn worry(&self, endpoint: Endpoint, error: &WireError) {
        let what = error.to_string();
        self.ledger.trouble(Trouble {
            endpoint,
            what,
            hung: error.is_timeout(),
        });
    }

    /// Runs the user's `--prepare` for a volume unless that was done; every Create does so itself.
    /// Cases that send several Creates of one name at once call it before.
    ///
    /// # Errors
    /// [`Halt::Harness`] when the command fails.
    pub async fn prepare(&self, name: &str) -> CaseResult {
        if let Some(command) = &self.target.prepare
            && !self.ledger.is_prepared(name)
        {
            command.run_for(name, self.limit).await.map_err(|why| {
                Halt::Harness(format!(
                    "--prepare failed, and no volume can be made without it: {why}"
                ))
            })?;
            self.ledger.prepared(name);
        }
        Ok(())
    }

    // ---- the file system ---------------------------------------------------------------------

    /// Ends the case unless the mountpoint can be looked into from here.
    ///
    /// # Errors
    /// [`Halt::Skip`] with the reason.
    pub async fn see(&self, mountpoint: &Path) -> CaseResult {
        if let Some(reason) = self.target.files.blindness() {
            return Err(Halt::skip(reason));
        }
        match self.target.files.is_directory(mountpoint.to_owned()).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                // What is absolute and not there may be there for the plugin alone.
                let hidden = mountpoint.is_absolute() && !mountpoint.exists();
                let explained = if hidden {
                    "mount.visible"
                } else {
                    "mount.usable"
                };
                Err(Halt::Setup(
                    Endpoint::Mount,
                    Box::new(
                        Finding::new(
                            "Mount names a directory that exists",
                            format!("{} is no directory here", mountpoint.display()),
                        )
                        .because(explained),
                    ),
                ))
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(Halt::skip(format!(
                    "{} cannot be looked into without root",
                    mountpoint.display()
                )))
            }
            Err(error) => Err(Halt::Setup(
                Endpoint::Mount,
                Box::new(Finding::new(
                    "the mountpoint can be looked into",
                    format!("{}: {error}", mountpoint.display()),
                )),
            )),
        }
    }

    /// Writes a small file with random content through a mountpoint.
    ///
    /// # Errors
    /// [`Halt::Skip`] when nothing can be seen from here or without root, else [`Halt::Setup`].
    pub async fn write_token(&mut self, mountpoint: &Path) -> CaseResult<Token> {
        self.see(mountpoint).await?;
        if self.target.asks_read_only() {
            return Err(Halt::skip(
                "the volumes are read-only, as the options given with --opt ask",
            ));
        }
        let token = Token {
            file: format!("volplug-{}", self.names.hex(8)).into(),
            content: self.names.hex(32),
        };
        let path = mountpoint.join(&token.file);
        self.step(format!("wrote a file into {}", mountpoint.display()));
        match self
            .target
            .files
            .write(path.clone(), token.content.clone())
            .await
        {
            Ok(()) => Ok(token),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && !is_root() => {
                Err(Halt::skip(format!(
                    "{} cannot be written without root",
                    mountpoint.display()
                )))
            }
            Err(error) => Err(Halt::Setup(
                Endpoint::Mount,
                Box::new(
                    Finding::new(
                        "a file can be written into a mounted volume",
                        format!("{}: {error}", path.display()),
                    )
                    .because("mount.writable"),
                ),
            )),
        }
    }

    /// Whether a token is where it should be, with what was written; if not, what is there instead.
    ///
    /// # Errors
    /// What was found, fit for "got".
    pub async fn check_token(&self, mountpoint: &Path, token: &Token) -> Result<(), String> {
        let path = mountpoint.join(&token.file);
        match self.target.files.read(path.clone()).await {
            Ok(content) if content == token.content => Ok(()),
            Ok(_) => Err(format!("{} holds other data", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(format!("the file is gone: {}", path.display()))
            }
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Whether the kernel has a mount at `path`.
    ///
    /// # Errors
    /// [`Halt::Skip`] when the mount table cannot be seen.
    pub fn is_mounted(&self, path: &Path) -> CaseResult<bool> {
        if let Some(reason) = self.target.files.blindness() {
            return Err(Halt::skip(reason));
        }
        let stacked = self.target.files.mounts_at(path);
        Ok(stacked
            .map_err(|error| Halt::skip(format!("the mount table cannot be read: {error}")))?
            > 0)
    }

    // ---- the process -------------------------------------------------------------------------

    /// The plugin's process, where the runner started it.
    ///
    /// # Errors
    /// [`Halt::Skip`] without `--exec`.
    pub fn plugin(&self) -> CaseResult<&Plugin> {
        self.target
            .plugin
            .as_ref()
            .ok_or_else(|| Halt::skip(super::Need::Exec.lacking()))
    }

    /// Kills the plugin as `kill -9` does.
    ///
    /// # Errors
    /// As [`plugin`](Self::plugin).
    pub async fn kill_plugin(&mut self) -> CaseResult {
        self.step("kill -9 of the plugin");
        self.hang_up();
        self.plugin()?.kill().await;
        Ok(())
    }

    /// Starts the plugin again and activates it, so that what follows does not judge whether it can do
    /// without: that has a case of its own.
    ///
    /// # Errors
    /// A finding when it does not come up.
    pub async fn start_plugin(&mut self) -> CaseResult<Duration> {
        let took = self.start_plugin_only().await?;
        // A memory of its own: this is no part of the case.
        let mut aside = Self::new(Arc::clone(&self.target), Arc::default(), "activation");
        aside.activate().await?;
        Ok(took)
    }

    /// Starts the plugin again and says nothing to it, as dockerd does while it lives.
    ///
    /// # Errors
    /// As [`start_plugin`](Self::start_plugin).
    pub async fn start_plugin_only(&mut self) -> CaseResult<Duration> {
        self.step("start of the plugin");
        self.hang_up();
        self.plugin()?.start().await.map_err(|why| {
            Finding::new("the plugin starts again", why)
                .then("the plugin stays down: every docker command that needs it fails after 15 s")
                .into()
        })
    }

    /// Kills the plugin and starts it again.
    ///
    /// # Errors
    /// As [`start_plugin`](Self::start_plugin).
    pub async fn restart_plugin(&mut self) -> CaseResult<Duration> {
        self.kill_plugin().await?;
        self.start_plugin().await
    }

    // ---- memory ------------------------------------------------------------------------------

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

    // ---- what raw bytes may have made --------------------------------------------------------

    /// Tells the runner that a volume called `name` may have come into being.
    pub fn may_exist(&self, name: &str) {
        self.ledger.created(name);
    }

    /// Tells the runner that `id` may hold the volume `name`.
    pub fn may_hold(&self, name: &str, id: &str) {
        self.ledger.mounted(name, id);
    }

    /// Sends a Create of `name` that the case wrote itself, after `--prepare`. What comes back is
    /// not held against the rules for well-formed calls.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_raw(&mut self, name: &str, request: Request) -> CaseResult<Answer> {
        self.prepare(name).await?;
        self.ledger.created(name);
        self.send(Endpoint::Create, request).await
    }
}

/// Whether the runner may do what only root may.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
