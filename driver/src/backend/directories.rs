//! Volumes that are the directories of one shared storage, whoever made them.
//!
//! The driver keeps the storage mounted for itself at a *control* mountpoint and asks it which
//! directories there are: what another host makes or removes is seen at once, and nothing about
//! volumes is kept on the storage. A storage that does not answer is not waited for: within a
//! second the answer comes from what was last known, which also survives a restart of the driver,
//! and Status says so.

mod naming;
mod work;

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

use super::{DataOnRemove, Presence, Provisioned};
use crate::{
    error::{Error, ErrorKind},
    mount::{Patience, bounded::within, point, table},
    types::VolumeName,
};
pub(super) use naming::Naming;
pub(super) use work::{Attributes, Moved, make};

/// How long Get waits for the storage.
const GET: Duration = Duration::from_millis(600);
/// How long List does.
const LIST: Duration = Duration::from_secs(3);

/// Mounts the storage whose directories are volumes.
pub(super) trait Mounter: Send + Sync + 'static {
    /// Mounts it at this directory, within this time.
    fn mount(
        &self,
        point: &Path,
        limit: Duration,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// The directories of one storage.
#[derive(Debug)]
pub(super) struct Directories<M>(Arc<Inner<M>>);

impl<M> Clone for Directories<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Inner<M> {
    mounter: M,
    control: PathBuf,
    naming: Naming,
    patience: Patience,
    known: Mutex<Known>,
    known_file: PathBuf,
    /// Mounting the storage is one at a time.
    mounting: tokio::sync::Mutex<()>,
    /// Orders what is learnt: an answer is only as new as its question.
    clock: AtomicU64,
    /// The last question was not answered in time: ask again in the background only.
    silent: AtomicBool,
    asking_again: AtomicBool,
}

/// What the storage was last known to hold.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    names: BTreeSet<String>,
    /// When all names were last read; never, at first.
    listed_at: Option<Timestamp>,
    /// By the clock, when something was last learnt.
    #[serde(skip)]
    learnt: u64,
    #[serde(skip)]
    trouble: Option<String>,
}

impl Known {
    /// What the file says. A file that cannot be read is set aside: what the storage was like is
    /// found out again, but somebody may want to see what became of the file.
    fn read(file: &Path) -> Self {
        let bytes = match fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(path = %file.display(), %error, "what was known of the storage cannot be read");
                }
                return Self::default();
            }
        };
        serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            let aside = file.with_extension(format!("damaged-{}", super::local::unique()));
            let moved = fs::rename(file, &aside);
            tracing::warn!(path = %aside.display(), %error, ?moved, "a damaged file of what was known of the storage is set aside");
            Self::default()
        })
    }
}

impl<M: Mounter> Directories<M> {
    /// The storage that `mounter` mounts, at `control`; what is known of it is kept in
    /// `known_file`.
    pub(super) fn new(
        mounter: M,
        control: PathBuf,
        known_file: PathBuf,
        naming: Naming,
        patience: Patience,
    ) -> Self {
        let known = Known::read(&known_file);
        Self(Arc::new(Inner {
            mounter,
            control,
            naming,
            patience,
            known: Mutex::new(known),
            known_file,
            mounting: tokio::sync::Mutex::default(),
            clock: AtomicU64::new(1),
            silent: AtomicBool::new(false),
            asking_again: AtomicBool::new(false),
        }))
    }

    pub(super) fn mounter(&self) -> &M {
        &self.0.mounter
    }

    /// The directory of a volume, below the root of the storage.
    pub(super) fn directory_of(&self, name: &VolumeName) -> String {
        self.0.naming.directory_of(name)
    }

    /// Whether the volume's directory exists, as far as can be told within a second.
    pub(super) async fn presence(&self, name: &VolumeName) -> Presence {
        let directory = self.directory_of(name);
        let inner = Arc::clone(&self.0);
        let question = async move {
            let asked = inner.now();
            let exists = inner.exists(&directory).await?;
            inner.learn_one(&directory, exists, asked);
            Ok(exists)
        };
        match self.ask(GET, question).await {
            Some(true) => Presence::Present,
            Some(false) => Presence::Absent,
            None if self.0.known().names.contains(&self.directory_of(name)) => Presence::Present,
            None => Presence::AsRecorded,
        }
    }

