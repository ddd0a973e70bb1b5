//! Volumes that are the directories of one shared storage, whoever made them.
//!
//! The driver keeps the storage mounted for itself at a *control* mountpoint and asks it which
//! directories there are: what another host makes or removes is seen at once, and nothing about
//! volumes is kept on the storage. A storage that does not answer is not waited for: within a
//! second the answer comes from what was last known, and Status says so.

mod holders;
mod naming;
mod work;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Map, Value};

use super::{DataOnRemove, Elsewhere, Presence, Provisioned, known::LastKnown};
use crate::{
    StartError,
    error::{Error, ErrorKind},
    host,
    logging::carried,
    mount::{Patience, bounded::within, point, table},
    types::VolumeName,
};
pub(super) use naming::Naming;
pub(super) use work::{Attributes, Moved, make};

/// The file of what was last known of the storage.
const KNOWN: &str = "known-volumes.json";

/// Mounts the storage whose directories are volumes.
pub(super) trait Mounter: Send + Sync + 'static {
    /// What messages call the storage.
    fn storage(&self) -> String;

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
    known: Arc<LastKnown>,
    /// The name of this host among those that share the storage.
    host: String,
    /// Mounting the storage is one at a time.
    mounting: tokio::sync::Mutex<()>,
    /// Whether this process has looked for what others left in the trash.
    swept: AtomicBool,
}

impl<M: Mounter> Directories<M> {
    /// The storage that `mounter` mounts, at `control`; what is known of it is kept in the directory
    /// `own`.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub(super) fn new(
        mounter: M,
        control: PathBuf,
        own: &Path,
        naming: Naming,
        patience: Patience,
    ) -> Result<Self, StartError> {
        Ok(Self(Arc::new(Inner {
            known: LastKnown::read(mounter.storage(), own.join(KNOWN)),
            mounter,
            control,
            naming,
            patience,
            host: host::identity(own).map_err(|error| StartError::state(own, error))?,
            mounting: tokio::sync::Mutex::default(),
            swept: AtomicBool::new(false),
        })))
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
        let (inner, asked_for) = (Arc::clone(&self.0), directory.clone());
        let exists = async move { inner.exists(&asked_for).await };
        self.0.known.presence(&directory, exists).await
    }

    /// The volumes on the storage; `None` when nothing was ever known of it.
    pub(super) async fn inventory(&self) -> Option<Vec<VolumeName>> {
        let inner = Arc::clone(&self.0);
        let list = async move {
            let names = inner.list().await?;
            if !inner.swept.swap(true, Ordering::Relaxed) {
                let control = inner.control.clone();
                in_background(move || work::sweep(&control));
            }
            Ok(names)
        };
        let directories = self.0.known.inventory(list).await?;
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
        self.0.known.changed(&directory, true);
        Ok(made)
    }

    /// Notes on the storage that this host holds the volume.
    pub(super) async fn hold(&self, name: &VolumeName) -> Result<(), Error> {
        let (directory, host) = (self.directory_of(name), self.0.host.clone());
        let work = move |root: &Path| holders::hold(root, &directory, &host);
        self.0.run(self.0.patience.mount, work).await
    }

    /// Undoes [`hold`](Self::hold). Storage that does not answer is not waited for: it is told when
    /// it does.
    pub(super) async fn let_go(&self, name: &VolumeName) {
        let (inner, directory) = (Arc::clone(&self.0), self.directory_of(name));
        let told = tokio::spawn(async move {
            let host = inner.host.clone();
            let work = move |root: &Path| holders::let_go(root, &directory, &host);
            if let Err(error) = inner.run(inner.patience.mount, work).await {
                tracing::warn!(%error, "the other hosts cannot be told that a volume is no longer mounted here");
            }
        });
        let _ = tokio::time::timeout(self.0.patience.call, told).await;
    }

    /// Undoes [`hold`](Self::hold) for all volumes but these.
    pub(super) async fn holds_only(&self, held: &[VolumeName]) {
        let held: BTreeSet<String> = held.iter().map(|name| self.directory_of(name)).collect();
        let host = self.0.host.clone();
        let work = move |root: &Path| holders::holds_only(root, &held, &host);
        if let Err(error) = self.0.run(self.0.patience.mount, work).await {
            tracing::warn!(%error, "the other hosts cannot be told what is no longer mounted here");
        }
    }

    /// Which other hosts hold the volume.
    pub(super) async fn held_elsewhere(&self, name: &VolumeName) -> Result<Elsewhere, Error> {
        let (directory, host) = (self.directory_of(name), self.0.host.clone());
        let notes = holders::place(&directory).display().to_string();
        let work = move |root: &Path| holders::others(root, &directory, &host);
        let hosts = self.0.run(self.0.patience.mount, work).await?;
        Ok(Elsewhere { hosts, notes })
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
        self.0.known.changed(&directory, false);
        Ok(moved)
    }

    pub(super) async fn reinstate(&self, moved: Moved) -> Result<(), Error> {
        self.0
            .run(self.0.patience.mount, move |_| work::reinstate(&moved))
            .await
    }

    /// Deletes in the background what was retired to be deleted.
    pub(super) fn discard(&self, moved: Moved) {
        in_background(move || work::discard(&moved));
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

    /// Unmounts what the driver has mounted for itself.
    pub(super) async fn close(&self) {
        let Inner {
            control, patience, ..
        } = self.0.as_ref();
        if let Err(error) = point::release(control, patience).await {
            tracing::warn!(point = %control.display(), %error, "the driver's own mount stays");
        }
    }

    /// Whether the storage answers; mounts it where needed.
    pub(super) async fn health(&self) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        let question = async move {
            inner
                .run(inner.patience.call, |root| fs::metadata(root).map(drop))
                .await
        };
        self.0.known.health(question).await
    }

    /// What Status says of the storage.
    pub(super) fn status(&self) -> Map<String, Value> {
        self.0.known.status()
    }
}

impl<M: Mounter> Inner<M> {
    async fn ensure_mounted(&self) -> Result<(), Error> {
        let _one = self.mounting.lock().await;
        let mount = self.mounter.mount(&self.control, self.patience.mount);
        // A large future of which every call would carry the room, and that is seldom needed.
        Box::pin(point::ensure(&self.control, &self.patience, mount)).await
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
}

/// Deleting may take long, and nobody waits for it.
fn in_background(work: impl FnOnce() + Send + 'static) {
    let spawned = std::thread::Builder::new()
        .name("trash".to_owned())
        .spawn(carried(work));
    if let Err(error) = spawned {
        tracing::warn!(%error, "a removed volume stays in the trash of the storage");
    }
}

fn refused(cause: io::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("the storage refused: {cause}"),
    )
}
