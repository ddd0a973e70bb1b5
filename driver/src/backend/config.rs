//! How a backend is configured and opened.

use jiff::Timestamp;

use super::Backend;
use crate::{
    StartError,
    root::DataRoot,
    types::{Options, Scope, VolumeName},
};

/// The options of a kind of storage.
///
/// They derive [`clap::Args`]: each is an option of the command line, with `env = "VOLPLUG_…"`
/// also an environment variable, and without further work a key of the configuration file under
/// the same name. Equal configurations mean the same storage: a reload leaves such a plugin alone.
pub trait BackendConfig: clap::Args + Clone + PartialEq + std::fmt::Debug + Send + Sync {
    /// The storage.
    type Backend: Backend;

    /// Opens the storage, and tells of volumes on it that have to be remembered anew. Everything
    /// that is wrong with the configuration is found here. May block for a moment, but not for
    /// long on a server that does not answer.
    ///
    /// # Errors
    /// When the storage cannot be used as configured.
    fn open(&self, site: &Site<'_>) -> Result<(Self::Backend, Vec<Found>), StartError>;
}

/// Where a backend is opened.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Site<'a> {
    /// The plugin's own directory on this host.
    pub(crate) root: &'a DataRoot,
    /// Who sees the volumes.
    pub scope: Scope,
    /// The records of volumes are lost: those found on the storage are adopted.
    pub lost: bool,
    /// Whether there is a record of a name.
    pub(crate) known: &'a dyn Fn(&str) -> bool,
}

/// A volume found without a record.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// Its name.
    pub name: VolumeName,
    /// The options that it was created with, as far as the storage tells.
    pub options: Options,
    /// When it was made.
    pub created_at: Timestamp,
}