    /// The volumes on the storage; `None` when nothing was ever known of it.
    pub(super) async fn inventory(&self) -> Option<Vec<VolumeName>> {
        let inner = Arc::clone(&self.0);
        let question = async move {
            let asked = inner.now();
            let directories = inner.list().await?;
            inner.learn_all(directories.clone(), asked);
            Ok(directories)
        };
        let directories = match self.ask(LIST, question).await {
            Some(directories) => directories,
            None => {
                let known = self.0.known();
                known.listed_at?;
                known.names.clone()
            }
        };
        let naming = self.0.naming;
        let names = directories.iter().filter_map(|name| naming.name_of(name));
        Some(names.collect())
    }

    /// Whether [`inventory`](Self::inventory) can tell this name. A very long one has a directory
    /// from which it cannot be read back.
    pub(super) fn can_list(&self, name: &VolumeName) -> bool {
        self.0.naming.name_of(&self.directory_of(name)).is_some()
    }

    /// Makes the volume's directory, or finds it.
    pub(super) async fn make(
        &self,
        name: &VolumeName,
        attributes: Attributes,
    ) -> Result<Provisioned, Error> {
        let directory = self.directory_of(name);
        let work = {
            let directory = directory.clone();
            move |root: &Path| work::make(&root.join(&directory), attributes)
        };
        let made = self.0.run(self.0.patience.mount, work).await?;
        self.0.learn_one(&directory, true, self.0.now());
        Ok(made)
    }

    /// Moves the volume's directory out of the way.
    pub(super) async fn retire(
        &self,
        name: &VolumeName,
        data: DataOnRemove,
    ) -> Result<Moved, Error> {
        let directory = self.directory_of(name);
        let work = {
            let directory = directory.clone();
            move |root: &Path| work::retire(root, &directory, data)
        };
        let moved = self.0.run(self.0.patience.mount, work).await?;
        self.0.learn_one(&directory, false, self.0.now());
        Ok(moved)
    }

    pub(super) async fn reinstate(&self, moved: Moved) -> Result<(), Error> {
        self.0
            .run(self.0.patience.mount, move |_| work::reinstate(&moved))
            .await
    }

    /// Deletes in the background what was retired to be deleted.
    pub(super) fn discard(&self, moved: Moved) {
        let spawned = std::thread::Builder::new()
            .name("trash".to_owned())
            .spawn(move || work::discard(&moved));
        if let Err(error) = spawned {
            tracing::warn!(%error, "a removed volume stays in the trash of the storage");
        }
    }

    /// Lets `work` use the mounted storage; it is given the storage's root.
    pub(super) async fn visit<T: Send + 'static>(
        &self,
        work: impl Fn(&Path) -> io::Result<T> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        self.0.run(self.0.patience.mount, work).await
    }

    /// Makes sure that the storage is mounted, and says where.
    pub(super) async fn mounted(&self) -> Result<PathBuf, Error> {
        self.0.ensure_mounted().await?;
        Ok(self.0.control.clone())
    }

    /// What Status says of the storage.
    pub(super) fn status(&self) -> Map<String, Value> {
        let known = self.0.known();
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
        &self,
        limit: Duration,
        question: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Option<T> {
        let inner = Arc::clone(&self.0);
        let was_silent = inner.silent.load(Ordering::Relaxed);
        if was_silent && inner.asking_again.swap(true, Ordering::Relaxed) {
            return None;
        }
        let asked = tokio::spawn(async move {
            let answer = question.await;
            match &answer {
                Ok(_) => inner.answered(),
                Err(error) => inner.troubled(error.to_string()),
            }
            if was_silent {
                inner.asking_again.store(false, Ordering::Relaxed);
            }
            answer
        });
        if was_silent {
            return None;
        }
        match timeout(limit, asked).await {
            Ok(Ok(answer)) => answer.ok(),
            Ok(Err(_)) => None,
            Err(_) => {
                self.0
                    .troubled(format!("no answer within {} s", limit.as_secs_f32()));
                None
            }
        }
    }
}

