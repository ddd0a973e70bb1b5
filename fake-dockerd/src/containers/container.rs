//! A container, and all of them by ID and name.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::config::ContainerCreate;
use super::log::ContainerLog;
use super::mountpoint::MountPoint;
use super::mounts::MountPoints;
use super::state::{ContainerState, Lifecycle};
use crate::error::{Error, Result};
use crate::records::Records;
use crate::runtime::{Process, Streams};

/// A container.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) asked: ContainerCreate,
    /// What its process reads and writes.
    pub(crate) streams: Arc<Streams>,
    pub(crate) log: Arc<ContainerLog>,
    name: Mutex<String>,
    /// State for those who look and wait without a lock.
    pub(crate) lifecycle: watch::Sender<Lifecycle>,
    /// moby's container lock: held while the container is started, ended or copied from, and so
    /// while its volumes are mounted. `inspect`, `stop` and `rm` wait for it, `ps` does not.
    pub(crate) inner: Arc<AsyncMutex<Inner>>,
}

/// What the container's lock guards.
#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) mounts: MountPoints,
    pub(crate) process: Option<Arc<dyn Process>>,
    /// Which start the process is of.
    pub(crate) starts: u64,
    pub(crate) flags: Flags,
    pub(crate) restart: RestartManager,
}

/// What is remembered beside the state.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Flags {
    /// Stopped by a command, and so not to be started again if the policy is `unless-stopped`.
    pub(crate) manually_stopped: bool,
    /// `docker restart` is at work: `--rm` does not apply to this end.
    #[serde(skip)]
    pub(crate) manually_restarted: bool,
    /// Started with success before; only then does a daemon's start start it.
    pub(crate) started_before: bool,
    /// How often the policy started it.
    pub(crate) restart_count: u32,
}

/// When the policy starts it again (moby's `restartmanager`).
#[derive(Debug, Default)]
pub(crate) struct RestartManager {
    /// The pause before the next start.
    pub(crate) pause: Option<Duration>,
    /// How often it was started again since a command did.
    pub(crate) count: u32,
    /// A command ended the container; what waits to start it again gives up.
    pub(crate) canceled: watch::Sender<bool>,
}

/// A container on record.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) created: Timestamp,
    pub(super) name: String,
    pub(super) asked: ContainerCreate,
    pub(super) state: ContainerState,
    pub(super) flags: Flags,
    pub(super) mounts: Vec<MountPoint>,
}

/// A container as `docker inspect` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerInfo {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The name, without the slash in front.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// What it was asked for.
    pub asked: ContainerCreate,
    /// The state.
    pub state: ContainerState,
    /// How often its policy started it.
    pub restart_count: u32,
    /// Its process on the host, if it is one.
    pub pid: Option<u32>,
    /// Where what it prints is kept.
    pub log_path: PathBuf,
    /// What it mounts.
    pub mounts: Vec<MountInfo>,
}

/// A mount as `docker inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountInfo {
    /// `volume` or `bind`.
    pub r#type: String,
    /// The volume.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The path on the host; of a plugin's volume mostly empty.
    pub source: String,
    /// The path in the container.
    pub destination: String,
    /// The volume's driver.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// The mode, as given.
    pub mode: String,
    /// Whether it can be written to.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// The propagation.
    pub propagation: String,
}

impl Container {
    pub(super) fn new(
        id: String,
        name: String,
        created: Timestamp,
        asked: ContainerCreate,
        state: ContainerState,
        inner: Inner,
        log: Arc<ContainerLog>,
    ) -> Self {
        Self {
            id,
            created,
            asked,
            streams: Arc::new(Streams::logged(Arc::clone(&log))),
            log,
            name: Mutex::new(name),
            lifecycle: watch::Sender::new(Lifecycle {
                state,
                ..Lifecycle::default()
            }),
            inner: Arc::new(AsyncMutex::new(inner)),
        }
    }

