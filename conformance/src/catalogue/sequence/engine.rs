//! A Docker engine in this process, with the plugin under test and the commands of its user.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fake_dockerd::discovery::{Directories, PluginAddress, TlsConfig};
use fake_dockerd::{
    Clock, Config, ContainerCreate, Daemon, Error, ErrorKind, PluginCall, PruneFilters,
    RemoveOptions, VolumeCreate, VolumeFilters, WaitCondition,
};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::files::Seen;
use super::inside::{Containers, Shared};
use super::script::Step;
use crate::suite::{CaseResult, Cx, EngineCall, Halt};
use crate::wire::Address;

/// How long dockerd waits for a killed container, its Unmounts included, before the command fails.
/// The engine's time passes faster than real time only as long as this leaves [`CALLS`] calls the
/// time that the run allows: a plugin is never blamed for what it does within its time. What hangs
/// is given up after six times that (dockerd: 60 s), or when the command's own limit is over.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(10);

/// How many calls dockerd makes while it waits for a killed container with two volumes.
const CALLS: u32 = 4;

/// How many limits a whole command may take: five calls, some of them twice as long.
const LONGEST_COMMAND: u32 = 8;

/// What the host has that is copied into a container.
const HOST_FILE: &str = "from the host\n";

/// How a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It printed this, and ended with a status other than 0.
    Told(String),
    /// It did not come back.
    Hung,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Told(format!("Error response from daemon: {error}"))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // A case that is cut short must not leave a daemon behind that goes on starting containers.
        let daemon = self.daemon.clone();
        tokio::spawn(async move { daemon.crash().await });
    }
}

/// A Docker host with one plugin.
pub(super) struct Docker {
    daemon: Daemon,
    config: Config,
    seed: u64,
    calls: UnboundedReceiver<Arc<PluginCall>>,
    pub(super) containers: Arc<Containers>,
    limit: Duration,
    driver: String,
    live_restore: bool,
    /// The engine's data root, removed at the end.
    _root: TempDir,
}

impl Docker {
    /// Starts a daemon that knows nothing but the plugin.
    ///
    /// # Errors
    /// [`Halt::Skip`] where calls of it are known to hang, [`Halt::Harness`] where no daemon can be
    /// had.
    pub(super) async fn start(cx: &mut Cx, live_restore: bool) -> CaseResult<Self> {
        cx.engine_usable()?;
        let harness = |error: std::io::Error| Halt::Harness(format!("no engine: {error}"));
        let seed = cx.random();
        let target = cx.target();
        let (driver, limit) = (target.driver.clone(), cx.limit());
        let root = tempfile::tempdir_in(&target.work).map_err(harness)?;
        let seen = Seen::new(target.files.clone(), limit, !target.asks_read_only());
        let containers = Containers::new(Arc::new(seen), root.path().join("volumes"));
        let containers = Arc::new(containers);
        let shared = Arc::new(Shared(Arc::clone(&containers)));
        let address = address_of(&target.address);
        let (listener, calls) = unbounded_channel();
        let config = Config::new(root.path())
            .directories(Directories {
                sockets: Vec::new(),
                specs: Vec::new(),
            })
            .with_plugin(driver.clone(), address)
            .clock(Clock::scaled(
                SHORTEST_PATIENCE.div_duration_f64(limit * CALLS).max(1.0),
            ))
            .seed(seed)
            .engine(target.engine)
            .live_restore(live_restore)
            .runtime(Arc::clone(&shared) as _)
            .images(Arc::clone(&shared) as _)
            .host_paths(shared)
            .listener(listener);
        let daemon = Daemon::start(config.clone()).await.map_err(harness)?;
        Ok(Self {
            daemon,
            config,
            seed,
            calls,
            containers,
            limit,
            driver,
            live_restore,
            _root: root,
        })
    }

