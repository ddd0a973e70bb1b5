//! What the parts of a daemon share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::containers::container::{Container, Containers};
use crate::containers::log::ContainerLog;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::plugin::client::Context;
use crate::profile::Profile;
use crate::random::Randomness;
use crate::runtime::{HostPaths, Images, Runtime};
use crate::volumes::store::VolumeStore;

/// Networks that every engine has.
const NETWORKS: [&str; 5] = ["", "default", "bridge", "host", "none"];

/// A daemon's insides.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) context: Context,
    pub(crate) random: Arc<Randomness>,
    pub(crate) events: Arc<Events>,
    pub(crate) volumes: Arc<VolumeStore>,
    pub(crate) containers: Containers,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) images: Arc<dyn Images>,
    pub(crate) host: Arc<dyn HostPaths>,
    pub(crate) live_restore: bool,
    pub(crate) root: PathBuf,
    pub(crate) shutting_down: AtomicBool,
    /// Networks beside those that every engine has.
    pub(crate) networks: Mutex<BTreeSet<String>>,
}

impl Core {
    /// How the engine behaves.
    pub(crate) fn profile(&self) -> &'static Profile {
        self.context.profile
    }

    /// Whether the daemon is about to end.
    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Relaxed)
    }

    /// The directory of what a container writes outside of its volumes.
    pub(crate) fn rootfs(&self, container: &Container) -> PathBuf {
        self.root.join("rootfs").join(&container.id)
    }

    /// The directory of what the engine keeps for a container.
    pub(crate) fn container_directory(&self, id: &str) -> PathBuf {
        self.root.join("containers").join(id)
    }

    /// The log of a container, in the place where dockerd has it.
    pub(crate) fn log_of(&self, id: &str) -> Arc<ContainerLog> {
        let path = self.container_directory(id).join(format!("{id}-json.log"));
        Arc::new(ContainerLog::new(path))
    }

    /// Whether a container can be on `network`.
    pub(crate) fn check_network(&self, network: &str) -> Result<()> {
        let networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = network.starts_with("container:");
        if shared || NETWORKS.contains(&network) || networks.contains(network) {
            return Ok(());
        }
        Err(Error::not_found(format!("network {network} not found")))
    }

    /// Tells what happened to a container.
    pub(crate) fn container_event(
        &self,
        container: &Container,
        action: &str,
        attribute: Option<(&str, &str)>,
    ) {
        let name = container.name();
        let own = [("name", name.as_str()), ("image", &container.asked.image)];
        let attributes = own.into_iter().chain(attribute);
        self.events.container(&container.id, action, attributes);
    }
}
