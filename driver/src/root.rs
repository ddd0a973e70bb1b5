//! The data root: everything that a driver keeps lies below this directory.
//!
//! Several hosts may share one, on a network file system. Then each has a state directory of its
//! own elsewhere, and what it works on lies in `hosts/HOST/`, where no other host tidies up.
//!
//! One driver has it at a time, by a lock on a file that the kernel drops with the process. All
//! directories are for their owner alone (0700): containers reach a volume through Docker's bind
//! mount, nobody else has any business here.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{StartError, host};

const PRIVATE: u32 = 0o700;
const LOCK: &str = "lock";

/// A data root that belongs to this process until the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct DataRoot {
    path: PathBuf,
    /// Where volumes in the making and on their way out are.
    work: PathBuf,
    state: PathBuf,
    host: Option<String>,
    _lock: Arc<File>,
}

impl DataRoot {
    /// Makes the directory where needed and takes it for this process; with a state directory,
    /// other hosts may share it.
    pub(crate) fn claim(path: &Path, state: Option<&Path>) -> Result<Self, StartError> {
        let failed = |error: io::Error| StartError::data_root(path, error);
        let canonical = make(path).map_err(failed)?;
        let own = state.unwrap_or(path);
        let failed_own = |error: io::Error| StartError::data_root(own, error);
        let state_directory = make(own).map_err(failed_own)?;
        for (given, directory) in [(path, &canonical), (own, &state_directory)] {
            if directory.to_str().is_none() {
                // Mountpoints travel as JSON, which cannot carry it.
                return Err(StartError::data_root(given, "the path is not valid UTF-8"));
            }
        }
        let lock = lock(&state_directory).map_err(|error| match error {
            LockFailure::Taken(holder) => StartError::DataRootInUse {
                path: own.display().to_string(),
                holder,
            },
            LockFailure::Io(error) => failed_own(error),
        })?;
        let host = match state {
            Some(_) => Some(host::identity(&state_directory).map_err(failed_own)?),
            None => None,
        };
        let root = Self {
            work: match &host {
                Some(host) => canonical.join("hosts").join(host),
                None => canonical.clone(),
            },
            path: canonical,
            state: state_directory,
            host,
            _lock: Arc::new(lock),
        };
        make_private(&root.path).map_err(failed)?;
        make_private(&root.state).map_err(failed_own)?;
        for directory in [root.volumes(), root.staging(), root.trash()] {
            make(&directory)
                .and_then(|directory| make_private(&directory))
                .map_err(failed)?;
        }
        Ok(root)
    }

    /// The name of this host among those that share the data root; `None`: it is this host's alone.
    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The directory itself, absolute and without symbolic links.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What belongs to this host alone, whoever shares the data root: mountpoints and secrets.
    pub(crate) fn own(&self) -> &Path {
        &self.state
    }

    /// One directory per volume.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.path.join("volumes")
    }

    /// Volumes in the making.
    pub(crate) fn staging(&self) -> PathBuf {
        self.work.join("staging")
    }

    /// Volumes on their way out.
    pub(crate) fn trash(&self) -> PathBuf {
        self.work.join("trash")
    }

    /// Directories found where a new volume was to be, with data in them that nobody asked to
    /// delete. Made when it is needed.
    pub(crate) fn set_aside(&self) -> PathBuf {
        self.work.join("set-aside")
    }

    /// The state file.
    pub(crate) fn state(&self) -> PathBuf {
        self.state.join("state.redb")
    }
}

enum LockFailure {
    /// By whom, as far as the lock file tells: ` (process 17)`.
    Taken(String),
    Io(io::Error),
}

fn lock(root: &Path) -> Result<File, LockFailure> {
    let path = root.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(LockFailure::Io)?;
    match file.try_lock() {
        Ok(()) => {
            // For the message of whoever comes second; the lock itself is the kernel's.
            let _ = file
                .set_len(0)
                .and_then(|()| write!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let known = !holder.is_empty() && holder.bytes().all(|byte| byte.is_ascii_digit());
            Err(LockFailure::Taken(if known {
                format!(" (process {holder})")
            } else {
                String::new()
            }))
        }
        Err(TryLockError::Error(error)) => Err(LockFailure::Io(error)),
    }
}

/// Makes a directory where needed; its path, absolute and without symbolic links.
fn make(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE)
        .create(&absolute)?;
    absolute.canonicalize()
}

fn make_private(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(PRIVATE))
}
