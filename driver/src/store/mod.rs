//! The durable memory of volumes: one redb file, one record per volume.
//!
//! Every change is on disk before it is answered, so the process may be killed at any moment. A
//! read costs one look-up however many volumes there are, and nothing of the table is kept in
//! memory beyond a small page cache. Changes that arrive together share a commit ([`writer`]);
//! what happens to a damaged file is in [`file`].

mod file;
mod writer;

use std::{
    fmt,
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use crate::{error::Error, volumes::Record};
pub(crate) use file::Condition;
use writer::Writer;

const VOLUMES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("volumes");
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// The version of the file's content; a newer one is refused rather than misread.
const FORMAT: u32 = 1;
const FORMAT_KEY: &str = "format";
const BOOT_KEY: &str = "boot";

/// The store of one data root.
#[derive(Debug)]
pub(crate) struct Store {
    shared: Arc<Shared>,
    writer: Writer,
}

/// The open database. `None` while it could not be opened again after a failed write.
pub(crate) struct Shared {
    database: RwLock<Option<Database>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    fn lock(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is settled at start, in one commit, before the first request.
pub(crate) struct Beginning<'a> {
    /// This boot of the kernel. Holds of another boot are gone with their mounts.
    pub(crate) boot_id: &'a str,
    /// Drop all holds, whatever the boot says.
    pub(crate) forget_holds: bool,
    /// Volumes found on disk that a lost store knew.
    pub(crate) adopted: Vec<(String, Record)>,
}

impl Store {
    /// Opens or makes the store, setting a damaged one aside.
    pub(crate) fn open(path: &Path) -> Result<(Self, Condition), crate::StartError> {
        let (database, condition) = file::open_or_set_aside(path)?;
        let shared = Arc::new(Shared {
            database: RwLock::new(Some(database)),
        });
        let writer = Writer::start(Arc::clone(&shared), path.to_owned())
            .map_err(|error| crate::StartError::state(path, error))?;
        Ok((Self { shared, writer }, condition))
    }

    /// Settles what [`Beginning`] says. Returns how many volumes lost their holds.
    pub(crate) fn begin(&self, beginning: &Beginning<'_>) -> Result<usize, Error> {
        let database = self.shared.lock();
        let database = database.as_ref().ok_or_else(unavailable)?;
        settle(database, beginning).map_err(|cause| Error::internal("prepare the state", cause))
    }

    /// The record of one volume, as the last answered change left it.
    ///
    /// Called on the async threads: a few pages of a B-tree, nearly always in the page cache,
    /// cost less than the trip to a blocking thread and back.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Record>, Error> {
        let database = self.shared.lock();
        let database = database.as_ref().ok_or_else(unavailable)?;
        let record = look_up(database, name, |bytes| serde_json::from_slice(bytes));
        match record {
            Ok(Some(Ok(record))) => Ok(Some(record)),
            Ok(None) => Ok(None),
            Ok(Some(Err(cause))) => {
                Err(Error::internal("understand its record", cause).about(name))
            }
            Err(cause) => Err(Error::internal("read the state", cause).about(name)),
        }
    }

    /// Visits every volume, in the order of names. An unreadable record is visited as `None`.
    pub(crate) fn visit(&self, mut visitor: impl FnMut(&str, Option<Record>)) -> Result<(), Error> {
        let database = self.shared.lock();
        let database = database.as_ref().ok_or_else(unavailable)?;
        walk(database, |name, bytes| {
            visitor(name, serde_json::from_slice(bytes).ok())
        })
        .map_err(|cause| Error::internal("read the state", cause))
    }

    /// Whether there is a record of this name, readable or not.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let database = self.shared.lock();
        database
            .as_ref()
            .is_some_and(|database| !matches!(look_up(database, name, |_| ()), Ok(None)))
    }

    /// Remembers a volume; returns when that is on disk.
    pub(crate) async fn put(&self, name: &str, record: &Record) -> Result<(), Error> {
        let bytes = serde_json::to_vec(record)
            .map_err(|cause| Error::internal("write its record", cause).about(name))?;
        self.writer
            .write(name, Some(bytes))
            .await
            .map_err(|error| error.about(name))
    }

    /// Forgets a volume; returns when that is on disk.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Error> {
        self.writer
            .write(name, None)
            .await
            .map_err(|error| error.about(name))
    }
}

fn unavailable() -> Error {
    Error::internal(
        "use the state file",
        "it could not be opened again after a failed write",
    )
}

/// Looks at the bytes of one record. The transaction outlives the look: without it, redb may write
/// over the page under our eyes (a guard of `ReadOnlyTable::get` does not keep it alive).
fn look_up<T>(
    database: &Database,
    name: &str,
    look: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(VOLUMES)?;
    let found = table.get(name)?.map(|bytes| look(bytes.value()));
    Ok(found)
}

fn walk(database: &Database, mut visitor: impl FnMut(&str, &[u8])) -> Result<(), redb::Error> {
    let transaction = database.begin_read()?;
    let table = transaction.open_table(VOLUMES)?;
    for entry in table.iter()? {
        let (name, bytes) = entry?;
        visitor(name.value(), bytes.value());
    }
    Ok(())
}

fn settle(database: &Database, beginning: &Beginning<'_>) -> Result<usize, redb::Error> {
    if is_settled(database, beginning)? {
        return Ok(0);
    }
    let transaction = database.begin_write()?;
    let mut dropped = 0;
    {
        let mut meta = transaction.open_table(META)?;
        let mut volumes = transaction.open_table(VOLUMES)?;
        let same_boot = meta
            .get(BOOT_KEY)?
            .is_none_or(|boot| boot.value() == beginning.boot_id);
        if beginning.forget_holds || !same_boot {
            let mut held = Vec::new();
            for entry in volumes.iter()? {
                let (name, bytes) = entry?;
                if let Ok(record) = serde_json::from_slice::<Record>(bytes.value())
                    && record.is_mounted()
                {
                    held.push((name.value().to_owned(), record.without_holds()));
                }
            }
            dropped = held.len();
            insert(&mut volumes, &held)?;
        }
        insert(&mut volumes, &beginning.adopted)?;
        meta.insert(FORMAT_KEY, FORMAT.to_string().as_str())?;
        meta.insert(BOOT_KEY, beginning.boot_id)?;
    }
    transaction.commit()?;
    Ok(dropped)
}

/// Whether there is nothing to write, so that a start works on a full disk as well.
fn is_settled(database: &Database, beginning: &Beginning<'_>) -> Result<bool, redb::Error> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let same_boot = meta
        .get(BOOT_KEY)?
        .is_some_and(|boot| boot.value() == beginning.boot_id);
    Ok(same_boot && !beginning.forget_holds && beginning.adopted.is_empty())
}

fn insert(
    table: &mut redb::Table<'_, &str, &[u8]>,
    records: &[(String, Record)],
) -> Result<(), redb::Error> {
    for (name, record) in records {
        let bytes = serde_json::to_vec(record).map_err(|error| redb::Error::Io(error.into()))?;
        table.insert(name.as_str(), bytes.as_slice())?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
