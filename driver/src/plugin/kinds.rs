//! The kinds of storage that a plugin can have.
//!
//! A new kind is a [`BackendConfig`] in `backend/` and a variant here. Its options are a struct
//! that derives [`clap::Args`]; that alone makes them options of the command line, environment
//! variables (`env = "VOLPLUG_…"`) and keys of the configuration file.

use crate::{
    StartError,
    backend::{BackendConfig, local::LocalOptions},
    server::PassedSockets,
};

use super::{BoundPlugin, PluginOptions};

/// A plugin and the storage of its volumes.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
#[non_exhaustive]
pub enum PluginConfig {
    /// Keep volumes as directories of this host
    Local(PluginArgs<LocalOptions>),
}

/// The options of one kind of plugin.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct PluginArgs<B: BackendConfig> {
    /// What all kinds have.
    #[command(flatten)]
    pub plugin: PluginOptions,
    /// What this kind has.
    #[command(flatten, next_help_heading = "Storage")]
    pub backend: B,
}

impl<B: BackendConfig> PluginArgs<B> {
    /// A plugin with this storage.
    pub fn new(plugin: PluginOptions, backend: B) -> Self {
        Self { plugin, backend }
    }
}

impl PluginConfig {
    /// What does not depend on the storage.
    #[must_use]
    pub fn options(&self) -> &PluginOptions {
        match self {
            Self::Local(args) => &args.plugin,
        }
    }

    /// Claims the data root, opens the state, attaches the storage and listens; `only` says that
    /// no other plugin of this process takes sockets of systemd's. Blocks for a moment.
    pub(crate) fn bind(
        &self,
        passed: &mut PassedSockets,
        only: bool,
    ) -> Result<BoundPlugin, StartError> {
        match self {
            Self::Local(args) => BoundPlugin::bind(&args.plugin, &args.backend, passed, only),
        }
    }
}
