//! What can be seen of running plugins: volumes, holds, health, and how calls fare.
//!
//! [`Measured`] counts the calls of a driver, [`PluginMonitor`] reports on one plugin, [`Monitors`]
//! on all of them. A [`Report`] is shown as JSON, as text or as OpenMetrics; [`endpoint`] serves it.
//! No option of a volume is in it, so neither is a secret.

mod client;
mod endpoint;
mod human;
mod measured;
mod openmetrics;
mod operations;
mod plugin;
mod report;

use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;

pub(crate) use client::fetch;
pub(crate) use endpoint::{Endpoint, StatusAddress};
pub(crate) use measured::Measured;
pub(crate) use plugin::{Monitored, PluginMonitor};
pub(crate) use report::Report;

/// All running plugins, as far as they can be seen.
#[derive(Clone)]
pub(crate) struct Monitors {
    started_at: Timestamp,
    plugins: Arc<RwLock<Vec<Arc<dyn Monitored>>>>,
}

impl Monitors {
    pub(crate) fn new() -> Self {
        Self {
            started_at: Timestamp::now(),
            plugins: Arc::default(),
        }
    }

    /// From now on these are the plugins.
    pub(crate) fn set(&self, plugins: Vec<Arc<dyn Monitored>>) {
        *self.plugins.write().unwrap_or_else(PoisonError::into_inner) = plugins;
    }

    /// How things stand. Takes as long as the slowest health check, which is bounded.
    pub(crate) async fn report(&self) -> Report {
        let plugins = self
            .plugins
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut tasks = tokio::task::JoinSet::new();
        for plugin in plugins {
            tasks.spawn(async move { plugin.report().await });
        }
        let mut plugins = tasks.join_all().await;
        plugins.sort_by(|one, other| one.name.cmp(&other.name));
        Report::new(self.started_at, plugins)
    }
}
