//! The mount points of a container: registered, set up, let go of.
//!
//! Follows moby's `daemon/volumes.go`, `volumes_unix.go`, `mounts.go` and
//! `container/container.go`. dockerd keeps mount points in a Go map, whose order differs each time;
//! hence the shuffling.

use std::collections::{BTreeMap, HashSet};

use super::config::{ContainerCreate, MountKind};
use super::mountpoint::{BoundMount, MountPoint};
use super::parse;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::volumes::{Volume, VolumeCreate};

/// Mount points by destination.
pub(crate) type MountPoints = BTreeMap<String, MountPoint>;

impl Core {
    /// Finds out what a new container mounts; its volumes are created, and referred to by it from
    /// here on.
    pub(super) async fn register_mounts(
        &self,
        container: &str,
        asked: &ContainerCreate,
    ) -> Result<MountPoints> {
        let mut points = MountPoints::new();
        let registered = self.register_into(&mut points, container, asked).await;
        if registered.is_err() {
            for point in points.values() {
                self.release(point, container).await;
            }
        }
        registered.map(|()| points)
    }

    async fn register_into(
        &self,
        points: &mut MountPoints,
        container: &str,
        asked: &ContainerCreate,
    ) -> Result<()> {
        for from in &asked.volumes_from {
            let (name, mode) = parse::volumes_from(from)?;
            let other = self.containers.get(name);
            let other = other.map_err(|error| error.with_kind(ErrorKind::InvalidParameter))?;
            let theirs = other.inner.lock().await.mounts.clone();
            for point in self.random.shuffled(theirs.into_values()) {
                let mut point = MountPoint {
                    rw: point.rw && parse::is_writable(mode),
                    mode: String::new(),
                    id: String::new(),
                    copy_data: false,
                    volume: None,
                    active: 0,
                    skip_creation: false,
                    ..point
                };
                // A tmpfs has no source either: dockerd looks for a volume without a name.
                if point.source.is_empty() {
                    let volume = self
                        .volumes
                        .get(&point.name, &point.driver, Some(container));
                    point.volume = Some(volume.await?);
                }
                self.insert(points, container, point).await;
            }
        }
        let mut taken = HashSet::new();
        for raw in &asked.binds {
            let mut point = parse::bind(raw, &asked.volume_driver, self.profile())?;
            if taken.contains(&point.destination) || asked.tmpfs.contains_key(&point.destination) {
                return Err(duplicate(&point.destination));
            }
            if point.kind == MountKind::Volume {
                let volume = self.create_for(container, &point).await?;
                point.source.clone_from(&volume.mountpoint);
                point.driver.clone_from(&volume.driver);
                relabel(&mut point);
                point.volume = Some(volume);
            }
            taken.insert(point.destination.clone());
            self.insert(points, container, point).await;
        }
        for spec in &asked.mounts {
            let mut point = parse::mount(spec.clone(), self.profile(), &*self.host)?;
            if taken.contains(&point.destination) {
                return Err(duplicate(&spec.target));
            }
            match point.kind {
                MountKind::Volume => {
                    if point.name.is_empty() && !self.profile().labels_anonymous_mounts {
                        point.name = self.random.id();
                    }
                    let volume = self.create_for(container, &point).await?;
                    point.name.clone_from(&volume.name);
                    point.driver.clone_from(&volume.driver);
                    point.source.clone_from(&volume.mountpoint);
                    relabel(&mut point);
                    point.volume = Some(volume);
                }
                MountKind::Bind => {
                    let options = spec.bind_options.as_ref();
                    point.skip_creation = !options.is_some_and(|options| options.create_mountpoint);
                }
                MountKind::Tmpfs | MountKind::Unknown => {}
            }
            taken.insert(point.destination.clone());
            self.insert(points, container, point).await;
        }
        Ok(())
    }

    /// Creates or finds the volume of a mount point.
    async fn create_for(&self, container: &str, point: &MountPoint) -> Result<Volume> {
        let options = point.spec.volume_options.as_ref();
        let driver = options.and_then(|options| options.driver_config.as_ref());
        let asked = VolumeCreate {
            name: point.name.clone(),
            driver: point.driver.clone(),
            options: driver.and_then(|driver| driver.options.clone()),
            labels: options.and_then(|options| options.labels.clone()),
        };
        self.volumes.create(asked, Some(container)).await
    }

