//! From a configuration to a plugin that listens.

use std::{fs, path::Path, pin::Pin, sync::Arc};

use tracing::Instrument as _;

use super::PluginOptions;
use crate::{
    StartError,
    backend::{Backend, BackendConfig, Found, Site},
    keeper::Keeper,
    monitor::{Measured, Monitored, PluginMonitor},
    root::DataRoot,
    server::{Announcement, Listener, PassedSockets, Server, SpecFile, TcpAccess, Tls},
    store::{Beginning, Condition, Store},
    types::Scope,
    volumes::Record,
};

/// Ready when a plugin is to stop.
pub(crate) type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;
/// A plugin's life, from listening to stopped.
type Life = Pin<Box<dyn Future<Output = Result<(), StartError>> + Send>>;

/// A plugin that listens already and serves as soon as it is [run](Self::run).
pub(crate) struct BoundPlugin {
    run: Box<dyn FnOnce(Shutdown) -> Life + Send>,
    monitor: Arc<dyn Monitored>,
    tls: Option<Tls>,
}

impl BoundPlugin {
    /// Claims the data root, opens the state and listens.
    pub(super) fn bind<C: BackendConfig>(
        options: &PluginOptions,
        backend: &C,
        passed: &mut PassedSockets,
        only: bool,
    ) -> Result<Self, StartError> {
        let keeper = open(options, backend)?;
        let access = options.listen.tcp_access()?;
        let listeners = listen(options, &access, passed, only)?;
        let driver = Arc::new(Measured::new(keeper.clone()));
        let monitor = PluginMonitor::new(options, &listeners, Arc::clone(&driver));
        let server = Server::shared(driver).limits(options.limits());
        Ok(Self {
            run: Box::new(move |shutdown| {
                let serving = server.run(listeners, shutdown);
                Box::pin(live(keeper, serving))
            }),
            monitor: Arc::new(monitor),
            tls: match access {
                TcpAccess::Tls(tls) => Some(tls),
                _ => None,
            },
        })
    }

    /// What can be seen of the plugin while it runs.
    pub(crate) fn monitor(&self) -> Arc<dyn Monitored> {
        Arc::clone(&self.monitor)
    }

    /// The certificates it shows, if any.
    pub(crate) fn tls(&self) -> Option<Tls> {
        self.tls.clone()
    }

    /// Serves until `shutdown` is ready, then finishes the calls in flight and cleans up.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), StartError> {
        (self.run)(shutdown).await
    }
}

/// Serves, and does what has to be done besides: restores what is in use, and gives back at the end
/// what the driver has for itself.
async fn live<B: Backend>(
    keeper: Keeper<B>,
    serving: impl Future<Output = Result<(), StartError>> + Send,
) -> Result<(), StartError> {
    let restoring = tokio::spawn({
        let keeper = keeper.clone();
        async move { keeper.restore().await }.in_current_span()
    });
    let served = serving.await;
    restoring.abort();
    keeper.close().await;
    served
}

fn listen(
    options: &PluginOptions,
    access: &TcpAccess,
    passed: &mut PassedSockets,
    only: bool,
) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    if options.listen.systemd {
        listeners.extend(passed.claim(options.name(), only, access)?);
    }
    if let Some(path) = options.socket() {
        listeners.push(Listener::unix(path)?);
    }
    if let Some(address) = options.listen.tcp {
        listeners.push(Listener::tcp(address, access.clone())?);
    }
    if options.announce.is_wanted() {
        announce(options, &mut listeners)?;
    }
    Ok(listeners)
}

/// Writes the plugin file for the TCP address, if there is one, else for the unix socket.
fn announce(options: &PluginOptions, listeners: &mut Vec<Listener>) -> Result<(), StartError> {
    let tcp = listeners
        .iter()
        .rposition(|listener| listener.tcp_address().is_some());
    let announced = listeners.swap_remove(match (tcp, listeners.len()) {
        (Some(index), _) => index,
        (None, 0) => return Ok(()),
        (None, length) => length - 1,
    });
    let address = address(options, &announced)?;
    let tls = if address.starts_with("https://") {
        Some(options.announce.client_tls(&options.listen)?)
    } else {
        None
    };
    let announcement = Announcement {
        name: options.name(),
        address: &address,
        tls: tls.as_ref(),
    };
    let file = options
        .announce
        .file(options.name(), announcement.extension());
    listeners.push(match file {
        Some(file) => announced.announced_by(SpecFile::write(&file, &announcement)?),
        None => announced,
    });
    Ok(())
}

/// The URL under which an engine reaches a listener.
fn address(options: &PluginOptions, listener: &Listener) -> Result<String, StartError> {
    let url = listener.to_string();
    let Some(address) = listener.tcp_address() else {
        return Ok(url);
    };
    match (&options.announce.spec_address, url.split_once("://")) {
        (Some(given), Some((scheme, _))) => Ok(format!("{scheme}://{given}")),
        _ if address.ip().is_unspecified() => {
            let file = options.announce.file(options.name(), "spec");
            Err(StartError::spec_file(
                file.as_deref().unwrap_or(Path::new("")),
                format!("nobody can connect to {address}: give --spec-address HOST:PORT"),
            ))
        }
        _ => Ok(url),
    }
}

fn open<C: BackendConfig>(
    options: &PluginOptions,
    backend: &C,
) -> Result<Keeper<C::Backend>, StartError> {
    let root = DataRoot::claim(&options.data_root, options.state_dir.as_deref())?;
    let state = root.state();
    let (store, condition) = Store::open(&state)?;
    let (backend, found) = backend.open(&Site {
        root: &root,
        scope: options.scope.into(),
        lost: condition != Condition::Sound,
        known: &|name| store.knows(name),
    })?;
    begin(&store, &state, options, found)?;
    backend.resume(&|name| matches!(store.read(name), Ok(Some(record)) if record.is_mounted()));
    Ok(Keeper::new(
        backend,
        root,
        store,
        Scope::from(options.scope),
    ))
}

fn begin(
    store: &Store,
    state: &Path,
    options: &PluginOptions,
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
    let boot_id = options.boot_id.clone().unwrap_or_else(kernel_boot_id);
    let beginning = Beginning {
        boot_id: &boot_id,
        forget_holds: options.forget_holds,
        adopted,
    };
    let dropped = store
        .begin(&beginning)
        .map_err(|error| StartError::state(state, error))?;
    if dropped > 0 {
        let reason = if options.forget_holds {
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
