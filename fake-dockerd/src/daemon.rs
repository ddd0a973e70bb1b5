//! The daemon: started, asked, shut down, crashed.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{broadcast, mpsc};

use crate::clock::Clock;
use crate::containers::container::Containers;
use crate::core::Core;
use crate::discovery::{Directories, PluginAddress};
use crate::error::{Error, Result};
use crate::events::{Event, Events};
use crate::plugin::client::Context;
use crate::plugin::registry::Registry;
use crate::profile::Engine;
use crate::random::Randomness;
use crate::runtime::{EmptyImages, HostPaths, Images, RealPaths, Runtime, Simulated};
use crate::tasks::Tasks;
use crate::trace::{PluginCall, Tracer};
use crate::volumes::drivers::Drivers;
use crate::volumes::store::VolumeStore;

/// How a daemon is started.
///
/// ```
/// use fake_dockerd::{Config, Daemon, Engine, VolumeCreate, discovery::PluginAddress};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// let config = Config::new(root.path())
///     .engine(Engine::V26_1)
///     .with_plugin("mine", PluginAddress::Unix("/run/mine.sock".into()));
/// let daemon = Daemon::start(config).await?;
/// daemon.volume_create(VolumeCreate { name: "data".into(), ..VolumeCreate::default() }).await?;
/// daemon.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    engine: Engine,
    data_root: PathBuf,
    directories: Directories,
    plugins: HashMap<String, PluginAddress>,
    clock: Clock,
    seed: Option<u64>,
    live_restore: bool,
    trace: Option<PathBuf>,
    listener: Option<mpsc::UnboundedSender<Arc<PluginCall>>>,
    runtime: Option<Arc<dyn Runtime>>,
    images: Arc<dyn Images>,
    host: Arc<dyn HostPaths>,
}

impl Config {
    /// The newest engine with its state in `data_root`, which looks for no plugins: see
    /// [`Self::directories`] and [`Self::with_plugin`].
    pub fn new(data_root: impl Into<PathBuf>) -> Self {
        Self {
            engine: Engine::default(),
            data_root: data_root.into(),
            directories: Directories {
                sockets: Vec::new(),
                specs: Vec::new(),
            },
            plugins: HashMap::new(),
            clock: Clock::REAL,
            seed: None,
            live_restore: false,
            trace: None,
            listener: None,
            runtime: None,
            images: Arc::new(EmptyImages),
            host: Arc::new(RealPaths),
        }
    }

    /// Plays another engine.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Looks for plugins in directories; Docker's own are [`Directories::default`].
    #[must_use]
    pub fn directories(mut self, directories: Directories) -> Self {
        self.directories = directories;
        self
    }

    /// Knows a plugin without any directory. While a unix socket is not there, the plugin is not.
    #[must_use]
    pub fn with_plugin(mut self, name: impl Into<String>, address: PluginAddress) -> Self {
        self.plugins.insert(name.into(), address);
        self
    }

    /// Lets the engine's time pass faster than real time.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes IDs and orders repeatable.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Leaves containers running when the daemon stops, and takes them over when it starts.
    #[must_use]
    pub fn live_restore(mut self, live_restore: bool) -> Self {
        self.live_restore = live_restore;
        self
    }

    /// Appends every plugin call to a file of JSON lines.
    #[must_use]
    pub fn trace(mut self, file: impl Into<PathBuf>) -> Self {
        self.trace = Some(file.into());
        self
    }

    /// Tells every plugin call to `listener`, those of the daemon's start included, which
    /// [`Daemon::plugin_calls`] comes too late for.
    #[must_use]
    pub fn listener(mut self, listener: mpsc::UnboundedSender<Arc<PluginCall>>) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Runs processes. One runtime has to serve the daemons before and after a restart, or nothing
    /// is there to be taken over.
    #[must_use]
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Knows images.
    #[must_use]
    pub fn images(mut self, images: Arc<dyn Images>) -> Self {
        self.images = images;
        self
    }

