//! What runs in a container, behind a trait.
//!
//! The engine decides when something starts and stops, and what a plugin sees of it; a [`Runtime`]
//! decides what that something is: [`HostRuntime`] runs commands of the host in mount namespaces,
//! [`Simulated`] knows a handful of commands and runs nothing. What a process reads and writes goes
//! through the [`Streams`] that the engine gives it.

mod host;
mod simulated;
mod streams;

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::containers::BoundMount;
use crate::images::skeleton::{OF_AN_IMAGE, OF_DOCKER};
use crate::profile::Profile;

pub use host::{HostRuntime, Unavailable};
pub use simulated::Simulated;
pub use streams::{Chunk, Output, Streams};

/// Where containerd keeps the bundles of running containers, which relative mountpoints start from.
const BUNDLES: &str = "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby";

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs what is in a container.
pub trait Runtime: Send + Sync + fmt::Debug {
    /// Starts a container's process.
    fn start(&self, spec: ProcessSpec) -> BoxFuture<'_, Result<Arc<dyn Process>, StartError>>;

    /// The process of a container that a daemon before this one started, if it still runs, or its
    /// end is known. This is how live-restore, and a daemon that was killed, find what outlived
    /// them. `kept` is the directory that the process was started with: [`ProcessSpec::kept`].
    fn find(&self, container: &str, kept: &Path) -> Option<Arc<dyn Process>>;

    /// What `docker info` says of it.
    fn about(&self) -> About;
}

/// A runtime in `docker info`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// What users have to know.
    pub warnings: Vec<String>,
}

/// A process in a container.
pub trait Process: Send + Sync + fmt::Debug {
    /// Waits for the end; the exit code.
    fn wait(&self) -> BoxFuture<'_, i32>;

    /// Sends a signal by its number.
    fn signal(&self, signal: i32);

    /// Stops or continues it. By default only the engine knows that it is paused.
    fn pause(&self, _paused: bool) {}

    /// Runs a command beside it.
    fn exec(&self, spec: ExecSpec) -> BoxFuture<'_, Result<Arc<dyn Process>, StartError>>;

    /// Its process ID on the host, while there is one.
    fn pid(&self) -> Option<u32> {
        None
    }

    /// The process IDs of it and all that it started.
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    /// What it and all that it started use.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Sets the size of its terminal, if it has one.
    fn resize(&self, _rows: u16, _columns: u16) {}

    /// From now on it writes to `streams`: another daemon has taken it over.
    fn redirect(&self, _streams: Arc<Streams>) {}
}

/// What processes use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The time that they computed.
    pub cpu: Duration,
    /// Their memory, in bytes.
    pub memory: u64,
    /// How many they are.
    pub processes: u64,
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
    /// The host name.
    pub hostname: String,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it reads what is typed.
    pub stdin: bool,
    /// Whether it sees the network.
    pub has_network: bool,
    /// What is mounted and kept in memory.
    pub tmpfs: Vec<TmpfsMount>,
    /// Where it reads from and writes to.
    pub streams: Arc<Streams>,
    /// The container's directory, for what is needed to find the process again; it need not exist.
    pub kept: PathBuf,
    /// Whether the process is to outlive the daemon.
    pub survives: bool,
}

impl ProcessSpec {
    /// The directory in which what the process needs to outlive the daemon is kept. A terminal is
    /// the daemon's and goes with it, and so does what runs in it.
    fn survival(&self) -> Option<&Path> {
        (self.survives && !self.tty).then_some(&*self.kept)
    }
}

/// A directory in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TmpfsMount {
    /// The path in the container.
    pub destination: String,
    /// How much it holds, in bytes.
    pub size: Option<u64>,
    /// Its mode; without one anybody may write.
    pub mode: Option<u32>,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// What is to be run beside a container's process.