    /// The name, without the slash in front.
    pub(crate) fn name(&self) -> String {
        self.name
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The state.
    pub(crate) fn state(&self) -> ContainerState {
        self.lifecycle.borrow().state.clone()
    }

    /// Changes the state and lets everybody know.
    pub(super) fn change(&self, change: impl FnOnce(&mut Lifecycle)) {
        self.lifecycle.send_modify(change);
    }

    /// As `docker ps` shows it: without what only the lock's holder may see.
    pub(crate) fn summary(&self) -> ContainerInfo {
        match self.inner.try_lock() {
            Ok(inner) => self.info(&inner),
            Err(_) => self.info(&Inner::default()),
        }
    }

    /// As `docker inspect` shows it.
    pub(crate) fn info(&self, inner: &Inner) -> ContainerInfo {
        let shown = inner
            .mounts
            .values()
            .filter(|point| point.kind != super::MountKind::Tmpfs);
        ContainerInfo {
            id: self.id.clone(),
            name: self.name(),
            created: self.created,
            asked: self.asked.clone(),
            state: self.state(),
            restart_count: inner.flags.restart_count,
            pid: inner.process.as_ref().and_then(|process| process.pid()),
            log_path: self.log.path().to_owned(),
            mounts: shown
                .map(|point| MountInfo {
                    r#type: point.kind.name().to_owned(),
                    name: point.name.clone(),
                    source: point.path().to_owned(),
                    destination: point.destination.clone(),
                    driver: point.driver.clone(),
                    mode: point.mode.clone(),
                    rw: point.rw,
                    propagation: point.propagation.clone(),
                })
                .collect(),
        }
    }
}

/// The containers of a daemon.
#[derive(Debug)]
pub(crate) struct Containers {
    by_id: RwLock<BTreeMap<String, Arc<Container>>>,
    /// IDs by name; a container that is being created has its name here already.
    names: Mutex<BTreeMap<String, String>>,
    pub(super) records: Records,
    /// One prune at a time.
    pub(crate) pruning: AsyncMutex<()>,
}

impl Containers {
    /// No containers yet; see [`restore`](super::restore).
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        Ok(Self {
            by_id: RwLock::default(),
            names: Mutex::default(),
            records: Records::open(&root.join("container-records"))?,
            pruning: AsyncMutex::default(),
        })
    }

    /// The container of that ID, that name, or the only one whose ID starts so.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Container>> {
        if name.is_empty() {
            return Err(Error::invalid("invalid name or ID supplied: \"\""));
        }
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let named = {
            let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.get(name.trim_start_matches('/')).cloned()
        };
        let exact = by_id.get(name).or_else(|| by_id.get(&named?));
        if let Some(container) = exact {
            return Ok(Arc::clone(container));
        }
        let mut starting = by_id
            .range(name.to_owned()..)
            .take_while(|(id, _)| id.starts_with(name));
        match (starting.next(), starting.next()) {
            (Some((_, container)), None) => Ok(Arc::clone(container)),
            (Some(_), Some(_)) => Err(Error::invalid(format!(
                "multiple IDs found with provided prefix: {name}"
            ))),
            _ => Err(Error::not_found(format!("No such container: {name}"))),
        }
    }

    /// All of them, the newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Container>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = by_id.values().cloned().collect();
        all.sort_by_key(|container| std::cmp::Reverse(container.created));
        all
    }

    pub(super) fn insert(&self, container: Arc<Container>) {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        by_id.insert(container.id.clone(), container);
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.contains_key(id)
    }

    /// Forgets a container, on disk too. Its name is free only after [`Self::free`].
    pub(super) fn forget(&self, container: &Container) {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        by_id.remove(&container.id);
        if let Err(error) = self.records.remove(&container.id) {
            tracing::error!(container = container.id, "record not removed: {error}");
        }
    }

    /// Reserves a name.
    pub(super) fn reserve(&self, name: &str, id: &str) -> Result<()> {
        let mut characters = name.chars();
        let first = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
        let rest = characters
            .clone()
            .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        if !first || !rest || characters.next().is_none() {
            return Err(Error::invalid(format!(
                "Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            )));
        }
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owner) = names.get(name) {
            return Err(Error::conflict(format!(
                "Conflict. The container name \"/{name}\" is already in use by container \
                 \"{owner}\". You have to remove (or rename) that container to be able to reuse \
                 that name."
            )));
        }
        names.insert(name.to_owned(), id.to_owned());
        Ok(())
    }

    /// Frees a name.
    pub(super) fn free(&self, name: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.remove(name);
    }

    /// Gives a container another name.
    pub(crate) async fn rename(&self, container: &Container, name: &str) -> Result<()> {
        let inner = container.inner.lock().await;
        let name = name.trim_start_matches('/');
        if container.name() == name {
            return Err(Error::invalid(
                "Renaming a container with the same name as its current name",
            ));
        }
        let reserved = self.reserve(name, &container.id);
        reserved.map_err(|error| error.context("Error when allocating new name"))?;
        let old = {
            let mut current = container
                .name
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, name.to_owned())
        };
        self.free(&old);
        self.save(container, &inner);
        Ok(())
    }

    /// Writes a container down (moby's `CheckpointTo`).
    pub(super) fn save(&self, container: &Container, inner: &Inner) {
        let record = Record {
            created: container.created,
            name: container.name(),
            asked: container.asked.clone(),
            state: container.state(),
            flags: inner.flags,
            mounts: inner.mounts.values().cloned().collect(),
        };
        if let Err(error) = self.records.put(&container.id, &record) {
            tracing::error!(
                container = container.id,
                "failed to store container: {error}"
            );
        }
    }
}