    async fn insert(&self, points: &mut MountPoints, container: &str, point: MountPoint) {
        if let Some(hidden) = points.insert(point.destination.clone(), point) {
            self.release(&hidden, container).await;
        }
    }

    async fn release(&self, point: &MountPoint, container: &str) {
        if let Some(volume) = &point.volume {
            self.volumes.release(&volume.name, container).await;
        }
    }

    /// Looks a volume up again that a restart made the daemon forget.
    pub(super) async fn initialize(&self, point: &mut MountPoint, container: &str) -> Result<()> {
        if !point.driver.is_empty() && point.volume.is_none() {
            let volume = self
                .volumes
                .get(&point.name, &point.driver, Some(container));
            point.volume = Some(volume.await?);
        }
        Ok(())
    }

    /// Mounts everything. Where that fails, what was mounted stays so until
    /// [`Self::unmount_volumes`].
    pub(super) async fn setup_mounts(
        &self,
        container: &str,
        asked: &ContainerCreate,
        points: &mut MountPoints,
    ) -> Result<Vec<BoundMount>> {
        let mut mounts = Vec::new();
        for point in self.random.shuffled(points.values_mut()) {
            if point.kind == MountKind::Tmpfs || asked.tmpfs.contains_key(&point.destination) {
                continue;
            }
            self.initialize(point, container).await?;
            let source = point.setup(self).await?;
            if let Some(volume) = &point.volume {
                let writable = if point.rw { "true" } else { "false" };
                let attributes = [
                    ("driver", volume.driver.as_str()),
                    ("container", container),
                    ("destination", &point.destination),
                    ("read/write", writable),
                    ("propagation", &point.propagation),
                ];
                self.events.volume(&volume.name, "mount", attributes);
            }
            mounts.push(BoundMount {
                source,
                destination: point.destination.clone(),
                writable: point.rw,
                propagation: point.propagation.clone(),
            });
        }
        // A mount inside another one has to come after it.
        mounts.sort_by_key(|mount| mount.destination.matches('/').count());
        Ok(mounts)
    }

    /// Lets go of everything, as far as plugins allow; the others are told in the log.
    pub(super) async fn unmount_volumes(&self, container: &str, points: &mut MountPoints) {
        let mut errors = Vec::new();
        for point in self.random.shuffled(points.values_mut()) {
            if point.volume.is_none() {
                continue;
            }
            if let Err(error) = point.cleanup(self).await {
                errors.push(error.to_string());
                continue;
            }
            if let Some(volume) = &point.volume {
                let attributes = [("driver", volume.driver.as_str()), ("container", container)];
                self.events.volume(&volume.name, "unmount", attributes);
            }
        }
        if !errors.is_empty() {
            tracing::warn!(
                "{container} cleanup: Failed to umount volumes: error while unmounting volumes for \
                 container {container}: {}",
                errors.join("; ")
            );
        }
    }

    /// Ends a container's use of its volumes; with `remove` the anonymous ones go, unless
    /// somebody else uses them. A failure is told in the log only.
    pub(super) async fn remove_mounts(&self, container: &str, points: &MountPoints, remove: bool) {
        let mut errors = Vec::new();
        for point in self.random.shuffled(points.values()) {
            let Some(volume) = &point.volume else {
                continue;
            };
            self.volumes.release(&volume.name, container).await;
            if !remove || !point.spec.source.is_empty() {
                continue;
            }
            match self.volumes.remove(&volume.name, false).await {
                Err(error) if error.kind() != ErrorKind::VolumeInUse => {
                    errors.push(error.to_string());
                }
                _ => {}
            }
        }
        if !errors.is_empty() {
            tracing::error!("Error removing volumes:\n{}", errors.join("\n"));
        }
    }

    /// Looks up the volumes of a container after a restart; those of a running one count as held.
    pub(super) async fn prepare_mounts(
        &self,
        container: &str,
        points: &mut MountPoints,
        running: bool,
    ) -> Result<()> {
        for point in self.random.shuffled(points.values_mut()) {
            self.initialize(point, container).await?;
            if running && self.profile().live_restore_counts {
                point.live_restore(self).await?;
            }
        }
        Ok(())
    }
}

fn duplicate(destination: &str) -> Error {
    Error::invalid(format!("Duplicate mount point: {destination}"))
}

/// Local volumes are labelled for SELinux, which shows as their mode.
fn relabel(point: &mut MountPoint) {
    if point.driver == crate::volumes::local::NAME && point.mode.is_empty() {
        "z".clone_into(&mut point.mode);
    }
}
