//! What the parts of a daemon share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::containers::container::{Container, Containers};
use crate::containers::log::ContainerLog;
use crate::error::Result;
use crate::events::Events;
use crate::images::ImageStore;
use crate::networks::Networks;
use crate::plugin::client::Context;
use crate::profile::Profile;
use crate::random::Randomness;
use crate::runtime::{HostPaths, Runtime};
use crate::volumes::store::VolumeStore;

/// A daemon's insides.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) context: Context,
    pub(crate) random: Arc<Randomness>,
    pub(crate) events: Arc<Events>,
    pub(crate) volumes: Arc<VolumeStore>,
    pub(crate) containers: Containers,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) images: Arc<ImageStore>,
    pub(crate) host: Arc<dyn HostPaths>,
    pub(crate) live_restore: bool,
    pub(crate) root: PathBuf,
    pub(crate) shutting_down: AtomicBool,
    pub(crate) networks: Networks,
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
    pub(crate) fn rootfs(&self, container: &str) -> PathBuf {
        self.root.join("rootfs").join(container)
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
        if network.starts_with("container:") || ["", "default"].contains(&network) {
            return Ok(());
        }
        self.networks.find(network).map(drop)
    }

    /// Tells what happened to a container.
    pub(crate) fn container_event(
        &self,
        container: &Container,
        action: &str,
        attribute: Option<(&str, &str)>,
    ) {
        let name = container.name();
        let labels = container.asked.labels.iter();
        let labels = labels.map(|(key, value)| (key.as_str(), value.as_str()));
        let own = [("name", name.as_str()), ("image", &container.asked.image)];
        let attributes = labels.chain(own).chain(attribute);
        self.events.container(&container.id, action, attributes);
    }
}