    /// Looks at the host's files in another way.
    #[must_use]
    pub fn host_paths(mut self, host: Arc<dyn HostPaths>) -> Self {
        self.host = host;
        self
    }
}

/// A Docker daemon. Clones are the same daemon.
///
/// Every command runs to its end even if the future that asked for it is dropped, as with dockerd
/// when a client hangs up. What it does is attributed to the command that
/// [`trace::attribute`](crate::trace::attribute) named.
#[derive(Debug, Clone)]
pub struct Daemon {
    pub(crate) core: Arc<Core>,
    engine: Engine,
    gone: Arc<tokio::sync::Mutex<mpsc::Receiver<()>>>,
}

impl Daemon {
    /// Starts a daemon: volumes and containers on record are looked up, containers with a restart
    /// policy started. A plugin that is not there makes this take 30 seconds or more, as with
    /// dockerd.
    ///
    /// # Errors
    /// The data root or the trace cannot be used.
    pub async fn start(config: Config) -> io::Result<Self> {
        let (tasks, gone) = Tasks::new();
        let context = Context {
            profile: config.engine.profile(),
            clock: config.clock,
            tracer: Arc::new(Tracer::new(config.trace.as_deref(), config.listener)?),
            tasks,
        };
        let random = Arc::new(Randomness::new(config.seed));
        let events = Arc::new(Events::default());
        let registry = Registry::new(config.directories, config.plugins, context.clone());
        let local = config.data_root.join("volumes");
        let drivers = Drivers::new(&local, Arc::new(registry), Arc::clone(&random));
        let volumes = Arc::new(VolumeStore::open(
            &config.data_root,
            drivers,
            context.clone(),
            Arc::clone(&random),
            Arc::clone(&events),
        )?);
        volumes.restore().await;
        let runtime = config
            .runtime
            .unwrap_or_else(|| Arc::new(Simulated::new(config.clock, Arc::clone(&config.host))));
        let core = Arc::new(Core {
            context,
            random,
            events,
            volumes,
            containers: Containers::open(&config.data_root)?,
            runtime,
            images: config.images,
            host: config.host,
            live_restore: config.live_restore,
            root: config.data_root,
            shutting_down: AtomicBool::new(false),
            networks: Mutex::new(BTreeSet::new()),
        });
        core.restore_containers().await?;
        Ok(Self {
            core,
            engine: config.engine,
            gone: Arc::new(tokio::sync::Mutex::new(gone)),
        })
    }

    /// The engine that is played.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Every plugin call from now on.
    #[must_use]
    pub fn plugin_calls(&self) -> mpsc::UnboundedReceiver<Arc<PluginCall>> {
        self.core.context.tracer.subscribe()
    }

    /// Every event from now on.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.core.events.subscribe()
    }

    /// The names of the drivers that were used so far, as `docker info` shows them.
    #[must_use]
    pub fn volume_drivers(&self) -> Vec<String> {
        self.core.volumes.driver_names()
    }

    /// Stops as on SIGTERM: containers are stopped and their volumes unmounted, unless live-restore
    /// leaves them running.
    pub async fn shutdown(&self) {
        self.core.shutting_down.store(true, Ordering::Relaxed);
        let core = Arc::clone(&self.core);
        let stopping = self
            .core
            .context
            .spawn(async move { core.stop_all().await });
        // Nothing is left to stop where this yields nothing.
        let _ = stopping.await;
        self.crash().await;
    }

    /// Ends as on SIGKILL: whatever the daemon was doing stops where it is, connections close, and
    /// containers are left to themselves. Returns when nothing of it moves any more.
    pub async fn crash(&self) {
        self.core.context.tasks.stop();
        let mut gone = self.gone.lock().await;
        while gone.recv().await.is_some() {}
    }

    /// Runs a command as a task of its own.
    pub(crate) async fn run<T, F>(&self, command: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        match self.core.context.spawn(command).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(Error::system("the daemon is not running any more")),
            Err(_) => Err(Error::system("the daemon could not finish the command")),
        }
    }
}
