//! The reference driver on local directories, ready to run: in the binary, a test, or another
//! program.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{
    StartError,
    backend::{
        Backend,
        local::{Found, Local, recover},
    },
    keeper::Keeper,
    root::DataRoot,
    server::{Limits, Listener, Server},
    store::{Beginning, Condition, Store},
    types::Scope,
    volumes::Record,
};

/// Where the reference driver listens and keeps its volumes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LocalConfig {
    /// The unix socket to listen on, if any.
    pub socket: Option<PathBuf>,
    /// The TCP address to listen on, if any: a loopback address, unless others are allowed.
    pub tcp: Option<SocketAddr>,
    /// Let everybody who reaches the TCP address mount and delete volumes.
    pub allow_plain_tcp: bool,
    /// Everything is kept below this directory.
    pub data_root: PathBuf,
    /// What the driver says who sees its volumes.
    pub scope: Scope,
    /// Bounds on time and size.
    pub limits: Limits,
    /// Start with no volume mounted, whatever was recorded: the way out after a crash of the
    /// engine left holds behind. Only right while no container uses a volume.
    pub forget_holds: bool,
    /// Stands in for the kernel's boot ID; for tests of what a reboot does.
    pub boot_id: Option<String>,
}

impl LocalConfig {
    /// A driver on this socket with this data root, everything else at its default.
    pub fn new(socket: impl Into<PathBuf>, data_root: impl Into<PathBuf>) -> Self {
        Self {
            socket: Some(socket.into()),
            tcp: None,
            allow_plain_tcp: false,
            data_root: data_root.into(),
            scope: Scope::default(),
            limits: Limits::default(),
            forget_holds: false,
            boot_id: None,
        }
    }
}

/// The driver on local directories.
pub type LocalDriver = StorageDriver<Local>;

/// A driver that listens already and serves as soon as it is [run](Self::run).
#[derive(Debug)]
pub struct StorageDriver<B> {
    server: Server<Keeper<B>>,
    listeners: Vec<Listener>,
    /// For what has to be done besides serving.
    keeper: Keeper<B>,
}

impl StorageDriver<Local> {
    /// Claims the data root, opens the state and listens. Blocks for a moment on the disk.
    ///
    /// # Errors
    /// When the socket, the data root or the state cannot be used.
    pub fn bind(config: &LocalConfig) -> Result<Self, StartError> {
        Self::listen(config, open(config)?)
    }
}

impl<B: Backend> StorageDriver<B> {
    /// The same for another kind of storage, made by `start` on the claimed data root.
    pub(crate) fn bind_with(
        config: &LocalConfig,
        start: impl FnOnce(&DataRoot) -> Result<B, StartError>,
    ) -> Result<Self, StartError> {
        let root = DataRoot::claim(&config.data_root)?;
        // What was set aside is gone, but the storage still has its volumes.
        let (store, _) = Store::open(&root.state())?;
        begin(&store, &root.state(), config, Vec::new())?;
        let backend = start(&root)?;
        Self::listen(config, Keeper::new(backend, root, store, config.scope))
    }

    fn listen(config: &LocalConfig, keeper: Keeper<B>) -> Result<Self, StartError> {
        let mut listeners = Vec::new();
        if let Some(path) = &config.socket {
            listeners.push(Listener::unix(path)?);
        }
        if let Some(address) = config.tcp {
            listeners.push(if config.allow_plain_tcp {
                Listener::tcp_open_to_everybody(address)?
            } else {
                Listener::tcp_loopback(address)?
            });
        }
        Ok(Self {
            server: Server::new(keeper.clone()).limits(config.limits),
            listeners,
            keeper,
        })
    }

    /// Where the driver listens: paths and addresses, with the port that was chosen for port 0.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.listeners.iter().map(ToString::to_string).collect()
    }

    /// Serves until `shutdown` is ready, then finishes the calls in flight and cleans up.
    ///
    /// # Errors
    /// When the runtime cannot take over the sockets.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), StartError> {
        let keeper = self.keeper;
        let restoring = tokio::spawn({
            let keeper = keeper.clone();
            async move { keeper.restore().await }
        });
        let served = self.server.run(self.listeners, shutdown).await;
        restoring.abort();
        keeper.close().await;
        served
    }
}

/// Runs the reference driver until `shutdown` is ready.
///
/// # Errors
/// When the driver cannot start; see [`StartError`].
pub async fn serve(
    config: LocalConfig,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), StartError> {
    let driver = tokio::task::spawn_blocking(move || LocalDriver::bind(&config));
    driver
        .await
        .map_err(std::io::Error::other)??
        .run(shutdown)
        .await
}

fn open(config: &LocalConfig) -> Result<Keeper<Local>, StartError> {
    let root = DataRoot::claim(&config.data_root)?;
    let (store, condition) = Store::open(&root.state())?;
    let state = root.state();
    let backend = Local::new(root.clone())
        .map_err(|error| StartError::data_root(&config.data_root, error))?;
    let found = recover(&backend, condition != Condition::Sound, |name| {
        store.knows(name)
    })
    .map_err(|error| StartError::data_root(&config.data_root, error))?;
    begin(&store, &state, config, found)?;
    Ok(Keeper::new(backend, root, store, config.scope))
}

fn begin(
    store: &Store,
    state: &Path,
    config: &LocalConfig,
    found: Vec<Found>,
) -> Result<(), StartError> {
    let adopted: Vec<_> = found
        .into_iter()
        .map(|found| {
            (
                found.name.as_str().to_owned(),
                Record::new(found.options, found.created_at),
            )
        })
        .collect();
    if !adopted.is_empty() {
        tracing::warn!(
            volumes = adopted.len(),
            "volumes were found on disk without a state file and are adopted"
        );
    }
    let boot_id = config.boot_id.clone().unwrap_or_else(kernel_boot_id);
    let beginning = Beginning {
        boot_id: &boot_id,
        forget_holds: config.forget_holds,
        adopted,
    };
    let dropped = store
        .begin(&beginning)
        .map_err(|error| StartError::state(state, error))?;
    if dropped > 0 {
        let reason = if config.forget_holds {
            "as --forget-holds asks"
        } else {
            "the machine was restarted"
        };
        tracing::warn!(
            volumes = dropped,
            reason,
            "the recorded holders of mounted volumes are dropped"
        );
    }
    Ok(())
}

/// The kernel draws a new ID at each boot, see random(4). Without /proc all boots look the same,
/// and holds are kept: a leak is the safe error.
fn kernel_boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}
