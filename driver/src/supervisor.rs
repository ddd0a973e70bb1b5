//! Several plugins in one process: starting, replacing and stopping them.
//!
//! Each plugin has sockets, a data root and a server of its own; what they share is the process.
//! [`Supervisor::apply`] goes from the plugins that run to those that should: new ones start, those
//! that are gone stop, changed ones are replaced, and unchanged ones go on undisturbed, their
//! connections open. What is mounted stays mounted in any case: a plugin that stops unmounts
//! nothing, and remembers who holds what.

use std::{collections::BTreeMap, io, sync::Arc};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Duration, Instant, sleep},
};
use tracing::Instrument as _;

use crate::{
    StartError, logging,
    monitor::{Monitored, Monitors},
    plugin::{BoundPlugin, PluginConfig},
    server::{PassedSockets, Tls},
};

/// How long the data root of a plugin that has stopped is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(50);

/// Runs one plugin until `shutdown` is ready.
///
/// # Errors
/// When the plugin cannot start; see [`StartError`].
pub async fn serve(
    config: PluginConfig,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let span = logging::plugin(config.options().name());
    let bound = bind(config, PassedSockets::default(), true).await.1?;
    bound.run(Box::pin(shutdown)).instrument(span).await
}

/// The plugins that run.
pub(crate) struct Supervisor {
    running: BTreeMap<String, Running>,
    passed: PassedSockets,
    monitors: Monitors,
    failures: mpsc::UnboundedSender<(String, StartError)>,
}

struct Running {
    config: PluginConfig,
    monitor: Arc<dyn Monitored>,
    tls: Option<Tls>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Tells of plugins that end without being asked to.
pub(crate) type Failures = mpsc::UnboundedReceiver<(String, StartError)>;

impl Supervisor {
    /// Nothing runs yet. `passed` are the sockets of systemd.
    pub(crate) fn new(passed: PassedSockets, monitors: Monitors) -> (Self, Failures) {
        let (failures, told) = mpsc::unbounded_channel();
        let supervisor = Self {
            running: BTreeMap::new(),
            passed,
            monitors,
            failures,
        };
        (supervisor, told)
    }

    /// Starts all of them, or none.
    pub(crate) async fn start(&mut self, plugins: Vec<PluginConfig>) -> Result<(), StartError> {
        let only = takes_all(&plugins);
        for config in plugins {
            if let Err(error) = self.launch(config, only).await {
                self.stop().await;
                return Err(error);
            }
        }
        self.publish();
        Ok(())
    }

    /// Goes over to these plugins. One that cannot start, or cannot be replaced, is told of in the
    /// log and does not keep the others from it; where there was one before, that goes on.
    /// Returns how many failed.
    pub(crate) async fn apply(&mut self, plugins: Vec<PluginConfig>) -> usize {
        let only = takes_all(&plugins);
        let wanted: Vec<_> = plugins
            .iter()
            .map(|config| config.options().name().to_owned())
            .collect();
        let gone: Vec<_> = self
            .running
            .keys()
            .filter(|name| !wanted.contains(name))
            .cloned()
            .collect();
        for name in gone {
            tracing::info!(plugin = name, "no longer configured");
            self.halt(&name).await;
        }
        let mut failed = 0;
        for config in plugins {
            let name = config.options().name().to_owned();
            let outcome = match self.running.get(&name) {
                Some(running) if running.config == config => {
                    running.refresh(&name);
                    continue;
                }
                Some(_) => self.replace(&name, config, only).await,
                None => self.launch(config, only).await,
            };
            match outcome {
                Ok(()) => tracing::info!(plugin = name, "the new configuration is in force"),
                Err(error) => {
                    failed += 1;
                    tracing::error!(plugin = name, %error, "the new configuration is not in force");
                }
            }
        }
        self.publish();
        failed
    }

    /// Reads all certificates anew.
    pub(crate) fn refresh(&self) {
        for (name, running) in &self.running {
            running.refresh(name);
        }
    }

