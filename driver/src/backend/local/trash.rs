//! Taking volumes away: first out of sight by a rename, then deleted in the background.
//!
//! The rename is quick and can be undone, so a Remove takes no longer for a million files than
//! for one and a failed one leaves the volume whole. One thread deletes, after the answer; what
//! it has not done when the process ends is done after the next start.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use super::provision::unique;
use crate::{
    error::{Error, ErrorKind},
    logging::carried,
    mount::table,
    volumes::Key,
};

/// The trash of one data root, and the thread that empties it.
#[derive(Debug, Clone)]
pub(super) struct Trash {
    directory: PathBuf,
    doomed: mpsc::Sender<PathBuf>,
}

/// A volume's directory in the trash; nothing of it is deleted yet.
#[derive(Debug)]
pub struct Trashed {
    /// `None`: there was no directory any more.
    moved: Option<Moved>,
}

#[derive(Debug)]
struct Moved {
    home: PathBuf,
    here: PathBuf,
}

impl Trash {
    /// Starts the thread. It ends when the last clone is dropped and everything is deleted.
    pub(super) fn start(directory: PathBuf) -> io::Result<Self> {
        let (doomed, queue) = mpsc::channel::<PathBuf>();
        thread::Builder::new()
            .name("volplug-trash".to_owned())
            .spawn(carried(move || queue.iter().for_each(|path| delete(&path))))?;
        Ok(Self { directory, doomed })
    }

    /// Moves a volume's directory here.
    pub(super) fn take(&self, home: PathBuf, key: &Key) -> Result<Trashed, Error> {
        let failed = |cause: io::Error| Error::internal("take its directory away", cause);
        // Deleting would go on into whatever is mounted inside.
        if let Some(inside) = table::mounted_below(&home).map_err(failed)? {
            return Err(Error::new(
                ErrorKind::InUse,
                format!(
                    "cannot be removed while something is mounted in it, at {}",
                    inside.display()
                ),
            ));
        }
        let here = self.directory.join(entry_name(key));
        match fs::rename(&home, &here) {
            Ok(()) => Ok(Trashed {
                moved: Some(Moved { home, here }),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Trashed { moved: None }),
            Err(error) => Err(failed(error)),
        }
    }

    /// Deletes in the background what was taken.
    pub(super) fn delete(&self, trashed: Trashed) {
        if let Some(moved) = trashed.moved {
            self.empty(moved.here);
        }
    }

    /// Deletes an entry of the trash in the background.
    pub(super) fn empty(&self, path: PathBuf) {
        // Without the thread it stays for the next start.
        let _ = self.doomed.send(path);
    }
}

impl Trashed {
    /// Where the directory is now, if there was one.
    pub(super) fn path(&self) -> Option<&Path> {
        self.moved.as_ref().map(|moved| moved.here.as_path())
    }

    /// Moves the directory back to where it was.
    pub(super) fn put_back(self) -> Result<(), Error> {
        match self.moved {
            Some(Moved { home, here }) => fs::rename(here, home)
                .map_err(|cause| Error::internal("put its directory back", cause)),
            None => Ok(()),
        }
    }
}

/// An entry's name: unique, and telling whose it was, so that a start can undo a Remove that was
/// never recorded.
fn entry_name(key: &Key) -> String {
    format!("{}.{key}", unique())
}

/// The key in an entry's name.
pub(super) fn key_in(entry: &str) -> Option<&str> {
    entry.split_once('.').map(|(_, key)| key)
}

/// `remove_dir_all` opens each directory without following links, so a link that was planted in a
/// volume is deleted and what it points to is not.
fn delete(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "cannot delete the data of a removed volume; the next start tries again");
    }
}
