//! What `docker create` asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::volumes::Pairs;

/// A container to be created, as far as volumes, names and processes go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerCreate {
    /// The name; without one the engine makes one up.
    pub name: String,
    /// The image.
    pub image: String,
    /// The image's ID, filled in when the container is created.
    pub image_id: String,
    /// Entrypoint and command, joined.
    pub command: Vec<String>,
    /// `KEY=VALUE`.
    pub env: Vec<String>,
    /// `--user`.
    pub user: String,
    /// `--workdir`. It is made at create, which can set off a copy-up.
    pub working_dir: String,
    /// Destinations of anonymous volumes (`-v /data`), beside those of the image.
    pub volumes: BTreeSet<String>,
    /// `SOURCE:DESTINATION[:MODE]` (`-v`).
    pub binds: Vec<String>,
    /// `--mount`.
    pub mounts: Vec<MountSpec>,
    /// `CONTAINER[:MODE]`.
    pub volumes_from: Vec<String>,
    /// `--volume-driver`, which counts for `binds` and `volumes` only.
    pub volume_driver: String,
    /// `--tmpfs`: options by destination.
    pub tmpfs: BTreeMap<String, String>,
    /// `--restart`.
    pub restart: RestartPolicy,
    /// `--rm`.
    pub auto_remove: bool,
    /// `--read-only`.
    pub read_only: bool,
    /// The network that it is to be on; empty for the default one.
    pub network: String,
    /// Labels.
    pub labels: Pairs,
    /// Nobody waits for its output, unless somebody is attached when it is started. A simulated
    /// process that is not known runs on if nobody does.
    pub detached: bool,
    /// `--stop-signal`.
    pub stop_signal: Option<String>,
    /// `--stop-timeout`, in seconds.
    pub stop_timeout: Option<i64>,
    /// Whatever else the Engine API wants to show again, kept as it is.
    pub api: serde_json::Value,
}

impl ContainerCreate {
    /// A switch of the Engine API's container configuration: `Tty`, `OpenStdin`, `StdinOnce`.
    pub(crate) fn switch(&self, name: &str) -> bool {
        let value = self.api.get(name);
        value.and_then(serde_json::Value::as_bool).unwrap_or(false)
    }

    /// `--hostname`; without one it is the beginning of the container's ID.
    pub(crate) fn hostname<'a>(&'a self, id: &'a str) -> &'a str {
        let given = self.api.get("Hostname").and_then(|name| name.as_str());
        let given = given.filter(|name| !name.is_empty());
        given.unwrap_or_else(|| id.get(..12).unwrap_or(id))
    }
}

/// One `--mount`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MountSpec {
    /// What is mounted.
    #[serde(rename = "Type")]
    pub kind: MountKind,
    /// A path or a volume's name.
    pub source: String,
    /// The path in the container.
    pub target: String,
    /// Whether it cannot be written to.
    pub read_only: bool,
    /// For [`MountKind::Bind`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<BindOptions>,
    /// For [`MountKind::Volume`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    /// For [`MountKind::Tmpfs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_options: Option<TmpfsOptions>,
}

/// What a mount is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume.
    #[default]
    Volume,
    /// Memory.
    Tmpfs,
    /// Anything that this engine does not mount.
    #[serde(other)]
    Unknown,
}

impl MountKind {
    /// The word in the Engine API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Volume => "volume",
            Self::Tmpfs => "tmpfs",
            Self::Unknown => "unknown",
        }
    }
}

/// Options of a bind mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BindOptions {
    /// `rprivate` and the like.
    pub propagation: String,
    /// Whether a missing source is made.
    pub create_mountpoint: bool,
}

/// Options of a volume mount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeOptions {
    /// Whether an image's content at the path stays out of the volume.
    pub no_copy: bool,
    /// Labels of a volume that is created.
    pub labels: Option<Pairs>,
    /// The driver of a volume that is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_config: Option<DriverConfig>,
    /// A directory in the volume.
    pub subpath: String,
}

/// Options of a mount in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TmpfsOptions {
    /// How much it holds, in bytes; 0 is without limit.
    pub size_bytes: u64,
    /// Its mode; 0 is the usual one.
    pub mode: u32,
}

/// A driver with the options of a volume that is created.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DriverConfig {
    /// The driver.
    pub name: String,
    /// Its options.
    pub options: Option<Pairs>,
}

/// When a container that ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// Always, also when the daemon starts.
    Always,
    /// As [`Self::Always`], except if it was stopped by hand before.
    UnlessStopped,
    /// If it failed, and not more often than this; 0 is without limit.
    OnFailure(u32),
}
