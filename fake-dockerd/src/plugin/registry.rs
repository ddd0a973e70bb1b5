//! The plugins of a daemon: found, activated once, and kept for its life.
//!
//! Follows moby's `pkg/plugins/plugins.go` and `plugin/store.go`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::client::{Client, Context, backoff, too_late};
use crate::discovery::{Directories, DiscoveryError, Found, PluginAddress};
use crate::error::{Error, ErrorKind, Result};
use crate::json::{Json, Reader, Target};

/// The subsystem that a volume plugin implements.
const VOLUME_DRIVER: &str = "VolumeDriver";

/// A plugin that was activated.
#[derive(Debug)]
struct Activated {
    client: Arc<Client>,
    implements: Vec<String>,
}

/// A plugin that was found.
#[derive(Debug)]
pub(crate) struct Plugin {
    found: Found,
    activated: OnceLock<Activated>,
    /// Held while the plugin is being activated; who waits for it tries again if that failed.
    activating: AsyncMutex<()>,
}

impl Plugin {
    /// The name that it was looked up by.
    pub(crate) fn name(&self) -> &str {
        &self.found.name
    }

    /// The client of an activated plugin.
    pub(crate) fn client(&self) -> Option<Arc<Client>> {
        Some(Arc::clone(&self.activated.get()?.client))
    }

    fn is_volume_driver(&self) -> bool {
        self.activated.get().is_some_and(|activated| {
            let implements = &activated.implements;
            implements
                .iter()
                .any(|subsystem| subsystem == VOLUME_DRIVER)
        })
    }

    /// Activates the plugin unless it is. Every attempt is a client, and thus a connection, of its
    /// own.
    async fn activate(&self, context: &Context) -> Result<()> {
        let _alone = self.activating.lock().await;
        if self.activated.get().is_some() {
            return Ok(());
        }
        let client = Client::new(&self.found, context.clone()).map_err(Error::system)?;
        // No time limit: a plugin that does not answer this one is waited for without end.
        let json = client.call("Plugin.Activate", String::new(), None).await?;
        let implements = manifest(json).map_err(Error::system)?;
        // libnetwork asks as soon as a plugin claims to be one of its drivers.
        for driver in ["NetworkDriver", "IpamDriver"] {
            if !implements.iter().any(|subsystem| subsystem == driver) {
                continue;
            }
            let service = format!("{driver}.GetCapabilities");
            if let Err(error) = client.call(&service, String::new(), None).await {
                let name = self.name();
                tracing::error!("error getting capability for {name} due to {error}");
            }
        }
        // Nobody else can have set it: the lock is held.
        let _ = self.activated.set(Activated {
            client: Arc::new(client),
            implements,
        });
        Ok(())
    }
}

/// `Implements` of the answer to Activate. An `Err` beside it is ignored.
fn manifest(json: Json) -> Result<Vec<String>, String> {
    let mut reader = Reader::new(Target {
        package: "plugins",
        name: "Manifest",
    });
    let mut implements = Vec::new();
    for (key, value) in reader.fields(json) {
        if !key.eq_ignore_ascii_case("Implements") {
            continue;
        }
        match value {
            Json::Array(items) => {
                implements.clear();
                for item in items {
                    let mut name = String::new();
                    reader.string(&mut name, "Implements", item);
                    implements.push(name);
                }
            }
            Json::Null => implements.clear(),
            other => reader.mismatch("Implements", &other, "[]string"),
        }
    }
    reader.finish().map(|()| implements)
}

/// The plugins that a daemon knows.
#[derive(Debug)]
pub(crate) struct Registry {
    directories: Directories,
    /// Plugins that the embedding program names itself.
    given: HashMap<String, PluginAddress>,
    plugins: Mutex<HashMap<String, Arc<Plugin>>>,
    context: Context,
}

impl Registry {
    /// A registry that has looked for nothing yet.
    pub(crate) fn new(
        directories: Directories,
        given: HashMap<String, PluginAddress>,
        context: Context,
    ) -> Self {
        Self {
            directories,
            given,
            plugins: Mutex::default(),
            context,
        }
    }

