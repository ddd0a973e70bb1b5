//! What shared storage was last known to hold, for answers that must not wait for it.
//!
//! Names are those of directories or markers on the storage. Questions have a time limit; a storage
//! that has not answered one is asked again in the background only, until it answers. What is
//! known survives a restart of the driver in a file of its own.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tracing::Instrument as _;

use super::{Presence, local::unique};
use crate::error::{Error, ErrorKind};

/// How long Get waits for the storage.
const GET: Duration = Duration::from_millis(600);
/// How long a question for the storage's health does.
const HEALTH: Duration = Duration::from_millis(1500);
/// How long List does.
const LIST: Duration = Duration::from_secs(3);

/// The memory of one storage.
#[derive(Debug)]
pub(super) struct LastKnown {
    /// What messages call the storage.
    storage: String,
    names: Mutex<Names>,
    file: PathBuf,
    /// Orders what is learnt: an answer is only as new as its question.
    clock: AtomicU64,
    /// The last question was not answered in time: ask again in the background only.
    silent: AtomicBool,
    asking_again: AtomicBool,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Names {
    names: BTreeSet<String>,
    /// When all names were last read; never, at first.
    listed_at: Option<Timestamp>,
    /// By the clock, when something was last learnt.
    #[serde(skip)]
    learnt: u64,
    #[serde(skip)]
    trouble: Option<String>,
}

impl LastKnown {
    /// What the file says of this storage. A file that cannot be read is set aside: what the storage
    /// was like is found out again, but somebody may want to see what became of the file.
    pub(super) fn read(storage: String, file: PathBuf) -> Arc<Self> {
        let names = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                let aside = file.with_extension(format!("damaged-{}", unique()));
                let moved = fs::rename(&file, &aside);
                tracing::warn!(path = %aside.display(), %error, ?moved, "a damaged file of what was known of the storage is set aside");
                Names::default()
            }),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %file.display(), %error, "what was known of the storage cannot be read");
                }
                Names::default()
            }
        };
        Arc::new(Self {
            storage,
            names: Mutex::new(names),
            file,
            clock: AtomicU64::new(1),
            silent: AtomicBool::new(false),
            asking_again: AtomicBool::new(false),
        })
    }

    /// Whether the storage has this name: `exists` asks it.
    pub(super) async fn presence(
        self: &Arc<Self>,
        name: &str,
        exists: impl Future<Output = Result<bool, Error>> + Send + 'static,
    ) -> Presence {
        let (known, asked_for) = (Arc::clone(self), name.to_owned());
        let question = async move {
            let asked = known.now();
            let exists = exists.await?;
            known.learn_one(&asked_for, exists, asked);
            Ok(exists)
        };
        match self.ask(GET, question).await {
            Some(true) => Presence::Present,
            Some(false) => Presence::Absent,
            None if self.names().names.contains(name) => Presence::Present,
            None => Presence::Unknown(self.trouble()),
        }
    }

    /// All names on the storage: `list` asks it. `None` when nothing was ever known of it.
    pub(super) async fn inventory(
        self: &Arc<Self>,
        list: impl Future<Output = Result<BTreeSet<String>, Error>> + Send + 'static,
    ) -> Option<BTreeSet<String>> {
        let known = Arc::clone(self);
        let question = async move {
            let asked = known.now();
            let names = list.await?;
            known.learn_all(names.clone(), asked);
            Ok(names)
        };
        match self.ask(LIST, question).await {
            Some(names) => Some(names),
            None => {
                let known = self.names();
                known.listed_at.map(|_| known.names.clone())
            }
        }
    }

    /// Whether the storage answers `question`, or what is wrong with it.
    pub(super) async fn health(
        self: &Arc<Self>,
        question: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> Result<(), Error> {
        match self.ask(HEALTH, question).await {
            Some(()) => Ok(()),
            None => Err(Error::new(ErrorKind::Unavailable, self.trouble())),
        }
    }

    /// Takes note of what the driver itself has made or removed.
    pub(super) fn changed(&self, name: &str, exists: bool) {
        self.learn_one(name, exists, self.now());
    }

    /// What Status says of the storage.
    pub(super) fn status(&self) -> Map<String, Value> {
        let known = self.names();
        let storage = match &known.trouble {
            None => json!({ "answers": true }),
            Some(reason) => json!({
                "answers": false,
                "reason": reason,
                "as_last_known": known.listed_at.map(|time| time.to_string()),
            }),
        };
        [("storage".to_owned(), storage)].into_iter().collect()
    }

    /// Puts a question to the storage and waits for a limited time. The question itself is never
    /// cut off: its late answer is learnt from.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        limit: Duration,
        question: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Option<T> {
        let known = Arc::clone(self);
        let was_silent = known.silent.load(Ordering::Relaxed);
        if was_silent && known.asking_again.swap(true, Ordering::Relaxed) {
            return None;
        }
        let asking = async move {
            let answer = question.await;
            match &answer {
                Ok(_) => known.answered(),
                Err(error) => known.troubled(error.to_string()),
            }
            if was_silent {
                known.asking_again.store(false, Ordering::Relaxed);
            }
            answer
        };
        let asked = tokio::spawn(asking.in_current_span());
        if was_silent {
            return None;
        }
        match timeout(limit, asked).await {
            Ok(Ok(answer)) => answer.ok(),
            Ok(Err(_)) => None,
            Err(_) => {
                self.troubled(format!("no answer within {} s", limit.as_secs_f32()));
                None
            }
        }
    }

    fn answered(&self) {
        self.silent.store(false, Ordering::Relaxed);
        if self.names().trouble.take().is_some() {
            tracing::info!("the storage answers again");
        }
    }

    fn troubled(&self, reason: String) {
        self.silent.store(true, Ordering::Relaxed);
        let mut known = self.names();
        if known.trouble.is_none() {
            tracing::warn!(
                reason,
                "the storage does not answer; what was last known is told"
            );
        }
        known.trouble = Some(reason);
    }

    /// Which storage did not answer the last question, and why.
    fn trouble(&self) -> String {
        let reason = self.names().trouble.clone();
        let reason = reason
            .as_deref()
            .unwrap_or("it did not answer a moment ago");
        format!("{} cannot be asked: {reason}", self.storage)
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn learn_one(&self, name: &str, exists: bool, asked: u64) {
        let mut known = self.names();
        if asked < known.learnt {
            return;
        }
        known.learnt = self.now();
        let changed = if exists {
            known.names.insert(name.to_owned())
        } else {
            known.names.remove(name)
        };
        if changed {
            self.keep(&known);
        }
    }

    fn learn_all(&self, names: BTreeSet<String>, asked: u64) {
        let mut known = self.names();
        if asked < known.learnt {
            return;
        }
        known.learnt = self.now();
        let changed = known.listed_at.is_none() || known.names != names;
        known.names = names;
        known.listed_at = Some(Timestamp::now());
        if changed {
            self.keep(&known);
        }
    }

    /// Best effort: the file only matters for a start while the storage is away.
    fn keep(&self, known: &Names) {
        let staged = self.file.with_extension("new");
        let kept = serde_json::to_vec(known)
            .map_err(io::Error::from)
            .and_then(|bytes| write(&staged, &bytes))
            .and_then(|()| fs::rename(&staged, &self.file));
        if let Err(error) = kept {
            tracing::warn!(path = %self.file.display(), %error, "what is known of the storage cannot be kept");
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names of volumes are nobody else's business.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Error {
        Error::internal("ask", "nobody there")
    }

    #[tokio::test]
    async fn what_was_known_is_told_while_the_storage_is_away_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("known.json");
        let known = LastKnown::read("nas".to_owned(), file.clone());
        assert_eq!(known.inventory(async { Err(refused()) }).await, None);
        // It was silent: asked in the background.
        while known.names().trouble.is_some() {
            known.presence("a", async { Ok(true) }).await;
            tokio::task::yield_now().await;
        }
        let both: BTreeSet<_> = ["a".to_owned(), "b".to_owned()].into();
        let answer = both.clone();
        assert_eq!(
            known.inventory(async { Ok(answer) }).await,
            Some(both.clone())
        );
        for known in [known, LastKnown::read("nas".to_owned(), file.clone())] {
            let away = known.presence("b", async { Err(refused()) }).await;
            assert_eq!(away, Presence::Present);
            assert_eq!(
                known.presence("c", std::future::pending()).await,
                Presence::Unknown("nas cannot be asked: cannot ask: nobody there".to_owned())
            );
            assert_eq!(
                known.inventory(async { Err(refused()) }).await,
                Some(both.clone())
            );
            assert_eq!(known.status()["storage"]["answers"], false);
        }
        fs::write(&file, "{\"names\":").unwrap();
        LastKnown::read("nas".to_owned(), file);
        let aside = fs::read_dir(directory.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert!(aside.file_name().to_str().unwrap().contains("damaged-"));
    }

    #[tokio::test]
    async fn an_answer_is_only_as_new_as_its_question() {
        let directory = tempfile::tempdir().unwrap();
        let known = LastKnown::read("nas".to_owned(), directory.path().join("known.json"));
        let late = Arc::clone(&known);
        let question = async move {
            // Removed while the listing was under way.
            late.changed("a", false);
            Ok(["a".to_owned()].into())
        };
        known.changed("a", true);
        known.inventory(question).await;
        assert!(!known.names().names.contains("a"));
    }
}
