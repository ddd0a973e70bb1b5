//! What a daemon does about its volumes when it starts.
//!
//! Follows moby's `volume/service/restore.go`: every volume that is remembered is asked for, all at
//! once. One whose plugin is not there costs the whole 15 seconds of looking for it, and stays on
//! record.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use super::metadata::Metadata;
use super::store::{Stored, VolumeStore};

impl VolumeStore {
    /// Asks for every volume on record.
    pub(crate) async fn restore(self: &Arc<Self>) {
        let mut restoring = Vec::new();
        for metadata in self.database.all() {
            let store = Arc::clone(self);
            restoring.push(self.context.spawn(async move {
                store.restore_one(metadata).await;
            }));
        }
        for task in restoring {
            // A task that was cut short is a daemon that was.
            let _ = task.await;
        }
    }

    async fn restore_one(&self, metadata: Metadata) {
        let driver = metadata.driver.as_str();
        let driver = if driver.is_empty() { "local" } else { driver };
        let volume = match self.lookup(driver, &metadata.name).await {
            Ok(Some(volume)) => volume,
            Ok(None) => {
                // By the name in the record, as moby: an adopted volume, whose record has none, stays.
                self.database.remove(&metadata.name);
                return;
            }
            Err(error) => {
                tracing::warn!(
                    driver,
                    volume = metadata.name,
                    "Error restoring volume: {error}"
                );
                return;
            }
        };
        let name = volume.name.clone();
        let stored = Stored {
            volume,
            labels: None,
            options: None,
            scope: "",
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.options.insert(name.clone(), metadata.options);
        known.labels.insert(name.clone(), metadata.labels);
        known.names.insert(name.clone(), stored);
        known.refs.insert(name, BTreeSet::new());
    }
}
