//! What containers wrote, and whether it is still there.
//!
//! Every file has a name of its own within a sequence, so that it is known by it wherever it shows.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::suite::is_root;
use crate::target::Files;

/// The volumes' files, as far as they can be seen from here.
#[derive(Debug)]
pub(super) struct Seen {
    files: Files,
    pub(super) limit: Duration,
    /// Whether files can be written; where not, nothing is known of any.
    writable: AtomicBool,
    /// What files should hold, by name.
    written: Mutex<BTreeMap<String, String>>,
}

impl Seen {
    pub(super) fn new(files: Files, limit: Duration, writable: bool) -> Self {
        let writable = AtomicBool::new(writable && files.blindness().is_none());
        Self {
            files,
            limit,
            writable,
            written: Mutex::default(),
        }
    }

    /// Whether anything can be seen at all.
    pub(super) fn sees(&self) -> bool {
        self.files.blindness().is_none()
    }

    /// Takes note of a file that should be there from now on.
    pub(super) fn expect(&self, path: &Path, content: &str) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(name_of(path), content.to_owned());
    }

    fn expected(&self, path: &Path) -> Option<String> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(&name_of(path)).cloned()
    }

    /// Writes a file; `false` where that is not for the plugin to answer for.
    pub(super) async fn write(&self, path: PathBuf, content: &str) -> Result<bool, String> {
        if !self.writable.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let wrote = self.files.write(path.clone(), content.to_owned()).await;
        self.after_write(&path, content, wrote)
    }

    /// As [`write`](Self::write), for a thread that may wait.
    pub(super) fn write_now(&self, path: PathBuf, content: &str) -> Result<bool, String> {
        if !self.writable.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let (to, text) = (path.clone(), content.to_owned());
        let wrote = within(self.limit, move || std::fs::write(to, text));
        self.after_write(&path, content, wrote)
    }

    fn after_write(
        &self,
        path: &Path,
        content: &str,
        wrote: io::Result<()>,
    ) -> Result<bool, String> {
        match wrote {
            Ok(()) => {
                self.expect(path, content);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !is_root() => {
                self.writable.store(false, Ordering::Relaxed);
                Ok(false)
            }
            Err(error) => Err(told(path, &error)),
        }
    }

    /// Whether a file holds what was written into it; what is there instead.
    pub(super) async fn check(&self, path: PathBuf) -> Result<(), String> {
        match self.expected(&path).filter(|_| self.sees()) {
            Some(content) => same(&path, &content, self.files.read(path.clone()).await),
            None => Ok(()),
        }
    }

    /// As [`check`](Self::check), for a thread that may wait.
    pub(super) fn check_now(&self, path: PathBuf) -> Result<(), String> {
        let Some(content) = self.expected(&path).filter(|_| self.sees()) else {
            return Ok(());
        };
        let from = path.clone();
        let read = within(self.limit, move || std::fs::read_to_string(from));
        same(&path, &content, read)
    }

    /// Whether there is nothing at `path`.
    pub(super) async fn check_absent(&self, path: PathBuf) -> Result<(), String> {
        if !self.sees() {
            return Ok(());
        }
        match self.files.read(path.clone()).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(_) => Err(format!("there is a file at {}", path.display())),
            Err(error) => Err(told(&path, &error)),
        }
    }

    /// Makes a directory.
    pub(super) async fn make_directory(&self, path: PathBuf) -> Result<(), String> {
        let to = path.clone();
        let made = self.files.look(move || std::fs::create_dir(to)).await;
        made.map_err(|error| told(&path, &error))
    }

    /// Whether there is a directory at `path`.
    pub(super) async fn is_directory(&self, path: &Path) -> io::Result<bool> {
        self.files.is_directory(path.to_owned()).await
    }

    /// Where the kernel shows a mount that is reached as `path`, if there is one.
    pub(super) async fn kernel_mount(&self, path: &Path) -> Option<PathBuf> {
        if !self.sees() {
            return None;
        }
        let given = path.to_owned();
        let real = self.files.look(move || given.canonicalize()).await;
        let real = real.unwrap_or_else(|_| path.to_owned());
        let stacked = self.files.mounts_at(&real).ok()?;
        (stacked > 0).then_some(real)
    }
}

fn same(path: &Path, expected: &str, read: io::Result<String>) -> Result<(), String> {
    match read {
        Ok(content) if content == expected => Ok(()),
        Ok(_) => Err(format!("{} holds other data", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("the file is gone: {}", path.display()))
        }
        Err(error) => Err(told(path, &error)),
    }
}

fn told(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Runs `look` on a thread that is left behind when it takes too long: a dead mount blocks whoever
/// touches it.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    look: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(look()));
    told.recv_timeout(limit).unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "no answer from the file system",
        ))
    })
}
