//! The drivers that a daemon knows.
//!
//! Follows moby's `volume/drivers/extpoint.go`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::driver::Driver;
use super::local::Local;
use crate::error::{Error, Result};
use crate::locker::Locker;
use crate::plugin::proxy::Proxy;
use crate::plugin::registry::{Plugin, Registry};
use crate::random::Randomness;

/// Drivers; one that was found is kept for the daemon's life.
#[derive(Debug)]
pub(crate) struct Drivers {
    /// In the order in which they were found.
    known: Mutex<Vec<Arc<Driver>>>,
    locks: Locker,
    registry: Arc<Registry>,
    random: Arc<Randomness>,
}

impl Drivers {
    /// The built-in driver, and whatever plugins `registry` will find.
    pub(crate) fn new(volumes: &Path, registry: Arc<Registry>, random: Arc<Randomness>) -> Self {
        let local = Arc::new(Driver::Local(Local::new(volumes.to_owned())));
        Self {
            known: Mutex::new(vec![local]),
            locks: Locker::default(),
            registry,
            random,
        }
    }

    /// The driver called `name`; its scope is asked for as soon as it is found.
    pub(crate) async fn get(&self, name: &str) -> Result<Arc<Driver>> {
        if name.is_empty() {
            return Err(Error::invalid("driver name cannot be empty"));
        }
        let _alone = self.locks.lock(name).await;
        if let Some(driver) = self.known(name) {
            return Ok(driver);
        }
        let plugin = self.registry.get(name).await.map_err(|error| {
            error.context(format_args!("error looking up volume plugin {name}"))
        })?;
        let driver = adapter(&plugin)?;
        driver.scope().await;
        let mut known = self.lock();
        match known.iter_mut().find(|one| one.name() == name) {
            // A scan came first.
            Some(one) => one.clone_from(&driver),
            None => known.push(Arc::clone(&driver)),
        }
        drop(known);
        Ok(driver)
    }

    /// Every driver: the known ones and what a scan finds. Scopes are not asked for.
    ///
    /// The order decides who is asked first for a volume of which nobody knows the driver. dockerd
    /// walks through a Go map: of 48 volumes that only the built-in driver had, a plugin beside it
    /// was asked about one. A driver that only this scan finds comes after all of them
    /// (`GetAllDrivers`).
    pub(crate) async fn all(&self) -> Result<Vec<Arc<Driver>>> {
        let plugins = self.registry.all().await;
        let plugins = plugins.map_err(|error| error.context("error listing plugins"))?;
        let mut known = self.lock();
        let mut drivers = self.random.rotated(known.iter().cloned());
        for plugin in self.random.shuffled(plugins) {
            if !known.iter().any(|driver| driver.name() == plugin.name()) {
                let driver = adapter(&plugin)?;
                known.push(Arc::clone(&driver));
                drivers.push(driver);
            }
        }
        Ok(drivers)
    }

    /// The names of the drivers that are known by now, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let known = self.lock();
        let mut names: Vec<_> = known.iter().map(|one| one.name().to_owned()).collect();
        names.sort_unstable();
        names
    }

    fn known(&self, name: &str) -> Option<Arc<Driver>> {
        let known = self.lock();
        known.iter().find(|driver| driver.name() == name).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Driver>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn adapter(plugin: &Plugin) -> Result<Arc<Driver>> {
    let name = plugin.name();
    let client = plugin
        .client()
        .ok_or_else(|| Error::system(format!("error making plugin client: {name}")))?;
    Ok(Arc::new(Driver::plugin(name, Proxy::new(client))))
}
