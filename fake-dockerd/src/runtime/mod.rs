//! What runs in a container, behind a trait.
//!
//! The engine decides when something starts and stops, and what a plugin sees of it; a [`Runtime`]
//! decides what that something is. [`Simulated`] knows a handful of commands and runs nothing.
//! Standard input and output are a runtime's own business: it knows the container by its ID.

mod simulated;

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use crate::containers::BoundMount;
use crate::images::skeleton::{OF_AN_IMAGE, OF_DOCKER};
use crate::profile::Profile;

pub use simulated::Simulated;

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs what is in a container.
pub trait Runtime: Send + Sync + fmt::Debug {
    /// Starts a container's process.
    fn start(&self, spec: ProcessSpec) -> BoxFuture<'_, Result<Arc<dyn Process>, StartError>>;

    /// The process of a container that a daemon before this one started, if it still runs. This is
    /// how live-restore, and a daemon that was killed, find what outlived them.
    fn find(&self, container: &str) -> Option<Arc<dyn Process>>;
}

/// A process in a container.
pub trait Process: Send + Sync + fmt::Debug {
    /// Waits for the end; the exit code.
    fn wait(&self) -> BoxFuture<'_, i32>;

    /// Sends a signal by its number.
    fn signal(&self, signal: i32);

    /// Stops or continues it. By default only the engine knows that it is paused.
    fn pause(&self, _paused: bool) {}

    /// Runs a command beside it; its exit code.
    fn exec(&self, command: Vec<String>) -> BoxFuture<'_, Result<i32, StartError>>;
}

/// What is to be run.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// The container's ID.
    pub container: String,
    /// The image.
    pub image: String,
    /// Command and arguments.
    pub command: Vec<String>,
    /// `KEY=VALUE`.
    pub env: Vec<String>,
    /// The user.
    pub user: String,
    /// The directory that it starts in; empty for `/`.
    pub working_dir: String,
    /// What is mounted, outer paths first.
    pub mounts: Vec<BoundMount>,
    /// The container's own files; the directory need not exist.
    pub rootfs: PathBuf,
    /// Whether the root file system cannot be written to.
    pub read_only: bool,
    /// Whether nobody waits for its output.
    pub detached: bool,
}

/// Why a process was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// There is no such command.
    CommandNotFound(String),
    /// A mount's source does not exist.
    MissingSource {
        /// The source.
        source: String,
        /// Where it was to be mounted.
        destination: String,
    },
    /// Anything else, as it is to be shown.
    Other(String),
}

impl StartError {
    /// The engine's text.
    #[must_use]
    pub fn text(&self, profile: &Profile) -> String {
        match self {
            Self::CommandNotFound(command) => profile.oci.command_not_found(command),
            Self::MissingSource {
                source,
                destination,
            } => profile.oci.missing_mount_source(source, destination),
            Self::Other(text) => text.clone(),
        }
    }
}

/// What the engine asks about the host's files.
pub trait HostPaths: Send + Sync + fmt::Debug {
    /// Whether there is anything at `path`.
    fn exists(&self, path: &Path) -> bool;
}

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealPaths;

impl HostPaths for RealPaths {
    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }
}

/// What the engine asks about images.
pub trait Images: Send + Sync + fmt::Debug {
    /// The destinations of the image's `VOLUME`s.
    fn volumes(&self, _image: &str) -> Vec<String> {
        Vec::new()
    }

    /// Whether the image has something at `path`: only then is a volume there filled at create.
    fn has_path(&self, image: &str, path: &str) -> bool;

    /// Copies what the image has at `path` into the empty directory `to`.
    ///
    /// # Errors
    /// What the file system said.
    fn copy_path(&self, _image: &str, _path: &str, _to: &Path) -> std::io::Result<()> {
        Ok(())
    }
}

/// Images of which nothing is known: each has the usual directories, with nothing in them.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptyImages;

impl Images for EmptyImages {
    fn has_path(&self, _image: &str, path: &str) -> bool {
        let skeleton = OF_DOCKER.iter().chain(&OF_AN_IMAGE);
        skeleton.into_iter().any(|(own, _)| *own == path)
    }
}
