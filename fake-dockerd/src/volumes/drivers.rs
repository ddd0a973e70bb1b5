//! The drivers that a daemon knows.
//!
//! Follows moby's `volume/drivers/extpoint.go`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::driver::Driver;
use super::local::{self, Local};
use crate::error::{Error, Result};
use crate::locker::Locker;
use crate::plugin::proxy::Proxy;
use crate::plugin::registry::{Plugin, Registry};
use crate::random::Randomness;

/// Drivers by name; one that was found is kept for the daemon's life.
#[derive(Debug)]
pub(crate) struct Drivers {
    known: Mutex<BTreeMap<String, Arc<Driver>>>,
    locks: Locker,
    registry: Arc<Registry>,
    random: Arc<Randomness>,
}

impl Drivers {
    /// The built-in driver, and whatever plugins `registry` will find.
    pub(crate) fn new(volumes: &Path, registry: Arc<Registry>, random: Arc<Randomness>) -> Self {
        let local = Arc::new(Driver::Local(Local::new(volumes.to_owned())));
        Self {
            known: Mutex::new(BTreeMap::from([(local::NAME.to_owned(), local)])),
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
        self.lock().insert(name.to_owned(), Arc::clone(&driver));
        Ok(driver)
    }

    /// Every driver: the known ones and what a scan finds, in no order. Scopes are not asked for.
    pub(crate) async fn all(&self) -> Result<Vec<Arc<Driver>>> {
        let plugins = self.registry.all().await;
        let plugins = plugins.map_err(|error| error.context("error listing plugins"))?;
        let mut known = self.lock();
        for plugin in plugins {
            if !known.contains_key(plugin.name()) {
                known.insert(plugin.name().to_owned(), adapter(&plugin)?);
            }
        }
        Ok(self.random.shuffled(known.values().cloned()))
    }

    /// The names of the drivers that are known by now, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn known(&self, name: &str) -> Option<Arc<Driver>> {
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Driver>>> {
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