#[derive(Debug, Clone, Default)]
pub struct ExecSpec {
    /// Command and arguments.
    pub command: Vec<String>,
    /// `KEY=VALUE`, beside what the container has.
    pub env: Vec<String>,
    /// The user; empty for the container's.
    pub user: String,
    /// The directory that it starts in; empty for the container's.
    pub working_dir: String,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it reads what is typed.
    pub stdin: bool,
    /// Where it reads from and writes to.
    pub streams: Arc<Streams>,
}

/// Where the source of a mount is on the host. A plugin may answer anything: relative paths start
/// from the container's bundle.
fn source_of(mount: &BoundMount, container: &str) -> PathBuf {
    let source = Path::new(&mount.source);
    if source.is_absolute() || mount.source.is_empty() {
        source.to_owned()
    } else {
        Path::new(BUNDLES).join(container).join(source)
    }
}

/// Why a process was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// There is no such command.
    CommandNotFound(String),
    /// A command cannot be run.
    CommandNotRun {
        /// The command.
        command: String,
        /// Why, as Go words it.
        why: String,
    },
    /// A mount's source does not exist, or cannot be reached.
    UnusableSource {
        /// The source.
        source: String,
        /// Where it was to be mounted.
        destination: String,
        /// Why, as Go words it.
        why: String,
    },
    /// The surroundings of the process could not be made.
    NotMade(String),
    /// Anything else, as it is to be shown.
    Other(String),
}

impl StartError {
    /// The engine's text about a container that was not started.
    #[must_use]
    pub fn text(&self, profile: &Profile) -> String {
        let oci = &profile.oci;
        match self {
            Self::CommandNotFound(command) => oci.command_not_run(command, &not_found(command)),
            Self::CommandNotRun { command, why } => oci.command_not_run(command, why),
            Self::UnusableSource {
                source,
                destination,
                why,
            } => oci.unusable_source(source, destination, why),
            Self::NotMade(why) => oci.not_made(why),
            Self::Other(text) => text.clone(),
        }
    }

    /// The engine's text about a command that was not run beside a container's process.
    #[must_use]
    pub fn exec_text(&self, profile: &Profile) -> String {
        let oci = &profile.oci;
        match self {
            Self::CommandNotFound(command) => oci.exec_not_run(command, &not_found(command)),
            Self::CommandNotRun { command, why } => oci.exec_not_run(command, why),
            other => other.text(profile),
        }
    }
}

/// An absolute path is looked at, a bare name is searched for in `PATH`; runc says which.
fn not_found(command: &str) -> String {
    if command.contains('/') {
        format!("stat {command}: no such file or directory")
    } else {
        "executable file not found in $PATH".to_owned()
    }
}

/// What the engine asks about the host's files.
pub trait HostPaths: Send + Sync + fmt::Debug {
    /// Whether there is anything at `path`.
    fn exists(&self, path: &Path) -> bool;

    /// Makes the directory that `-v` binds, if nothing is there (moby's `MountPoint.Setup`).
    ///
    /// # Errors
    /// What the file system said.
    fn make_directory(&self, _path: &Path) -> std::io::Result<()> {
        Ok(())
    }
}

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealPaths;

impl HostPaths for RealPaths {
    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn make_directory(&self, path: &Path) -> std::io::Result<()> {
        match std::fs::create_dir_all(path) {
            // Something else is there, which may be bound as well.
            Err(_) if self.exists(path) => Ok(()),
            made => made,
        }
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

#[cfg(test)]
mod tests {
    use super::{HostPaths as _, RealPaths};

    #[test]
    fn a_directory_is_made_where_nothing_is() {
        let root = tempfile::tempdir().unwrap();
        let (directory, file) = (root.path().join("a/b"), root.path().join("file"));
        std::fs::write(&file, "").unwrap();
        for path in [&directory, &directory, &file] {
            RealPaths.make_directory(path).unwrap();
        }
        assert!(directory.is_dir() && file.is_file());
        assert!(RealPaths.make_directory(&file.join("below")).is_err());
    }
}
