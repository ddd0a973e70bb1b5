//! Opening the state file: sound, new, from a newer version, or damaged.
//!
//! A damaged, truncated or foreign file never keeps the plugin down, for a plugin that is down
//! turns the next `docker run -v name:…` into a local volume. It is renamed, reported and left
//! for a person to look at; the volumes are then found again from their directories.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    panic,
    path::{Path, PathBuf},
};

use redb::{Database, DatabaseError, ReadableDatabase as _, StorageError, TableError};

use super::{FORMAT, FORMAT_KEY, META};
use crate::StartError;

/// Pages kept in memory. The default of redb is 1 GiB; the table's upper levels, which every
/// look-up needs, fit in far less, and the kernel caches the file anyway.
const CACHE_BYTES: usize = 8 << 20;

/// How the state file was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// As it was left.
    Sound,
    /// There was none, or an empty one.
    New,
    /// It made no sense and now lies at this path.
    SetAside(PathBuf),
}

/// What is wrong with a file.
enum Fault {
    /// Its content is not what was written: set it aside.
    Damaged(String),
    /// It cannot be used as things are, and renaming it would not help.
    Unusable(String),
}

pub(super) fn open_or_set_aside(path: &Path) -> Result<(Database, Condition), StartError> {
    let state = |reason: &dyn std::fmt::Display| StartError::state(path, reason);
    match examine(path) {
        Ok((database, condition)) => Ok((database, condition)),
        Err(Fault::Unusable(reason)) => Err(state(&reason)),
        Err(Fault::Damaged(reason)) => {
            let aside = set_aside(path).map_err(|error| state(&error))?;
            tracing::error!(
                path = %path.display(), aside = %aside.display(), %reason,
                "the state file is damaged or foreign; it was set aside and a new one is started"
            );
            let database = open(path).map_err(|error| state(&error))?;
            Ok((database, Condition::SetAside(aside)))
        }
    }
}

/// Opens a file that is expected to be sound, or makes it.
pub(super) fn open(path: &Path) -> Result<Database, DatabaseError> {
    let file =
        open_private(path).map_err(|error| DatabaseError::Storage(StorageError::Io(error)))?;
    Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create_file(file)
}

fn open_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn examine(path: &Path) -> Result<(Database, Condition), Fault> {
    // redb meets some damage with an assertion instead of an error.
    match panic::catch_unwind(|| verify(path)) {
        Ok(verdict) => verdict,
        Err(_) => Err(Fault::Damaged(
            "the database failed on an assertion".to_owned(),
        )),
    }
}

fn verify(path: &Path) -> Result<(Database, Condition), Fault> {
    let mut database = open(path).map_err(|error| judge(&error))?;
    // Compares the checksums of all pages: what a disk or an editor changed shows now, at once,
    // and not as a failing volume some day.
    database.check_integrity().map_err(|error| judge(&error))?;
    let condition = match read_format(&database) {
        Ok(Some(version)) if version == FORMAT.to_string() => Condition::Sound,
        Ok(Some(version)) if version.parse().is_ok_and(|version: u32| version > FORMAT) => {
            return Err(Fault::Unusable(format!(
                "it was written by a newer version of the driver (format {version}, this one knows {FORMAT})"
            )));
        }
        Ok(Some(version)) => {
            return Err(Fault::Damaged(format!(
                "it says to have the format {version:?}"
            )));
        }
        Ok(None) => Condition::New,
        Err(error) => return Err(Fault::Damaged(error.to_string())),
    };
    Ok((database, condition))
}

/// The format that the file names. `None`: nothing was written to it yet.
fn read_format(database: &Database) -> Result<Option<String>, redb::Error> {
    let transaction = database.begin_read()?;
    match transaction.open_table(META) {
        Ok(meta) => {
            let version = meta
                .get(FORMAT_KEY)?
                .map(|version| version.value().to_owned());
            Ok(Some(version.unwrap_or_default()))
        }
        Err(TableError::TableDoesNotExist(_)) => match transaction.list_tables()?.next() {
            None => Ok(None),
            Some(_) => Err(redb::Error::Corrupted(
                "it is the database of another program".to_owned(),
            )),
        },
        Err(error) => Err(error.into()),
    }
}

fn judge(error: &DatabaseError) -> Fault {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error {
        DatabaseError::Storage(StorageError::Io(io))
            if !matches!(io.kind(), InvalidData | InvalidInput | UnexpectedEof) =>
        {
            Fault::Unusable(io.to_string())
        }
        DatabaseError::Storage(_) | DatabaseError::RepairAborted => {
            Fault::Damaged(error.to_string())
        }
        _ => Fault::Unusable(error.to_string()),
    }
}

/// Renames the file to `state.redb.damaged-20260102T030405Z`, with a number if that exists.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let stamp = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let free = (0..1000)
        .map(|attempt| match attempt {
            0 => path.with_file_name(format!("{file_name}.damaged-{stamp}")),
            _ => path.with_file_name(format!("{file_name}.damaged-{stamp}-{attempt}")),
        })
        .find(|candidate| !candidate.exists())
        .ok_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists))?;
    fs::rename(path, &free)?;
    Ok(free)
}
