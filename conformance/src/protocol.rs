//! The nine calls of the volume plugin protocol, and how dockerd reads their answers.
//!
//! Written from docs.docker.com (`engine/extend/plugins_volume`) and from what recorded engines
//! sent and did, and from nothing else: the reference driver has its own reading.

mod body;
mod reading;

pub use body::{Opts, create_body, hold_body, name_body};
pub use reading::{Reading, Volume, is_rfc3339, read_as_docker};

use std::fmt;

/// One call of the protocol.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Endpoint {
    /// The handshake, `/Plugin.Activate`.
    Activate,
    /// `/VolumeDriver.Capabilities`.
    Capabilities,
    /// `/VolumeDriver.Create`.
    Create,
    /// `/VolumeDriver.Get`.
    Get,
    /// `/VolumeDriver.List`.
    List,
    /// `/VolumeDriver.Path`.
    Path,
    /// `/VolumeDriver.Mount`.
    Mount,
    /// `/VolumeDriver.Unmount`.
    Unmount,
    /// `/VolumeDriver.Remove`.
    Remove,
}

impl Endpoint {
    /// All nine, in the order in which a volume meets them.
    pub const ALL: [Self; 9] = [
        Self::Activate,
        Self::Capabilities,
        Self::Create,
        Self::Get,
        Self::List,
        Self::Path,
        Self::Mount,
        Self::Unmount,
        Self::Remove,
    ];

    /// The request target.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Activate => "/Plugin.Activate",
            Self::Capabilities => "/VolumeDriver.Capabilities",
            Self::Create => "/VolumeDriver.Create",
            Self::Get => "/VolumeDriver.Get",
            Self::List => "/VolumeDriver.List",
            Self::Path => "/VolumeDriver.Path",
            Self::Mount => "/VolumeDriver.Mount",
            Self::Unmount => "/VolumeDriver.Unmount",
            Self::Remove => "/VolumeDriver.Remove",
        }
    }

    /// The endpoint of a request target.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|endpoint| endpoint.path() == path)
    }

    /// Whether dockerd sends a body that names a volume.
    #[must_use]
    pub const fn names_a_volume(self) -> bool {
        !matches!(self, Self::Activate | Self::Capabilities | Self::List)
    }

    /// The case that judges the call in its plainest form: where that fails, cases that only need
    /// the call as a step say nothing new.
    #[must_use]
    pub const fn base_case(self) -> &'static str {
        match self {
            Self::Activate => "act.handshake",
            Self::Capabilities => "cap.shape",
            Self::Create | Self::Get => "create.works",
            Self::List => "list.complete",
            Self::Path => "path.served",
            Self::Mount => "mount.usable",
            Self::Unmount => "unmount.works",
            Self::Remove => "remove.works",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path().rsplit('.').next().unwrap_or_default())
    }
}
