//! Volumes: drivers, names, references, and what a daemon remembers of them.
//!
//! The files are named as in moby's `volume/` and hold what stands there: [`driver`] is the adapter
//! that turns a plugin into a driver, [`drivers`] the store of drivers, [`store`] the volumes by
//! name, [`find`] lists and prunes, [`restore`] is what happens at a start, [`local`] the built-in
//! driver.

pub(crate) mod created_at;
pub(crate) mod driver;
pub(crate) mod drivers;
mod find;
pub(crate) mod local;
mod metadata;
mod restore;
pub(crate) mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use find::{PruneFilters, PruneReport, VolumeFilters, VolumeList};

/// The label of a volume that was created without a name, from Docker 23 on.
pub const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// Labels or options.
pub type Pairs = BTreeMap<String, String>;

/// A volume as the Engine API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Volume {
    /// RFC 3339; Go's zero time where it is not known.
    pub created_at: String,
    /// The driver's name.
    pub driver: String,
    /// Labels; none and an empty set are told apart, as in the API.
    pub labels: Option<Pairs>,
    /// Where it is mounted, as far as the engine knows; empty otherwise.
    pub mountpoint: String,
    /// The name.
    pub name: String,
    /// The options that it was created with, as far as this engine created it.
    pub options: Option<Pairs>,
    /// `local` or `global`.
    pub scope: String,
    /// What the driver says about the volume; only of an inspected one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What `docker volume create` asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeCreate {
    /// The name; without one the engine makes 64 hexadecimal digits up.
    pub name: String,
    /// The driver; without one any driver that has the volume, else `local`.
    pub driver: String,
    /// `DriverOpts`. `None` is sent to the plugin as `null` (newer CLIs without `-o`), an empty
    /// set as `{}` (the CLI of Docker 20.10).
    pub options: Option<Pairs>,
    /// Labels, which a plugin never sees.
    pub labels: Option<Pairs>,
}
