//! One thread that writes, and lets changes that arrive together share a commit.
//!
//! A commit waits for the disk (fsync), so its cost hardly depends on how much it holds. While
//! one is under way, further changes queue up and go into the next, all of them at once. The
//! changes of one batch never concern the same volume: the keeper holds a lock per volume until
//! its change is answered.

use std::{
    fmt::Display,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use redb::Database;
use tokio::sync::oneshot;

use super::{Shared, VOLUMES, file, unavailable};
use crate::{error::Error, logging::carried};

/// Bounds the memory and the length of one transaction.
const BATCH: usize = 1024;

/// A change to one record, and who waits for it. No bytes: the record goes.
struct Change {
    name: String,
    bytes: Option<Vec<u8>>,
    done: oneshot::Sender<Result<(), Error>>,
}

/// The sending side; dropping it ends the thread after the last change.
#[derive(Debug)]
pub(super) struct Writer {
    changes: Option<mpsc::Sender<Change>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>, path: PathBuf) -> std::io::Result<Self> {
        let (changes, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("volplug-store".to_owned())
            .spawn(carried(move || work(&shared, &path, &queue)))?;
        Ok(Self {
            changes: Some(changes),
            thread: Some(thread),
        })
    }

    /// Queues a change and waits until it is on disk.
    pub(super) async fn write(&self, name: &str, bytes: Option<Vec<u8>>) -> Result<(), Error> {
        let gone = || Error::internal("save the state", "the writer has ended");
        let (done, answer) = oneshot::channel();
        let change = Change {
            name: name.to_owned(),
            bytes,
            done,
        };
        self.changes
            .as_ref()
            .ok_or_else(gone)?
            .send(change)
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    /// Waits for the thread, so that the database is closed properly and the next start need not
    /// repair it.
    fn drop(&mut self) {
        self.changes.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared, path: &Path, queue: &mpsc::Receiver<Change>) {
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        batch.extend(queue.try_iter().take(BATCH - 1));
        let outcome = commit(shared, path, &batch);
        for change in batch {
            // Nobody waits any more when the caller's task was dropped; the change stands.
            let _ = change.done.send(outcome.clone().map_err(failed));
        }
    }
}

fn failed(cause: String) -> Error {
    Error::internal("save the state", cause)
}

/// Commits a batch. After a failure redb refuses to go on, so the file is opened anew: a disk
/// that was full must not leave the plugin unable to write until somebody restarts it.
fn commit(shared: &Shared, path: &Path, batch: &[Change]) -> Result<(), String> {
    let outcome = {
        let database = shared.lock();
        database.as_ref().map(|database| {
            // A panic in here must not end the thread that all volumes depend on.
            panic::catch_unwind(AssertUnwindSafe(|| apply(database, batch)))
                .map_err(|_| "the database failed on an assertion".to_owned())
                .and_then(|result| result.map_err(|error| error.to_string()))
        })
    };
    match outcome {
        Some(Ok(())) => return Ok(()),
        Some(Err(ref cause)) => {
            tracing::error!(%cause, "cannot save the state; opening the file anew")
        }
        None => {}
    }
    reopen(shared, path);
    match outcome {
        Some(failure) => failure,
        None => retry(shared, batch),
    }
}

/// For when an earlier failure left no open database: once more, if it is open now.
fn retry(shared: &Shared, batch: &[Change]) -> Result<(), String> {
    let database = shared.lock();
    let database = database.as_ref().ok_or_else(|| unavailable().to_string())?;
    apply(database, batch).map_err(|error| error.to_string())
}

fn reopen(shared: &Shared, path: &Path) {
    let report = |cause: &dyn Display| tracing::error!(path = %path.display(), %cause, "cannot open the state file");
    let mut slot = shared
        .database
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    // The old handle locks the file until it is gone.
    *slot = None;
    match panic::catch_unwind(|| file::open(path)) {
        Ok(Ok(database)) => *slot = Some(database),
        Ok(Err(cause)) => report(&cause),
        Err(_) => report(&"the database failed on an assertion"),
    }
}

fn apply(database: &Database, batch: &[Change]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(VOLUMES)?;
        for change in batch {
            match &change.bytes {
                Some(bytes) => drop(table.insert(change.name.as_str(), bytes.as_slice())?),
                None => drop(table.remove(change.name.as_str())?),
            }
        }
    }
    Ok(transaction.commit()?)
}
