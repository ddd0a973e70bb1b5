//! Volumes by name: who has them, who uses them, which conflicts there are.
//!
//! Follows moby's `volume/service/store.go` and `service.go` function by function, because the
//! order of its lookups is what a plugin sees.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::driver::{DriverVolume, no_such_volume};
use super::drivers::Drivers;
use super::local;
use super::metadata::{Database, Metadata};
use super::{ANONYMOUS_LABEL, Pairs, Volume, VolumeCreate};
use crate::error::{Error, ErrorKind, Result};
use crate::events::Events;
use crate::locker::Locker;
use crate::plugin::client::Context;
use crate::random::Randomness;

/// A volume with what the engine adds to what its driver told (moby's `volumeWrapper`).
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) volume: DriverVolume,
    pub(super) labels: Option<Pairs>,
    pub(super) options: Option<Pairs>,
    /// Empty for a volume that was restored and not asked for since.
    pub(super) scope: &'static str,
}

impl Stored {
    /// As the Engine API shows it, but for the status.
    pub(super) fn shown(self) -> Volume {
        Volume {
            driver: self.volume.driver_name().to_owned(),
            mountpoint: self.volume.mountpoint(),
            created_at: self.volume.created_at.into_owned(),
            labels: self.labels,
            name: self.volume.name,
            options: self.options,
            scope: self.scope.to_owned(),
            status: None,
        }
    }
}

/// What is known by name, behind one lock that is never held while a plugin is waited for.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Volumes, so that not every driver has to be asked.
    pub(super) names: HashMap<String, Stored>,
    /// The containers that use a volume.
    pub(super) refs: HashMap<String, BTreeSet<String>>,
    pub(super) labels: HashMap<String, Option<Pairs>>,
    pub(super) options: HashMap<String, Option<Pairs>>,
}

/// The volumes of a daemon.
#[derive(Debug)]
pub(crate) struct VolumeStore {
    /// One operation at a time on each name.
    pub(super) locks: Locker,
    pub(super) known: RwLock<Known>,
    pub(super) database: Database,
    pub(super) drivers: Drivers,
    pub(super) context: Context,
    pub(super) pruning: tokio::sync::Mutex<()>,
    random: Arc<Randomness>,
    pub(super) events: Arc<Events>,
}

impl VolumeStore {
    /// The store of a daemon whose data root is `root`; nothing is restored yet.
    pub(crate) fn open(
        root: &Path,
        drivers: Drivers,
        context: Context,
        random: Arc<Randomness>,
        events: Arc<Events>,
    ) -> io::Result<Self> {
        Ok(Self {
            locks: Locker::default(),
            known: RwLock::default(),
            database: Database::open(&root.join("volume-records"))?,
            drivers,
            context,
            pruning: tokio::sync::Mutex::default(),
            random,
            events,
        })
    }

    /// Creates a volume, or finds the one that is there. `reference` is the container it is for.
    pub(crate) async fn create(
        &self,
        asked: VolumeCreate,
        reference: Option<&str>,
    ) -> Result<Volume> {
        let VolumeCreate {
            mut name,
            mut driver,
            options,
            mut labels,
        } = asked;
        let profile = self.context.profile;
        if name.is_empty() {
            name = self.random.id();
            if driver.is_empty() && !profile.probes_plugins_for_anonymous {
                local::NAME.clone_into(&mut driver);
            }
            if profile.labels_anonymous {
                let labels = labels.get_or_insert_default();
                labels.insert(ANONYMOUS_LABEL.to_owned(), String::new());
            }
        }
        let _alone = self.locks.lock(&name).await;
        let created = self.create_locked(&name, &driver, options, labels).await;
        let (stored, new) =
            created.map_err(|error| error.context(format_args!("create {name}")))?;
        if new || profile.volume_events_of_commands {
            self.event(&stored.volume, "create");
        }
        self.remember(&stored, reference);
        Ok(stored.shown())
    }

