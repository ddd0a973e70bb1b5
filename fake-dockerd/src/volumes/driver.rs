//! A volume driver: the built-in one or a plugin.
//!
//! Follows moby's `volume/drivers/adapter.go`.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Pairs;
use super::created_at;
use super::local::Local;
use crate::error::{Error, ErrorKind, Result};
use crate::plugin::proxy::{Proxy, ProxyVolume};

/// The scope of a driver whose volumes are on this machine.
const LOCAL_SCOPE: &str = "local";
/// The scope of a driver whose volumes are everywhere.
const GLOBAL_SCOPE: &str = "global";

/// A driver.
#[derive(Debug)]
pub(crate) enum Driver {
    /// The built-in driver.
    Local(Local),
    /// A plugin.
    Plugin(PluginDriver),
}

/// A plugin as a driver.
#[derive(Debug)]
pub(crate) struct PluginDriver {
    name: String,
    proxy: Proxy,
    /// Asked for once; a plugin that fails to tell is asked again.
    scope: Mutex<Option<&'static str>>,
}

/// A volume as its driver told of it. Clones are the same volume, as moby's pointers are.
#[derive(Debug, Clone)]
pub(crate) struct DriverVolume {
    driver: Arc<Driver>,
    /// The name that the driver uses.
    pub(crate) name: String,
    /// Where it is, as far as was told last (moby's `eMount`): by Get, List or Mount. An Unmount
    /// makes it unknown.
    mountpoint: Arc<Mutex<String>>,
    /// RFC 3339.
    pub(crate) created_at: Cow<'static, str>,
    /// What the driver says about it.
    pub(crate) status: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The error of a plugin that answers Get with neither an error nor a volume.
pub(crate) fn no_such_volume() -> Error {
    Error::new(ErrorKind::NoSuchVolume, "no such volume")
}

impl Driver {
    /// A plugin as a driver.
    pub(crate) fn plugin(name: &str, proxy: Proxy) -> Self {
        Self::Plugin(PluginDriver {
            name: name.to_owned(),
            proxy,
            scope: Mutex::default(),
        })
    }

    /// The name that volumes name their driver by.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Local(_) => super::local::NAME,
            Self::Plugin(plugin) => &plugin.name,
        }
    }

    /// Creates a volume.
    pub(crate) async fn create(
        self: &Arc<Self>,
        name: &str,
        options: Option<&Pairs>,
    ) -> Result<DriverVolume> {
        match &**self {
            Self::Local(local) => local.create(name, options).map(|told| told.with(self)),
            Self::Plugin(plugin) => {
                plugin.proxy.create(name, options).await?;
                // Where it will be is not asked for, and so not known until the next Get.
                let created_at = created_at::ZERO;
                let name = name.to_owned();
                Ok(DriverVolume::found(self, name, String::new(), created_at))
            }
        }
    }

    /// Removes a volume.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        match self {
            Self::Local(local) => local.remove(name),
            Self::Plugin(plugin) => Ok(plugin.proxy.remove(name).await?),
        }
    }

    /// Asks for a volume; the answer may have another name.
    pub(crate) async fn get(self: &Arc<Self>, name: &str) -> Result<DriverVolume> {
        match &**self {
            Self::Local(local) => {
                let told = local.get(name).ok_or_else(no_such_volume)?;
                Ok(told.with(self))
            }
            Self::Plugin(plugin) => {
                let volume = plugin.proxy.get(name).await?.ok_or_else(no_such_volume)?;
                let ProxyVolume {
                    name,
                    mountpoint,
                    created_at,
                    status,
                } = volume;
                Ok(DriverVolume {
                    status: Some(status),
                    ..DriverVolume::found(self, name, mountpoint, created_at)
                })
            }
        }
    }

    /// Every volume of the driver.
    pub(crate) async fn list(self: &Arc<Self>) -> Result<Vec<DriverVolume>> {
        let plugin = match &**self {
            Self::Local(local) => {
                return Ok(local
                    .list()
                    .into_iter()
                    .map(|told| told.with(self))
                    .collect());
            }
            Self::Plugin(plugin) => plugin,
        };
        let listed = plugin.proxy.list().await?;
        let mut volumes = Vec::with_capacity(listed.len());
        for volume in listed {
            let Some(volume) = volume else {
                // `vp.Name` of a nil pointer: all three engines were seen to go down.
                tracing::error!(
                    driver = plugin.name,
                    "List returned a null volume, which is left out here: A REAL DOCKERD PANICS AND EXITS"
                );
                continue;
            };
            // A list tells name and mountpoint only.
            let created_at = created_at::ZERO;
            let ProxyVolume {
                name, mountpoint, ..
            } = volume;
            volumes.push(DriverVolume::found(self, name, mountpoint, created_at));
        }
        Ok(volumes)
    }

    /// `local` or `global`.
    pub(crate) async fn scope(&self) -> &'static str {
        let plugin = match self {
            Self::Local(_) => return LOCAL_SCOPE,
            Self::Plugin(plugin) => plugin,
        };
        let known = *plugin.scope.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scope) = known {
            return scope;
        }
        let Ok(told) = plugin.proxy.capabilities().await else {
            return LOCAL_SCOPE;
        };
        let scope = match told.to_lowercase().as_str() {
            "" | LOCAL_SCOPE => LOCAL_SCOPE,
            GLOBAL_SCOPE => GLOBAL_SCOPE,
            _ => {
                tracing::warn!(
                    driver = plugin.name,
                    "Volume driver returned an invalid scope"
                );
                LOCAL_SCOPE
            }
        };
        *plugin.scope.lock().unwrap_or_else(PoisonError::into_inner) = Some(scope);
        scope
    }
}

impl DriverVolume {
    /// A volume of `driver` that was found at `mountpoint`.
    pub(super) fn found(
        driver: &Arc<Driver>,
        name: String,
        mountpoint: String,
        created_at: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            driver: Arc::clone(driver),
            name,
            mountpoint: Arc::new(Mutex::new(mountpoint)),
            created_at: created_at.into(),
            status: None,
        }
    }

    /// Where it is, as far as is known.
    pub(crate) fn mountpoint(&self) -> String {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, String> {
        self.mountpoint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The driver's name.
    pub(crate) fn driver_name(&self) -> &str {
        self.driver.name()
    }

    /// Mounts it for `id`; where it is then.
    pub(crate) async fn mount(&self, id: &str) -> Result<String> {
        match &*self.driver {
            Driver::Local(_) => Ok(self.mountpoint()),
            Driver::Plugin(plugin) => {
                let mounted = plugin.proxy.mount(&self.name, id).await;
                *self.lock() = mounted.as_ref().cloned().unwrap_or_default();
                Ok(mounted?)
            }
        }
    }

    /// Unmounts it for `id`.
    pub(crate) async fn unmount(&self, id: &str) -> Result<()> {
        match &*self.driver {
            Driver::Local(_) => Ok(()),
            Driver::Plugin(plugin) => {
                plugin.proxy.unmount(&self.name, id).await?;
                self.lock().clear();
                Ok(())
            }
        }
    }
}