    /// Takes the calls since the last time into the case's memory.
    pub(super) fn take_calls(&mut self, cx: &Cx) -> Vec<EngineCall> {
        let mut taken = Vec::new();
        while let Ok(call) = self.calls.try_recv() {
            taken.extend(cx.keep_engine_call(&call));
        }
        for (at, call) in taken.iter().enumerate() {
            // What was answered when it was tried again only costs time.
            let retried = taken.iter().skip(at + 1).any(|later| {
                later.endpoint == call.endpoint && later.answer.wire_error().is_none()
            });
            if !retried {
                cx.engine_worry(call);
            }
        }
        taken
    }

    /// The names of the volumes that the plugin lists.
    pub(super) async fn volumes(&self) -> Vec<String> {
        let filters = VolumeFilters {
            driver: vec![self.driver.clone()],
            ..VolumeFilters::default()
        };
        let listed = self.within(self.daemon.volume_list(filters)).await;
        let volumes = listed.map(|list| list.volumes).unwrap_or_default();
        volumes.into_iter().map(|volume| volume.name).collect()
    }

    /// Whether containers run on while the daemon is gone.
    pub(super) const fn live_restores(&self) -> bool {
        self.live_restore
    }

    /// A container's name, for the user.
    pub(super) fn name_of(&self, id: &str) -> String {
        let all = self.daemon.container_list();
        let found = all.into_iter().find(|container| container.id == id);
        found.map_or_else(|| id.to_owned(), |container| container.name)
    }

    /// Ends the daemon and all that runs in it, without a word to the plugin.
    pub(super) async fn end(&self) {
        self.daemon.crash().await;
        for (_, process) in self.containers.running() {
            fake_dockerd::runtime::Process::signal(&*process, 9);
        }
    }

    /// Starts the daemon again; it does so more or less by itself.
    async fn start_again(&mut self) -> Result<(), Failure> {
        // The same seed would give out the same IDs once more.
        self.seed = self.seed.wrapping_add(1);
        self.config = self.config.clone().seed(self.seed);
        let starting = tokio::time::timeout(
            self.limit * LONGEST_COMMAND,
            Daemon::start(self.config.clone()),
        );
        match starting.await {
            Ok(Ok(daemon)) => {
                self.daemon = daemon;
                Ok(())
            }
            Ok(Err(error)) => Err(Failure::Told(error.to_string())),
            Err(_) => Err(Failure::Hung),
        }
    }