    async fn create_locked(
        &self,
        name: &str,
        driver: &str,
        options: Option<Pairs>,
        labels: Option<Pairs>,
    ) -> Result<(Stored, bool)> {
        if let Some(stored) = self.check_conflict(name, driver).await? {
            return Ok((stored, false));
        }
        let driver = if driver.is_empty() {
            // Nobody said which driver: perhaps one has it.
            if let Ok(stored) = self.get_locked(name, "").await {
                return Ok((stored, false));
            }
            local::NAME
        } else {
            driver
        };
        let driver = self.drivers.get(driver).await?;
        let volume = match driver.get(name).await {
            Ok(volume) => volume,
            Err(_) => driver.create(name, options.as_ref()).await?,
        };
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.labels.insert(name.to_owned(), labels.clone());
            known.options.insert(name.to_owned(), options.clone());
            known.refs.insert(name.to_owned(), BTreeSet::new());
        }
        let metadata = Metadata {
            name: name.to_owned(),
            driver: driver.name().to_owned(),
            labels: labels.clone(),
            options: options.clone(),
        };
        self.database.set(name, metadata)?;
        let scope = driver.scope().await;
        let stored = Stored {
            volume,
            labels,
            options,
            scope,
        };
        Ok((stored, true))
    }

    /// The volume that is known by that name, unless its driver has lost it; an error if it
    /// belongs to another driver.
    async fn check_conflict(&self, name: &str, driver: &str) -> Result<Option<Stored>> {
        let Some(stored) = self.named(name) else {
            return Ok(None);
        };
        let unique = |why: String| Error::conflict(format!("{why}: volume name must be unique"));
        let owner = stored.volume.driver_name();
        let mut conflict = false;
        if !driver.is_empty() {
            conflict = self.drivers.get(driver).await?.name() != owner;
        }
        match self.lookup(owner, &stored.volume.name).await {
            Err(error) => Err(unique(format!(
                "found reference to volume '{name}' in driver '{owner}', but got an error while \
                 checking the driver: {error}"
            ))),
            Ok(Some(_)) if conflict => Err(unique(format!(
                "driver '{owner}' already has volume '{name}'"
            ))),
            Ok(Some(_)) => Ok(Some(stored)),
            Ok(None) if self.is_referenced(&stored.volume.name) => Err(unique(format!(
                "found references to volume '{name}' in driver '{owner}' but the volume was not \
                 found in the driver -- you may need to remove containers referencing this volume \
                 or force remove the volume to re-create it"
            ))),
            Ok(None) => {
                self.purge(name);
                Ok(None)
            }
        }
    }

    /// Finds a volume; `driver` is the one that it has to belong to, if any.
    pub(crate) async fn get(
        &self,
        name: &str,
        driver: &str,
        reference: Option<&str>,
    ) -> Result<Volume> {
        let stored = self.get_stored(name, driver, reference).await?;
        Ok(stored.shown())
    }

    /// Finds a volume with what its driver says about it.
    pub(crate) async fn inspect(&self, name: &str) -> Result<Volume> {
        let stored = self.get_stored(name, "", None).await?;
        let status = stored.volume.status.clone();
        let mut shown = stored.shown();
        shown.status = status.filter(|status| !status.is_empty());
        Ok(shown)
    }

    async fn get_stored(
        &self,
        name: &str,
        driver: &str,
        reference: Option<&str>,
    ) -> Result<Stored> {
        let _alone = self.locks.lock(name).await;
        let stored = self
            .get_locked(name, driver)
            .await
            .map_err(|error| match name {
                // `OpErr` leaves out a name that is not there.
                "" => error.context("get"),
                name => error.context(format_args!("get {name}")),
            })?;
        if !driver.is_empty() && stored.volume.driver_name() != driver {
            return Err(Error::conflict(format!(
                "get {name}: found volume driver does not match passed in driver"
            )));
        }
        self.remember(&stored, reference);
        Ok(stored)
    }

    /// Asks the driver that is known to have the volume, or every driver.
    async fn get_locked(&self, name: &str, driver: &str) -> Result<Stored> {
        let mut metadata = self.database.get(name);
        if !driver.is_empty() {
            if metadata.driver.is_empty() {
                driver.clone_into(&mut metadata.driver);
            }
            if driver != metadata.driver {
                return Err(Error::conflict(
                    "provided volume driver does not match stored driver",
                ));
            }
        }
        if metadata.driver.is_empty()
            && let Some(stored) = self.named(name)
        {
            stored.volume.driver_name().clone_into(&mut metadata.driver);
            self.database.set(name, metadata.clone())?;
        }
        if !metadata.driver.is_empty() {
            let Some(volume) = self.lookup(&metadata.driver, name).await? else {
                self.purge(name);
                return Err(no_such_volume());
            };
            let scope = match self.drivers.get(&metadata.driver).await {
                Ok(driver) => driver.scope().await,
                Err(_) => "",
            };
            let Metadata {
                labels, options, ..
            } = metadata;
            return Ok(Stored {
                volume,
                labels,
                options,
                scope,
            });
        }
        for driver in self.drivers.all().await? {
            let Ok(volume) = driver.get(name).await else {
                continue;
            };
            driver.name().clone_into(&mut metadata.driver);
            self.database.set(name, metadata.clone())?;
            let Metadata {
                labels, options, ..
            } = metadata;
            let scope = driver.scope().await;
            return Ok(Stored {
                volume,
                labels,
                options,
                scope,
            });
        }
        Err(no_such_volume())
    }

    /// Asks one driver. Whatever it answers but the volume means that there is none; an error is
    /// only that it cannot be asked (`lookupVolume`).
    pub(super) async fn lookup(&self, driver: &str, name: &str) -> Result<Option<DriverVolume>> {
        let unknown = |error: Error| {
            error.context(format_args!(
                "error while checking if volume {name:?} exists in driver {driver:?}"
            ))
        };
        let found = self.drivers.get(driver).await.map_err(unknown)?;
        match found.get(name).await {
            Ok(volume) => Ok(Some(volume)),
            Err(error) if error.kind() == ErrorKind::Unreachable => Err(unknown(error)),
            Err(error) => {
                tracing::debug!(
                    driver,
                    volume = name,
                    "Error while looking up volume: {error}"
                );
                Ok(None)
            }
        }
    }

    /// Mounts a volume for `id`; where it is then.
    pub(crate) async fn mount(&self, name: &str, driver: &str, id: &str) -> Result<String> {
        let stored = self.get_stored(name, driver, None).await?;
        stored.volume.mount(id).await
    }

    /// Unmounts a volume for `id`.
    pub(crate) async fn unmount(&self, name: &str, driver: &str, id: &str) -> Result<()> {
        let stored = self.get_stored(name, driver, None).await?;
        stored.volume.unmount(id).await
    }

    /// Ends a container's use of a volume.
    pub(crate) async fn release(&self, name: &str, reference: &str) {
        let _alone = self.locks.lock(name).await;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(refs) = known.refs.get_mut(name) {
            refs.remove(reference);
        }
    }

    /// Removes a volume that nobody uses. `force` passes over one that does not exist, and forgets
    /// one whose driver refuses; the refusal is told all the same.
    pub(crate) async fn remove(&self, name: &str, force: bool) -> Result<()> {
        let stored = match self.get_stored(name, "", None).await {
            Err(error) if error.is_no_such_volume() && force => return Ok(()),
            stored => stored?,
        };
        match self.remove_volume(&stored.volume, force).await {
            Err(error) if !error.is_no_such_volume() => return Err(error),
            _ => {}
        }
        if self.context.profile.volume_events_of_commands {
            self.event(&stored.volume, "destroy");
        }
        Ok(())
    }

    pub(super) async fn remove_volume(&self, volume: &DriverVolume, force: bool) -> Result<()> {
        let name = &volume.name;
        let _alone = self.locks.lock(name).await;
        let refs = self.references(name);
        if !refs.is_empty() {
            return Err(Error::new(
                ErrorKind::VolumeInUse,
                format!("remove {name}: volume is in use - [{}]", refs.join(", ")),
            ));
        }
        let stored = self.get_locked(name, volume.driver_name()).await?;
        let driver = self.drivers.get(stored.volume.driver_name()).await;
        let driver = driver.map_err(|error| {
            error.context(format_args!("remove {}", stored.volume.driver_name()))
        })?;
        let removed = driver.remove(&stored.volume.name).await;
        if removed.is_ok() || force {
            self.purge(name);
        }
        removed.map_err(|error| error.context(format_args!("remove {name}")))?;
        if !self.context.profile.volume_events_of_commands {
            self.event(&stored.volume, "destroy");
        }
        Ok(())
    }

    /// The containers that use a volume.
    pub(crate) fn references(&self, name: &str) -> Vec<String> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let refs = known.refs.get(name).into_iter().flatten();
        refs.cloned().collect()
    }

    /// The drivers that were used so far.
    pub(crate) fn driver_names(&self) -> Vec<String> {
        self.drivers.names()
    }

    pub(super) fn is_referenced(&self, name: &str) -> bool {
        !self.references(name).is_empty()
    }

    fn named(&self, name: &str) -> Option<Stored> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.names.get(name).cloned()
    }

    /// Keeps a volume under the name that its driver told, which is not always the one asked for.
    fn remember(&self, stored: &Stored, reference: Option<&str>) {
        let name = &stored.volume.name;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.names.insert(name.clone(), stored.clone());
        if let Some(reference) = reference {
            let refs = known.refs.entry(name.clone()).or_default();
            refs.insert(reference.to_owned());
        }
    }

    /// Forgets a volume that is gone.
    fn purge(&self, name: &str) {
        self.database.remove(name);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.names.remove(name);
        known.refs.remove(name);
        known.labels.remove(name);
        known.options.remove(name);
    }

    fn event(&self, volume: &DriverVolume, action: &'static str) {
        let driver = volume.driver_name();
        self.events
            .volume(&volume.name, action, [("driver", driver)]);
    }
}
