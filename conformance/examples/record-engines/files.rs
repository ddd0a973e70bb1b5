//! Files of a scenario: those that the engine finds plugins by, and those that are copied.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Directories of the recordings that need not be called so. The engine looks for plugins in the
/// others itself.
const OURS: [&str; 3] = ["/files/", "/sock/", "/tmp/"];

/// Files that are gone when the scenario is.
pub(crate) struct Files {
    directory: PathBuf,
    /// What a recorded certificate becomes.
    certificate: String,
    made: Vec<PathBuf>,
}

impl Files {
    /// With a directory for what may lie anywhere.
    pub(crate) fn new(directory: PathBuf, certificate: String) -> Result<Self, String> {
        let files = Self {
            directory,
            certificate,
            made: Vec::new(),
        };
        let in1 = files.directory.join("in1");
        std::fs::create_dir_all(&files.directory)
            .and_then(|()| std::fs::write(&in1, "in1\n"))
            .map_err(|error| format!("{}: {error}", in1.display()))?;
        Ok(files)
    }

    /// A recorded text with what stands for the recorded directories.
    pub(crate) fn played(&self, recorded: &str) -> String {
        if recorded.starts_with("-----BEGIN CERTIFICATE-----") {
            return self.certificate.clone();
        }
        let ours = format!("{}/", self.directory.display());
        let whole = |text: &str, at: usize| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            before.is_none_or(|before| matches!(before, '/' | '"'))
        };
        let found = OURS.iter().find_map(|theirs| {
            let at = recorded.find(theirs).filter(|at| whole(recorded, *at))?;
            Some(recorded.get(..at)?.to_owned() + &ours + recorded.get(at + theirs.len()..)?)
        });
        found.unwrap_or_else(|| recorded.to_owned())
    }

    /// Makes room for a file: it will be removed.
    pub(crate) fn room(&mut self, path: &str) -> Result<PathBuf, String> {
        let path = PathBuf::from(self.played(path));
        let parent = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(parent)
            .map_err(|error| format!("{}: {error}", parent.display()))?;
        self.made.push(path.clone());
        Ok(path)
    }

    pub(crate) fn write(&mut self, path: &str, content: &str) -> Result<(), String> {
        let content = self.played(content);
        self.make(path, |path| std::fs::write(path, content))
    }

    pub(crate) fn link(&mut self, link: &str, target: &str) -> Result<(), String> {
        let target = self.played(target);
        self.make(link, |link| std::os::unix::fs::symlink(target, link))
    }

    /// A socket that nobody listens on.
    pub(crate) fn stale_socket(&mut self, path: &str) -> Result<(), String> {
        self.make(path, |path| UnixListener::bind(path).map(drop))
    }

    fn make(
        &mut self,
        path: &str,
        make: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), String> {
        let path = self.room(path)?;
        make(&path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.made {
            let _ = std::fs::remove_file(path);
            // Only an empty one goes.
            if let Some(parent) = path.parent() {
                let _ = std::fs::remove_dir(parent);
            }
        }
    }
}
