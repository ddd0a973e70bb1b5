//! How things stand, as data.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The form of the JSON; a change that breaks readers takes a new number.
const SCHEMA: &str = "volplug-driver/status@1";

/// One process and its plugins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) schema: String,
    pub(crate) version: String,
    pub(crate) started_at: Timestamp,
    pub(crate) plugins: Vec<PluginReport>,
}

/// One plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PluginReport {
    pub(crate) name: String,
    pub(crate) backend: String,
    pub(crate) scope: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) data_root: PathBuf,
    pub(crate) healthy: bool,
    /// What is wrong, when it is not healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
    pub(crate) volumes: Vec<VolumeReport>,
    pub(crate) operations: Vec<OperationReport>,
}

/// One volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VolumeReport {
    pub(crate) name: String,
    /// Successful Mounts less successful Unmounts.
    pub(crate) holders: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mountpoint: Option<PathBuf>,
}

/// How the calls of one kind fared since the plugin was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OperationReport {
    pub(crate) operation: String,
    /// How many came to an end, well or not.
    pub(crate) count: u64,
    /// How long they took together.
    pub(crate) seconds: f64,
    /// How many failed, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) failures: BTreeMap<String, u64>,
    /// How many took up to so many seconds: the buckets of a histogram, each alone.
    pub(crate) buckets: Vec<Bucket>,
}

/// The calls that took longer than the bucket before, and at most `le` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    /// `None`: without limit.
    pub(crate) le: Option<f64>,
    pub(crate) count: u64,
}

impl Report {
    pub(crate) fn new(started_at: Timestamp, plugins: Vec<PluginReport>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at,
            plugins,
        }
    }
}

impl OperationReport {
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}