    /// Runs a command for as long as one may take at the most.
    async fn within<T>(
        &self,
        command: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.limit * LONGEST_COMMAND, command).await {
            Ok(done) => done.map_err(Failure::from),
            Err(_) => {
                // The call that hangs is told when it is given up.
                self.daemon.crash().await;
                Err(Failure::Hung)
            }
        }
    }

    /// Does what a user types; what concerns the plugin itself is not for the engine to do.
    pub(super) async fn command(&mut self, cx: &Cx, step: &Step) -> Result<(), Failure> {
        let daemon = self.daemon.clone();
        match step {
            Step::VolumeCreate { name, driver } => {
                let asked = VolumeCreate {
                    name: name.clone(),
                    driver: driver.clone(),
                    options: cx.opts_for(name).map(|opts| opts.into_iter().collect()),
                    labels: None,
                };
                self.within(daemon.volume_create(asked)).await.map(drop)
            }
            Step::VolumeRemove(name) => self.within(daemon.volume_remove(name, false)).await,
            Step::VolumeInspect(name) => self.within(daemon.volume_inspect(name)).await.map(drop),
            Step::VolumeList => {
                let all = VolumeFilters::default();
                self.within(daemon.volume_list(all)).await.map(drop)
            }
            Step::VolumePrune => {
                let all = PruneFilters {
                    all: true,
                    ..PruneFilters::default()
                };
                self.within(daemon.volume_prune(all)).await.map(drop)
            }
            Step::Create { asked, run } => self.create(asked, *run).await,
            Step::Start(name) => self.within(daemon.container_start(name)).await,
            Step::Stop(name) => self.within(daemon.container_stop(name, None)).await,
            Step::Restart(name) => self.within(daemon.container_restart(name, None)).await,
            Step::Kill(name) => self.within(daemon.container_kill(name, None)).await,
            Step::Wait(name) => self.within(settled(&daemon, name)).await,
            Step::Remove {
                name,
                force,
                volumes,
            } => {
                let options = RemoveOptions {
                    force: *force,
                    volumes: *volumes,
                };
                self.within(daemon.container_remove(name, options)).await
            }
            Step::Exec { name, command } => {
                let run = daemon.container_exec(name, command.clone());
                let code = self.within(run).await?;
                self.exited(code)
            }
            Step::CopyIn { file, name, path } => self.copy_in(file, name, path).await,
            Step::CopyOut { name, path } => self.copy_out(name, path).await,
            Step::DaemonCrash => {
                daemon.crash().await;
                self.start_again().await
            }
            Step::DaemonRestart => {
                daemon.shutdown().await;
                self.start_again().await
            }
            Step::PluginRestart | Step::RemovedBehind(_) | Step::KeepOpen | Step::Close => Ok(()),
        }
    }

    fn exited(&self, code: i32) -> Result<(), Failure> {
        if code == 0 {
            return Ok(());
        }
        let said = self.containers.take_complaint();
        let said = said.unwrap_or_else(|| format!("it ended with status {code}"));
        Err(Failure::Told(said))
    }

    /// `docker create` and, to `run`, what comes then.
    async fn create(&self, asked: &ContainerCreate, run: bool) -> Result<(), Failure> {
        let daemon = &self.daemon;
        let created = self.within(daemon.container_create(asked.clone())).await?;
        if !run {
            return Ok(());
        }
        let until = if asked.auto_remove {
            WaitCondition::Removed
        } else {
            WaitCondition::NextExit
        };
        let end = daemon.container_wait(&created.id, until)?;
        self.within(daemon.container_start(&created.id)).await?;
        if asked.detached {
            return Ok(());
        }
        let ended = self.within(async { Ok(end.await) }).await?;
        self.exited(ended.exit_code)
    }

    /// `docker cp FILE CONTAINER:PATH`: the CLI looks first, and then writes.
    async fn copy_in(&self, file: &str, name: &str, path: &str) -> Result<(), Failure> {
        let daemon = &self.daemon;
        let looked = daemon.container_files(name, path, |_| Ok(()));
        self.within(looked).await?;
        let base = Path::new(file).file_name().unwrap_or_default();
        let to = format!("{}/{}", path.trim_end_matches('/'), base.to_string_lossy());
        let seen = Arc::clone(&self.containers.seen);
        let copied = daemon.container_files(name, path, move |files| {
            let host = files.host_path(&to, true).map_err(failed)?;
            let wrote = seen.write_now(host, HOST_FILE);
            wrote.map(drop).map_err(Error::system)
        });
        self.within(copied).await
    }

    /// `docker cp CONTAINER:PATH FILE`.
    async fn copy_out(&self, name: &str, path: &str) -> Result<(), Failure> {
        let (seen, inside) = (Arc::clone(&self.containers.seen), path.to_owned());
        let copied = self.daemon.container_files(name, path, move |files| {
            let host = files.host_path(&inside, true).map_err(failed)?;
            seen.check_now(host).map_err(Error::system)
        });
        self.within(copied).await
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::system(error.to_string())
}

/// Waits until a container neither runs nor is about to be started again by its policy.
async fn settled(daemon: &Daemon, name: &str) -> Result<(), Error> {
    loop {
        match daemon.container_inspect(name).await {
            Ok(found) if found.state.running || found.state.restarting => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The plugin's address as the engine's discovery would find it.
fn address_of(address: &Address) -> PluginAddress {
    match address {
        Address::Unix(path) => PluginAddress::Unix(path.clone()),
        Address::Tcp(host) => PluginAddress::Tcp(host.clone()),
        Address::Tls(host, _, files) => PluginAddress::Https {
            host: host.clone(),
            tls: TlsConfig {
                ca: files.ca.clone(),
                cert: files.cert.clone(),
                key: files.key.clone(),
                insecure: false,
            },
        },
    }
}