    /// Stops all plugins, at the same time.
    pub(crate) async fn stop(&mut self) {
        for running in self.running.values() {
            running.stop.send_replace(true);
        }
        for (_, running) in std::mem::take(&mut self.running) {
            let _ = running.task.await;
        }
        self.publish();
    }

    /// Stops a plugin and starts it as it should be; or as it was, when that fails. Both cannot
    /// run at once: they may share a socket and a data root.
    async fn replace(
        &mut self,
        name: &str,
        config: PluginConfig,
        only: bool,
    ) -> Result<(), StartError> {
        let Some(old) = self.halt(name).await else {
            return self.launch(config, only).await;
        };
        let failure = match self.launch_after(config, only).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        if let Err(error) = self.launch_after(old, only).await {
            tracing::error!(plugin = name, %error, "and the old configuration cannot be used any more");
        }
        Err(failure)
    }

    /// Starts a plugin in the place of one that has just stopped. A report under way, or a call that
    /// outlived the time for stopping, holds the data root for a moment longer.
    async fn launch_after(&mut self, config: PluginConfig, only: bool) -> Result<(), StartError> {
        let patience = Instant::now() + PATIENCE;
        loop {
            match self.launch(config.clone(), only).await {
                Err(StartError::DataRootInUse { .. }) if Instant::now() < patience => {
                    sleep(RETRY).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn launch(&mut self, config: PluginConfig, only: bool) -> Result<(), StartError> {
        let name = config.options().name().to_owned();
        let passed = std::mem::take(&mut self.passed);
        let (passed, bound) = bind(config.clone(), passed, only).await;
        self.passed = passed;
        let bound = bound?;
        let (stop, mut stopping) = watch::channel(false);
        let running = Running {
            config,
            monitor: bound.monitor(),
            tls: bound.tls(),
            stop,
            task: tokio::spawn({
                let (span, name, failures) =
                    (logging::plugin(&name), name.clone(), self.failures.clone());
                let life = async move {
                    let shutdown = Box::pin(async move {
                        let _ = stopping.wait_for(|stop| *stop).await;
                    });
                    if let Err(error) = bound.run(shutdown).await {
                        let _ = failures.send((name, error));
                    }
                };
                life.instrument(span)
            }),
        };
        self.running.insert(name, running);
        Ok(())
    }

    async fn halt(&mut self, name: &str) -> Option<PluginConfig> {
        let Running {
            config, stop, task, ..
        } = self.running.remove(name)?;
        stop.send_replace(true);
        let _ = task.await;
        self.publish();
        Some(config)
    }

    fn publish(&self) {
        let monitors = self.running.values();
        self.monitors.set(
            monitors
                .map(|running| Arc::clone(&running.monitor))
                .collect(),
        );
    }
}

impl Running {
    fn refresh(&self, name: &str) {
        match self.tls.as_ref().map(Tls::reload) {
            Some(Err(error)) => {
                tracing::error!(plugin = name, %error, "the certificates stay as they were");
            }
            Some(Ok(())) => tracing::info!(plugin = name, "the certificates were read anew"),
            None => {}
        }
    }
}

/// Whether only one plugin wants sockets of systemd's: it takes all of them, whatever their names.
fn takes_all(plugins: &[PluginConfig]) -> bool {
    let wanting = plugins
        .iter()
        .filter(|config| config.options().listen.systemd);
    wanting.count() == 1
}

/// Binds a plugin where waiting for the disk is allowed.
async fn bind(
    config: PluginConfig,
    mut passed: PassedSockets,
    only: bool,
) -> (PassedSockets, Result<BoundPlugin, StartError>) {
    let work = move || {
        let _span = logging::plugin(config.options().name()).entered();
        let bound = config.bind(&mut passed, only);
        (passed, bound)
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|cause| {
            let failure = StartError::Runtime(io::Error::other(cause));
            (PassedSockets::default(), Err(failure))
        })
}