    /// The volume plugin called `name`, waited for if it is not there yet, and activated.
    ///
    /// # Errors
    /// dockerd's text.
    pub(crate) async fn get(&self, name: &str) -> Result<Arc<Plugin>> {
        let known = self.known(name);
        let plugin = match known {
            Some(plugin) => {
                plugin.activate(&self.context).await.map_err(legacy)?;
                plugin
            }
            None => self.load(name, true).await?,
        };
        if plugin.is_volume_driver() {
            return Ok(plugin);
        }
        let refused = "Plugin does not implement the requested driver";
        Err(legacy(Error::system(
            if self.context.profile.names_what_is_not_implemented {
                format!(
                    "{refused}: plugin=\"{name}\", requested implementation=\"{VOLUME_DRIVER}\""
                )
            } else {
                refused.to_owned()
            },
        )))
    }

    /// Every volume plugin that a scan finds; all are activated at once.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub(crate) async fn all(self: &Arc<Self>) -> Result<Vec<Arc<Plugin>>> {
        let mut names = self.directories.scan().map_err(|error| {
            legacy(Error::system(format!("error reading dir entries: {error}")))
        })?;
        names.extend(
            self.given
                .keys()
                .filter(|name| self.find(name).is_ok())
                .cloned(),
        );
        names.sort_unstable();
        names.dedup();
        let mut loading = Vec::new();
        let mut found = Vec::new();
        for name in names {
            match self.known(&name) {
                Some(plugin) => found.push(plugin),
                None => {
                    let registry = Arc::clone(self);
                    let load = async move { registry.load(&name, false).await };
                    loading.push(self.context.spawn(load));
                }
            }
        }
        for plugin in loading {
            match plugin.await {
                Ok(Some(Ok(plugin))) => found.push(plugin),
                Ok(Some(Err(error))) => tracing::error!("{error}"),
                Ok(None) | Err(_) => {}
            }
        }
        let mut volume_drivers = Vec::new();
        for plugin in found {
            // One that is just being activated for somebody else is waited for.
            drop(plugin.activating.lock().await);
            if plugin.is_volume_driver() {
                volume_drivers.push(plugin);
            }
        }
        Ok(volume_drivers)
    }

    fn known(&self, name: &str) -> Option<Arc<Plugin>> {
        let plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        plugins.get(name).cloned()
    }

    fn find(&self, name: &str) -> Result<Found, DiscoveryError> {
        let Some(address) = self.given.get(name) else {
            return self.directories.find(name);
        };
        // As in a directory: where there is no socket, there is no plugin.
        let path = match address {
            PluginAddress::Unix(path) => path.as_path(),
            PluginAddress::Tcp(_) | PluginAddress::Https { .. } => Path::new(""),
        };
        if matches!(address, PluginAddress::Unix(_)) && !path.exists() {
            return Err(DiscoveryError::NotFound {
                name: name.to_owned(),
                looked: vec![path.to_owned()],
            });
        }
        Ok(Found {
            name: name.to_owned(),
            path: path.to_owned(),
            address: address.clone(),
            manifest: None,
            shadowed: Vec::new(),
        })
    }

    /// Looks for a plugin and activates it (`loadWithRetry`).
    async fn load(&self, name: &str, retry: bool) -> Result<Arc<Plugin>> {
        let start = Instant::now();
        let clock = self.context.clock;
        let mut retries = 0;
        let found = loop {
            match self.find(name) {
                Ok(found) => break found,
                Err(error) => {
                    let pause = backoff(retries);
                    if !retry || too_late(clock, start, pause) {
                        return Err(not_found(name, &error));
                    }
                    retries += 1;
                    tracing::warn!(
                        "Unable to locate plugin: {name}, retrying in {}s",
                        pause.as_secs()
                    );
                    clock.sleep(pause).await;
                }
            }
        };
        let (plugin, fresh) = {
            let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
            match plugins.get(name) {
                Some(plugin) => (Arc::clone(plugin), false),
                None => {
                    let plugin = Arc::new(Plugin {
                        found,
                        activated: OnceLock::new(),
                        activating: AsyncMutex::default(),
                    });
                    plugins.insert(name.to_owned(), Arc::clone(&plugin));
                    (plugin, true)
                }
            }
        };
        let activated = plugin.activate(&self.context).await;
        if activated.is_err() && fresh {
            // Looked for again next time: it may have moved.
            let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
            plugins.remove(name);
        }
        activated.map_err(legacy)?;
        Ok(plugin)
    }
}

fn legacy(error: Error) -> Error {
    error.context("legacy plugin").with_kind(ErrorKind::System)
}

fn not_found(name: &str, error: &DiscoveryError) -> Error {
    match error.as_dockerd() {
        None => Error::not_found(format!("plugin \"{name}\" not found")),
        Some(text) => legacy(Error::system(text)),
    }
}