impl<M: Mounter> Inner<M> {
    async fn ensure_mounted(&self) -> Result<(), Error> {
        let _one = self.mounting.lock().await;
        let mount = self.mounter.mount(&self.control, self.patience.mount);
        point::ensure(&self.control, &self.patience, mount).await
    }

    /// Runs `work` on the mounted storage. One that turns out to be dead is mounted anew, and
    /// `work` is tried once more; asking beforehand would cost every call another question.
    async fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl Fn(&Path) -> io::Result<T> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let work = Arc::new(work);
        let mounted = table::at(&self.control)
            .map_err(|cause| Error::internal("read the mount table", cause))?;
        if mounted.is_some() {
            match self.attempt(limit, &work).await? {
                Err(cause) if point::is_death(&cause) => {}
                done => return done.map_err(refused),
            }
        }
        self.ensure_mounted().await?;
        self.attempt(limit, &work).await?.map_err(refused)
    }

    async fn attempt<T: Send + 'static>(
        &self,
        limit: Duration,
        work: &Arc<impl Fn(&Path) -> io::Result<T> + Send + Sync + 'static>,
    ) -> Result<io::Result<T>, Error> {
        let (root, work) = (self.control.clone(), Arc::clone(work));
        let done = within(&self.control, limit, move || work(&root)).await;
        done.map_err(|no_answer| Error::new(ErrorKind::Unavailable, no_answer.to_string()))
    }

    async fn exists(&self, directory: &str) -> Result<bool, Error> {
        let directory = directory.to_owned();
        self.run(self.patience.call, move |root| {
            // Not followed: what a link leads to is no volume.
            match fs::symlink_metadata(root.join(&directory)) {
                Ok(metadata) => Ok(metadata.is_dir()),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename
                    ) =>
                {
                    Ok(false)
                }
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn list(&self) -> Result<BTreeSet<String>, Error> {
        let naming = self.naming;
        self.run(self.patience.mount, move |root| work::list(root, naming))
            .await
    }

    fn answered(&self) {
        self.silent.store(false, Ordering::Relaxed);
        if self.known().trouble.take().is_some() {
            tracing::info!(point = %self.control.display(), "the storage answers again");
        }
    }

    fn troubled(&self, reason: String) {
        self.silent.store(true, Ordering::Relaxed);
        let mut known = self.known();
        if known.trouble.is_none() {
            tracing::warn!(point = %self.control.display(), reason, "the storage does not answer; what was last known is told");
        }
        known.trouble = Some(reason);
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn learn_one(&self, directory: &str, exists: bool, asked: u64) {
        let mut known = self.known();
        if asked < known.learnt {
            return;
        }
        known.learnt = self.now();
        let changed = if exists {
            known.names.insert(directory.to_owned())
        } else {
            known.names.remove(directory)
        };
        if changed {
            self.keep(&known);
        }
    }

    fn learn_all(&self, directories: BTreeSet<String>, asked: u64) {
        let mut known = self.known();
        if asked < known.learnt {
            return;
        }
        known.learnt = self.now();
        let changed = known.listed_at.is_none() || known.names != directories;
        known.names = directories;
        known.listed_at = Some(Timestamp::now());
        if changed {
            self.keep(&known);
        }
    }

    /// Best effort: the file only matters for a start while the storage is away.
    fn keep(&self, known: &Known) {
        let staged = self.known_file.with_extension("new");
        let kept = serde_json::to_vec(known)
            .map_err(io::Error::from)
            .and_then(|bytes| fs::write(&staged, bytes))
            .and_then(|()| fs::rename(&staged, &self.known_file));
        if let Err(error) = kept {
            tracing::warn!(path = %self.known_file.display(), %error, "what is known of the storage cannot be kept");
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(cause: io::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("the storage refused: {cause}"),
    )
}
