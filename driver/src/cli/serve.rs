//! Running plugins until a signal says stop.

use std::{path::Path, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use super::ProcessArgs;
use crate::{
    StartError, config, logging,
    monitor::{Endpoint, Monitors, StatusAddress},
    plugin::PluginConfig,
    server::{PassedSockets, raise_open_files_limit},
    supervisor::Supervisor,
};

/// Runs the plugin of the command line and those of the configuration file.
pub(super) fn serve(plugin: Option<&PluginConfig>, process: &ProcessArgs) -> Result<(), String> {
    logging::start(process.log_format, process.log_level);
    try_serve(plugin, process).map_err(|error| error.to_string())
}

fn try_serve(plugin: Option<&PluginConfig>, process: &ProcessArgs) -> Result<(), StartError> {
    // Changes the environment, so before there are threads.
    let passed = PassedSockets::from_env()?;
    raise_open_files_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        // Before anything is listened on: a signal must not leave a socket behind.
        let signals = Signals::new()?;
        let source = Source {
            plugin,
            file: process.config.as_deref(),
        };
        run(&source, process.status_listen.as_deref(), passed, signals).await
    });
    // A call that outlived the time for stopping must not hold up the end of the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

async fn run(
    source: &Source<'_>,
    status: Option<&str>,
    passed: PassedSockets,
    mut signals: Signals,
) -> Result<(), StartError> {
    let endpoint = status.map(endpoint).transpose()?;
    let monitors = Monitors::new();
    let (mut supervisor, mut failures) = Supervisor::new(passed, monitors.clone());
    supervisor.start(source.read()?).await?;
    let (_stop_endpoint, stopping) = watch::channel(false);
    if let Some(endpoint) = endpoint {
        tokio::spawn(endpoint.serve(monitors, stopping)?);
    }
    tell(&[NotifyState::Ready]);
    let outcome = loop {
        tokio::select! {
            _ = signals.terminate.recv() => break Ok(()),
            _ = signals.interrupt.recv() => break Ok(()),
            _ = signals.hangup.recv() => reload(source, &mut supervisor).await,
            Some((plugin, error)) = failures.recv() => {
                tracing::error!(plugin, %error, "the plugin has ended");
                break Err(error);
            }
        }
    };
    tell(&[NotifyState::Stopping]);
    supervisor.stop().await;
    outcome
}

/// Goes over to what the configuration file says now, if that makes sense.
async fn reload(source: &Source<'_>, supervisor: &mut Supervisor) {
    // systemd wants to know when it began, to tell this reload from another one.
    let begun = NotifyState::monotonic_usec_now();
    let begun: Vec<_> = [NotifyState::Reloading].into_iter().chain(begun).collect();
    tell(&begun);
    if source.file.is_none() {
        tracing::info!("there is no configuration file; only certificates are read anew");
        supervisor.refresh();
    } else {
        match source.read() {
            Err(error) => {
                tracing::error!(%error, "everything stays as it was");
                tell(&[NotifyState::Status("the new configuration was refused")]);
            }
            Ok(plugins) => match supervisor.apply(plugins).await {
                0 => {
                    tracing::info!("the configuration was read anew");
                    tell(&[NotifyState::Status("")]);
                }
                failed => {
                    let status = format!("{failed} plugins could not be reloaded");
                    tell(&[NotifyState::Status(&status)]);
                }
            },
        }
    }
    tell(&[NotifyState::Ready]);
}

/// Where plugins are configured.
struct Source<'a> {
    plugin: Option<&'a PluginConfig>,
    file: Option<&'a Path>,
}

impl Source<'_> {
    /// The plugins that are to run, free of contradictions.
    fn read(&self) -> Result<Vec<PluginConfig>, StartError> {
        let mut plugins: Vec<_> = self.plugin.cloned().into_iter().collect();
        if let Some(file) = self.file {
            plugins.extend(config::read(file)?);
        }
        let source = self.file.map_or_else(
            || "of the command line".to_owned(),
            |file| file.display().to_string(),
        );
        config::check(&plugins, &source)?;
        if plugins.is_empty() {
            return Err(StartError::config(source, "it has no [[plugin]]"));
        }
        Ok(plugins)
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, StartError> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

fn endpoint(address: &str) -> Result<Endpoint, StartError> {
    let address: StatusAddress = address.parse().map_err(|reason| StartError::Listen {
        address: address.to_owned(),
        reason,
    })?;
    Endpoint::bind(&address)
}

/// Tells systemd, if it wants to know.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot tell systemd how things stand");
    }
}
