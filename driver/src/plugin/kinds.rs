//! The kinds of storage that a plugin can have.
//!
//! A new kind is a [`BackendConfig`] in `backend/` and a variant here. Its options are a struct
//! that derives [`clap::Args`]; that alone makes them options of the command line, environment
//! variables (`env = "VOLPLUG_…"`) and keys of the configuration file.

use crate::{
    StartError,
    backend::{
        BackendConfig, cifs::CifsArgs, efs::EfsArgs, local::LocalOptions, moosefs::MooseFsArgs,
        nfs::NfsArgs, quobyte::QuobyteArgs, s3::S3Args,
    },
    server::PassedSockets,
};

use super::{BoundPlugin, PluginOptions};

/// A plugin and the storage of its volumes.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
#[non_exhaustive]
pub enum PluginConfig {
    /// Keep volumes as directories of this host
    Local(PluginArgs<LocalOptions>),
    /// Keep volumes in S3 buckets, mounted with s3fs
    S3(PluginArgs<S3Args>),
    /// Keep volumes on NFS servers
    Nfs(PluginArgs<NfsArgs>),
    /// Keep volumes on Amazon EFS
    Efs(PluginArgs<EfsArgs>),
    /// Keep volumes on Windows or Samba servers
    Cifs(PluginArgs<CifsArgs>),
    /// Keep volumes on MooseFS
    Moosefs(PluginArgs<MooseFsArgs>),
    /// Keep volumes on Quobyte
    Quobyte(PluginArgs<QuobyteArgs>),
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

    fn bind(&self, passed: &mut PassedSockets, only: bool) -> Result<BoundPlugin, StartError> {
        BoundPlugin::bind(&self.plugin, &self.backend, passed, only)
    }
}

impl PluginConfig {
    /// What does not depend on the storage.
    #[must_use]
    pub fn options(&self) -> &PluginOptions {
        match self {
            Self::Local(args) => &args.plugin,
            Self::S3(args) => &args.plugin,
            Self::Nfs(args) => &args.plugin,
            Self::Efs(args) => &args.plugin,
            Self::Cifs(args) => &args.plugin,
            Self::Moosefs(args) => &args.plugin,
            Self::Quobyte(args) => &args.plugin,
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
            Self::Local(args) => args.bind(passed, only),
            Self::S3(args) => args.bind(passed, only),
            Self::Nfs(args) => args.bind(passed, only),
            Self::Efs(args) => args.bind(passed, only),
            Self::Cifs(args) => args.bind(passed, only),
            Self::Moosefs(args) => args.bind(passed, only),
            Self::Quobyte(args) => args.bind(passed, only),
        }
    }
}
