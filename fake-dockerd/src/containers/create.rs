//! `docker create`.
//!
//! Follows moby's `daemon/create.go` and `create_unix.go`.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::config::{ContainerCreate, MountKind};
use super::container::{Container, Inner};
use super::mountpoint::MountPoint;
use super::mounts::MountPoints;
use super::names;
use super::parse;
use super::state::ContainerState;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::networks::Endpoints;
use crate::runtime::Images as _;
use crate::volumes::{Volume, VolumeCreate};

/// How many names are tried.
const NAMES: usize = 6;

/// A container that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// 64 hexadecimal digits.
    pub id: String,
    /// What the engine finds odd about it.
    pub warnings: Vec<String>,
}

impl Core {
    /// Creates a container.
    pub(crate) async fn create(&self, mut asked: ContainerCreate) -> Result<Created> {
        for spec in &asked.mounts {
            parse::mount(spec.clone(), self.profile(), &*self.host)?;
        }
        let mut warnings = Vec::new();
        let mounts_volumes = asked
            .mounts
            .iter()
            .filter(|spec| spec.kind == MountKind::Volume)
            .any(|spec| match &spec.volume_options {
                // The CLI writes one without a name beside other options.
                Some(options) => {
                    let driver = options.driver_config.as_ref();
                    driver.is_none_or(|driver| driver.name.is_empty())
                }
                None => true,
            });
        if self.profile().warns_about_ignored_driver
            && !asked.volume_driver.is_empty()
            && mounts_volumes
        {
            warnings.push(
                "WARNING: the container-wide volume-driver configuration is ignored for volumes \
                 specified via 'mount'. Use '--mount type=volume,volume-driver=...' instead"
                    .to_owned(),
            );
        }
        let id = self.random.id();
        let name = self.name_for(&id, asked.name.trim_start_matches('/'))?;
        asked.image_id = self.images.get(&asked.image).id;
        let created = match self.create_rootfs(&id, &asked).await {
            Ok(()) => self.create_mounts(&id, &asked).await,
            Err(error) => Err(error),
        };
        match created {
            Ok(mounts) => {
                let endpoints = self.endpoints(&asked);
                self.networks.attach(&id, endpoints)?;
                let inner = Inner {
                    mounts,
                    ..Inner::default()
                };
                let created = Timestamp::now();
                let state = ContainerState::default();
                let log = self.log_of(&id);
                let container = Container::new(id.clone(), name, created, asked, state, inner, log);
                let container = Arc::new(container);
                self.containers
                    .save(&container, &*container.inner.lock().await);
                self.containers.insert(Arc::clone(&container));
                self.container_event(&container, "create", None);
                Ok(Created { id, warnings })
            }
            Err(error) => {
                self.forget_files(&id);
                self.containers.free(&name);
                Err(error)
            }
        }
    }

    fn endpoints(&self, asked: &ContainerCreate) -> Endpoints {
        let configured = asked.api.pointer("/NetworkingConfig/EndpointsConfig");
        let configured = configured.and_then(serde_json::Value::as_object);
        self.networks.asked(&asked.network, configured)
    }

    fn name_for(&self, id: &str, wanted: &str) -> Result<String> {
        if !wanted.is_empty() {
            self.containers.reserve(wanted, id)?;
            return Ok(wanted.to_owned());
        }
        for attempt in 0..NAMES {
            let name = names::random(&self.random, attempt);
            if self.containers.reserve(&name, id).is_ok() {
                return Ok(name);
            }
        }
        // As moby, when all of them were taken.
        let name = id.get(..12).unwrap_or(id).to_owned();
        self.containers.reserve(&name, id)?;
        Ok(name)
    }

    async fn create_mounts(&self, id: &str, asked: &ContainerCreate) -> Result<MountPoints> {
        let mut mounts = self.register_mounts(id, asked).await?;
        let filled = match self.add_anonymous(id, asked, &mut mounts).await {
            Ok(()) => self.populate(asked, &mut mounts).await,
            Err(error) => Err(error),
        };
        if let Err(error) = filled {
            self.remove_mounts(id, &mounts, true).await;
            return Err(error);
        }
        Ok(mounts)
    }

    /// Creates anonymous volumes where nothing else is mounted: those asked for and the image's.
    async fn add_anonymous(
        &self,
        id: &str,
        asked: &ContainerCreate,
        mounts: &mut MountPoints,
    ) -> Result<()> {
        let mut destinations = asked.volumes.clone();
        destinations.extend(self.images.volumes(&asked.image));
        for destination in self.random.shuffled(destinations) {
            let destination = parse::clean(&destination);
            if mounts.contains_key(&destination) || asked.tmpfs.contains_key(&destination) {
                continue;
            }
            let volume = VolumeCreate {
                driver: asked.volume_driver.clone(),
                ..VolumeCreate::default()
            };
            let volume = self.volumes.create(volume, Some(id)).await?;
            let point = MountPoint {
                kind: MountKind::Volume,
                name: volume.name.clone(),
                driver: volume.driver.clone(),
                destination: destination.clone(),
                rw: true,
                copy_data: true,
                volume: Some(volume),
                ..MountPoint::default()
            };
            mounts.insert(destination, point);
        }
        Ok(())
    }

    /// Copies what the image has at a volume's path into the volume: `Mount` and `Unmount` already
    /// at create, each time, also if the volume is not empty and nothing is copied.
    async fn populate(&self, asked: &ContainerCreate, mounts: &mut MountPoints) -> Result<()> {
        for point in self.random.shuffled(mounts.values_mut()) {
            let is_there = |path: &str| {
                // The working directory is made before this, its parents too.
                Path::new(&asked.working_dir).starts_with(path)
                    || self.images.has_path(&asked.image, path)
            };
            if point.volume.is_none() || !point.copy_data || !is_there(&point.destination) {
                continue;
            }
            if self.profile().copies_up_through_mount_point {
                self.populate_one(&asked.image, point).await?;
            } else if let Some(volume) = &point.volume {
                let (image, from) = (&asked.image, &point.destination);
                self.populate_volume(image, from, volume).await?;
            }
        }
        Ok(())
    }

    async fn populate_one(&self, image: &str, point: &mut MountPoint) -> Result<()> {
        let path = match point.setup(self).await {
            Ok(path) => path,
            Err(error) if is_not_found(&error) => return Ok(()),
            Err(error) => return Err(error.context("failed to populate volume")),
        };
        let copied = self.copy_up(image, &point.destination, path).await;
        if let Err(error) = point.cleanup(self).await {
            tracing::debug!("after the copy-up: {error}");
        }
        copied
    }

    /// As Docker 20.10: with a mount that the mount point knows nothing of.
    async fn populate_volume(&self, image: &str, from: &str, volume: &Volume) -> Result<()> {
        let Volume { name, driver, .. } = volume;
        let id = self.random.id();
        let path = self.volumes.mount(name, driver, &id).await?;
        let copied = self.copy_up(image, from, path).await;
        if let Err(error) = self.volumes.unmount(name, driver, &id).await {
            tracing::warn!("error while unmounting volume {name}: {error}");
        }
        copied
    }
}

fn is_not_found(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NoSuchVolume)
}
