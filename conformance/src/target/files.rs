//! Looking into mountpoints, within a time limit.
//!
//! A dead FUSE or NFS mount blocks whoever touches it, so every look is made on a thread that may
//! be left behind, and given up after the run's call limit.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::mounts::stacked_at;

/// What the runner can see of the plugin's file system.
#[derive(Debug, Clone)]
pub struct Files {
    /// Why nothing can be seen; `None` if something can.
    blind: Option<String>,
    limit: Duration,
}

impl Files {
    /// A view with a time limit for each look.
    #[must_use]
    pub const fn visible(limit: Duration) -> Self {
        Self { blind: None, limit }
    }

    /// No view, and why.
    #[must_use]
    pub fn blind(reason: &str) -> Self {
        Self {
            blind: Some(reason.to_owned()),
            limit: Duration::ZERO,
        }
    }

    /// Why nothing can be seen; `None` if something can.
    #[must_use]
    pub fn blindness(&self) -> Option<&str> {
        self.blind.as_deref()
    }

    /// Runs `look` on a thread of its own.
    ///
    /// # Errors
    /// What `look` said, or [`io::ErrorKind::TimedOut`].
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        match tokio::time::timeout(self.limit, tokio::task::spawn_blocking(look)).await {
            Ok(Ok(result)) => result,
            Ok(Err(join)) => Err(io::Error::other(join)),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "no answer from the file system within {} s",
                    self.limit.as_secs_f32()
                ),
            )),
        }
    }

    /// Writes a new file and makes sure that it can be read back.
    ///
    /// # Errors
    /// What the file system said.
    pub async fn write(&self, path: PathBuf, content: String) -> io::Result<()> {
        self.look(move || std::fs::write(path, content)).await
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What the file system said.
    pub async fn read(&self, path: PathBuf) -> io::Result<String> {
        self.look(move || std::fs::read_to_string(path)).await
    }

    /// Whether `path` is a directory.
    ///
    /// # Errors
    /// What the file system said, but for "not found", which is `false`.
    pub async fn is_directory(&self, path: PathBuf) -> io::Result<bool> {
        self.look(move || match std::fs::metadata(path) {
            Ok(found) => Ok(found.is_dir()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        })
        .await
    }

    /// How many kernel mounts are stacked at `path`.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn mounts_at(&self, path: &Path) -> io::Result<usize> {
        stacked_at(path)
    }
}
