//! Requests and answers as a driver's author sees them.
//!
//! The server turns JSON into these and back ([`crate::server`]); nothing here knows the wire.
//! What the protocol leaves open is settled once, here: which names are names at all
//! ([`VolumeName`]), and what a missing mount ID means ([`MountId`]).

use std::{
    collections::BTreeMap,
    fmt,
    ops::Deref,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Quoted};

/// The options of a Create, `docker volume create -o key=value`, sorted by key.
pub type Options = BTreeMap<String, String>;

/// The longest name accepted, in bytes.
///
/// Docker sets no limit for volume plugins; a bound keeps records and messages small.
pub const MAX_NAME_BYTES: usize = 4096;

/// The name of a volume: any text that is not empty, holds no NUL and has at most 4096 bytes.
///
/// dockerd applies no rule of its own to names of plugin volumes (`ValidateVolumeName` in moby's
/// `daemon/volume/mounts/linux_parser.go` accepts everything), so `a/b`, `../../etc` and
/// `<a&b>` do arrive. A driver that turns names into paths must encode them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeName(String);

impl VolumeName {
    /// Accepts a name, or says what is wrong with it.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) when it is empty, too long or holds a NUL.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        if name.is_empty() {
            return Err(Error::refused("the volume name is empty"));
        }
        if name.len() > MAX_NAME_BYTES {
            let (shown, length) = (Quoted(&name), name.len());
            return Err(Error::refused(format!(
                "volume name {shown} is too long: {length} bytes, at most {MAX_NAME_BYTES} are accepted"
            )));
        }
        if name.contains('\0') {
            return Err(Error::refused(format!(
                "volume name {} holds a NUL",
                Quoted(&name)
            )));
        }
        Ok(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for VolumeName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quoted(&self.0).fmt(f)
    }
}

/// Who asks for a mount: an opaque text that Docker chooses, one per mount point of a container.
///
/// An ID is *not* unique per call: `docker cp` on a running container mounts and unmounts with
/// the ID that the container holds already (moby issues 37314 and 47964), and after a crash of
/// the daemon a start sends the ID that was never released. Some callers send none at all; such
/// a holder is anonymous.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MountId(String);

impl MountId {
    /// Takes an ID as it is; the empty text is the anonymous holder.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The ID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the caller gave no ID.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for MountId {
    /// Shortened to twelve characters, as `docker ps` does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_anonymous() {
            return f.write_str("(no ID)");
        }
        self.0
            .chars()
            .take(12)
            .try_for_each(|char| write!(f, "{}", char.escape_debug()))
    }
}

/// `VolumeDriver.Create`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateRequest {
    /// The volume to create.
    pub name: VolumeName,
    /// What the user gave with `-o`; empty when nothing was given.
    pub options: Options,
}

impl CreateRequest {
    /// A request for this name and these options.
    #[must_use]
    pub fn new(name: VolumeName, options: Options) -> Self {
        Self { name, options }
    }
}

/// `VolumeDriver.Mount` and `VolumeDriver.Unmount`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MountRequest {
    /// The volume to mount or unmount.
    pub name: VolumeName,
    /// Who asks.
    pub id: MountId,
}

impl MountRequest {
    /// A request for this volume on behalf of this holder.
    #[must_use]
    pub fn new(name: VolumeName, id: MountId) -> Self {
        Self { name, id }
    }
}

/// What Get and List tell of a volume.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Volume {
    /// The name, byte for byte as Create had it: dockerd adopts whatever stands here.
    pub name: String,
    /// Where the volume is mounted; `None` while it is not.
    pub mountpoint: Option<PathBuf>,
    /// When it was created, if that is known.
    pub created_at: Option<Timestamp>,
    /// Free-form details for `docker volume inspect`. Never put a secret here.
    pub status: serde_json::Map<String, serde_json::Value>,
}

impl Volume {
    /// A volume that is not mounted and of which nothing else is known.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            mountpoint: None,
            created_at: None,
            status: serde_json::Map::new(),
        }
    }

    /// The same volume, mounted at this path.
    #[must_use]
    pub fn mounted_at(mut self, path: impl AsRef<Path>) -> Self {
        self.mountpoint = Some(path.as_ref().to_owned());
        self
    }

    /// The same volume with its time of creation.
    #[must_use]
    pub fn created_at(mut self, time: Timestamp) -> Self {
        self.created_at = Some(time);
        self
    }

    /// The same volume with one more detail in its status.
    #[must_use]
    pub fn with_status(
        mut self,
        key: impl Into<String>,
        value: impl Into<serde_json::Value>,
    ) -> Self {
        self.status.insert(key.into(), value.into());
        self
    }
}

/// Who sees the volumes of a driver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// This host alone.
    #[default]
    Local,
    /// Every host of the cluster that runs the driver.
    Global,
}

impl Scope {
    /// The word that dockerd expects.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Global => "global",
        }
    }
}

/// What a driver tells Docker about itself. dockerd keeps the first answer for its whole life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Who sees the volumes.
    pub scope: Scope,
}

impl Capabilities {
    /// The capabilities of a driver with this scope.
    #[must_use]
    pub fn scope(scope: Scope) -> Self {
        Self { scope }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_for_three_reasons_only() {
        for good in [
            "a",
            "a/b",
            "../../etc",
            "a b",
            "é",
            "a\nb",
            "<a&b>",
            &"x".repeat(MAX_NAME_BYTES),
        ] {
            assert!(VolumeName::new(good).is_ok(), "{good:?}");
        }
        for bad in ["", "a\0b", &"x".repeat(MAX_NAME_BYTES + 1)] {
            assert!(VolumeName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ids_are_shown_short() {
        assert_eq!(MountId::new("2f05da218e5e2ab2").to_string(), "2f05da218e5e");
        assert_eq!(MountId::default().to_string(), "(no ID)");
    }
}
