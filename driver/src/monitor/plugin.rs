//! What can be seen of one plugin.

use std::{path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use super::{
    Measured,
    report::{PluginReport, VolumeReport},
};
use crate::{
    backend::Backend, keeper::Keeper, plugin::PluginOptions, server::Listener, types::Scope,
};

/// A storage that does not answer within this time is not healthy.
const PATIENCE: Duration = Duration::from_secs(2);

/// A plugin that reports on itself.
pub(crate) trait Monitored: Send + Sync {
    /// How it stands, within a bounded time.
    fn report(&self) -> Pin<Box<dyn Future<Output = PluginReport> + Send + '_>>;
}

/// The monitor of a plugin on some backend.
pub(crate) struct PluginMonitor<B> {
    name: String,
    scope: Scope,
    data_root: PathBuf,
    addresses: Vec<String>,
    driver: Arc<Measured<Keeper<B>>>,
}

impl<B: Backend> PluginMonitor<B> {
    pub(crate) fn new(
        options: &PluginOptions,
        listeners: &[Listener],
        driver: Arc<Measured<Keeper<B>>>,
    ) -> Self {
        Self {
            name: options.name().to_owned(),
            scope: options.scope.into(),
            data_root: options.data_root.clone(),
            addresses: listeners.iter().map(ToString::to_string).collect(),
            driver,
        }
    }

    async fn look(&self) -> PluginReport {
        let keeper = self.driver.driver();
        let health = match tokio::time::timeout(PATIENCE, keeper.backend().health()).await {
            Ok(health) => health.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the storage did not answer within {PATIENCE:?}")),
        };
        let volumes = keeper.holders().await;
        let problem = match (&health, &volumes) {
            (Err(problem), _) => Some(problem.clone()),
            (_, Err(error)) => Some(error.to_string()),
            _ => None,
        };
        PluginReport {
            name: self.name.clone(),
            backend: keeper.backend().name().to_owned(),
            scope: self.scope.as_str().to_owned(),
            addresses: self.addresses.clone(),
            data_root: self.data_root.clone(),
            healthy: problem.is_none(),
            problem,
            volumes: volumes.unwrap_or_default(),
            operations: self.driver.report(),
        }
    }
}

impl<B: Backend> Monitored for PluginMonitor<B> {
    fn report(&self) -> Pin<Box<dyn Future<Output = PluginReport> + Send + '_>> {
        Box::pin(self.look())
    }
}

impl<B: Backend> Keeper<B> {
    /// All volumes and how often each is held.
    async fn holders(&self) -> Result<Vec<VolumeReport>, crate::Error> {
        self.survey(|volume, holders| VolumeReport {
            name: volume.name,
            holders,
            mountpoint: volume.mountpoint,
        })
        .await
    }
}
