//! What is remembered of a volume: moby's `volume/service/db.go`.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Pairs;
use crate::error::{Error, Result};
use crate::records::Records;

/// What a daemon knows of a volume when it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Metadata {
    /// The name. moby leaves it empty for a volume that it adopted, and asks the driver for the
    /// volume "" at the next start.
    pub(super) name: String,
    /// The driver; empty if only the volume's name is known.
    pub(super) driver: String,
    /// Labels.
    pub(super) labels: Option<Pairs>,
    /// Options.
    pub(super) options: Option<Pairs>,
}

/// Metadata by name, in memory and on disk.
#[derive(Debug)]
pub(super) struct Database {
    records: Records,
    cache: Mutex<HashMap<String, Metadata>>,
}

impl Database {
    /// Reads what the last daemon left.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let records = Records::open(directory)?;
        let cache = records.all()?.into_iter().collect();
        Ok(Self {
            records,
            cache: Mutex::new(cache),
        })
    }

    /// Everything.
    pub(super) fn all(&self) -> Vec<Metadata> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.values().cloned().collect()
    }

    /// What is known of `name`; nothing is known of most.
    pub(super) fn get(&self, name: &str) -> Metadata {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(name).cloned().unwrap_or_default()
    }

    /// Remembers.
    pub(super) fn set(&self, name: &str, metadata: Metadata) -> Result<()> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        self.records
            .put(name, &metadata)
            .map_err(|error| Error::system(format!("error setting volume metadata: {error}")))?;
        cache.insert(name.to_owned(), metadata);
        Ok(())
    }

    /// Forgets.
    pub(super) fn remove(&self, name: &str) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.remove(name).is_some()
            && let Err(error) = self.records.remove(name)
        {
            tracing::error!(volume = name, "Error removing volume metadata: {error}");
        }
    }
}
