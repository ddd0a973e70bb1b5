//! The directory of a run.

use std::path::PathBuf;

use crate::target::mounts;

/// The run's own directory.
pub(super) struct WorkDirectory {
    pub(super) path: PathBuf,
}

impl WorkDirectory {
    pub(super) fn new() -> Result<Self, String> {
        let base = std::env::temp_dir();
        let told = |error: std::io::Error| format!("cannot work in {}: {error}", base.display());
        let base = base.canonicalize().map_err(told)?;
        let made = tempfile::Builder::new()
            .prefix("volplug-")
            .tempdir_in(&base)
            .map_err(told)?;
        Ok(Self { path: made.keep() })
    }

    /// Removes the directory. What a plugin has left mounted below it is other people's data, and is
    /// never walked into.
    fn remove(&self) {
        let mounted = mounts().map_or(true, |all| {
            all.iter().any(|m| m.path.starts_with(&self.path))
        });
        if mounted {
            let shown = self.path.display();
            anstream::eprintln!("note: {shown} stays, since the plugin has left mounts in it");
            return;
        }
        // Where it cannot be removed, it lies in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        self.remove();
    }
}
