//! Where a volume and a container meet.
//!
//! Follows moby's `volume/mounts/mounts.go`, above all its bookkeeping of mount IDs, on which a
//! plugin's reference counting depends.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::config::{MountKind, MountSpec};
use super::parse::clean;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::plugin::errno;
use crate::volumes::{Volume, local};

/// A mount point of a container. What is skipped here is lost in a restart, as in dockerd.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct MountPoint {
    pub(crate) kind: MountKind,
    /// A path of the host. Of a plugin's volume it is what was known of its mountpoint when the
    /// container was created, which is mostly nothing.
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) rw: bool,
    pub(crate) name: String,
    pub(crate) driver: String,
    pub(crate) mode: String,
    pub(crate) propagation: String,
    /// The ID of the plugin's mount; kept as long as it is held, and when letting go of it fails.
    pub(crate) id: String,
    /// What was asked for; without a source the volume is anonymous.
    pub(crate) spec: MountSpec,
    /// A missing source of a bind is not made.
    pub(crate) skip_creation: bool,
    /// Whether the image's content at the path is copied into the volume at create.
    #[serde(skip)]
    pub(crate) copy_data: bool,
    /// The volume, once it was looked up.
    #[serde(skip)]
    pub(crate) volume: Option<Volume>,
    /// How often it is held: `docker cp` holds the mount of a running container once more.
    #[serde(skip)]
    pub(crate) active: i32,
}

/// What the process in a container finds at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundMount {
    /// The path on the host. Whatever a plugin answered, unchecked: it may be empty or relative.
    pub source: String,
    /// The path in the container.
    pub destination: String,
    /// Whether it can be written to.
    pub writable: bool,
    /// `rprivate` and the like; empty for volumes.
    pub propagation: String,
}

impl MountPoint {
    /// Makes the source available; where it is on the host.
    pub(super) async fn setup(&mut self, core: &Core) -> Result<String> {
        if self.skip_creation {
            return Ok(self.source.clone());
        }
        let Some(volume) = &self.volume else {
            if self.source.is_empty() {
                let text = "Unable to setup mount point, neither source nor volume defined";
                return Err(Error::system(text));
            }
            if self.kind == MountKind::Bind {
                let made = core.host.make_directory(Path::new(&self.source));
                made.map_err(|error| {
                    let source = &self.source;
                    let why = format!("error while creating mount source path '{source}'");
                    Error::system(format!("{why}: mkdir {source}: {}", errno::text(&error)))
                })?;
            }
            return Ok(self.source.clone());
        };
        let id = if self.id.is_empty() {
            core.random.id()
        } else {
            self.id.clone()
        };
        let mounted = core.volumes.mount(&volume.name, &volume.driver, &id).await;
        let mut path = mounted.map_err(|error| {
            error.context(format_args!(
                "error while mounting volume '{}'",
                self.source
            ))
        })?;
        self.id.clone_from(&id);
        let options = self.spec.volume_options.as_ref();
        let subpath = options
            .map(|options| options.subpath.as_str())
            .unwrap_or_default();
        if core.profile().honours_subpath && !subpath.is_empty() {
            // `safepath.Join`: of a path that is not there already, the subpath is not looked at.
            let (base, inside) = (core.first_missing(&path), join(&path, subpath));
            let inside = if base.is_some() { path } else { inside };
            if let Some(missing) = core.first_missing(&inside) {
                let released = core
                    .volumes
                    .unmount(&volume.name, &volume.driver, &id)
                    .await;
                if let Err(error) = released {
                    tracing::error!("failed to unmount after safepath.Join failed: {error}");
                }
                // The ID is not forgotten here; the next start uses it again.
                return Err(Error::not_found(format!(
                    "cannot access path {inside}: lstat {missing}: no such file or directory"
                )));
            }
            path = inside;
        }
        self.active += 1;
        self.relabel(core, &path)?;
        Ok(path)
    }

    /// With `:z` or `:Z` the source's labels for SELinux are changed, where there are any; it is
    /// looked for anyhow. Docker 20.10 looks where it was when the container was created, later ones
    /// where Mount said that it is.
    fn relabel(&self, core: &Core, path: &str) -> Result<()> {
        let asked = self.mode.contains(['z', 'Z']) && self.driver != local::NAME;
        let looked_at = if core.profile().relabels_what_is_mounted {
            path
        } else {
            &self.source
        };
        if !asked || looked_at.is_empty() {
            return Ok(());
        }
        match core.first_missing(looked_at) {
            None => Ok(()),
            Some(missing) => Err(Error::system(format!(
                "error evaluating symlinks from mount source {:?}: lstat {missing}: no such file or \
                 directory",
                self.source
            ))),
        }
    }

    /// Lets go of the source. If that fails the ID stays, and the next [`Self::setup`] uses it.
    pub(super) async fn cleanup(&mut self, core: &Core) -> Result<()> {
        let Some(volume) = &self.volume else {
            return Ok(());
        };
        if self.id.is_empty() {
            return Ok(());
        }
        if self.active == 0 && core.profile().guards_mount_count {
            tracing::error!(id = self.id, "An attempt to decrement a zero mount count");
            return Ok(());
        }
        let unmounted = core
            .volumes
            .unmount(&volume.name, &volume.driver, &self.id)
            .await;
        unmounted.map_err(|error| {
            error.context(format_args!("error unmounting volume {}", volume.name))
        })?;
        self.active -= 1;
        if self.active == 0 {
            self.id.clear();
        }
        Ok(())
    }

    /// Counts a mount that outlived the daemon (`LiveRestore`).
    pub(super) async fn live_restore(&mut self, core: &Core) -> Result<()> {
        let Some(volume) = &self.volume else {
            return Ok(());
        };
        let found = core.volumes.get(&volume.name, &volume.driver, None).await;
        found.map_err(|error| {
            error.context(format_args!(
                "error while restoring volume '{}'",
                self.source
            ))
        })?;
        if self.id.is_empty() {
            self.id = core.random.id();
        }
        self.active += 1;
        Ok(())
    }

    /// What `docker inspect` shows as source.
    pub(super) fn path(&self) -> &str {
        match &self.volume {
            Some(volume) => &volume.mountpoint,
            None => &self.source,
        }
    }
}

/// Go's `filepath.Join`, which leaves out what is empty.
fn join(base: &str, rest: &str) -> String {
    if base.is_empty() {
        clean(rest)
    } else {
        clean(&format!("{base}/{rest}"))
    }
}
