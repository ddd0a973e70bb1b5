//! Volumes as directories of this host, as Docker's own `local` driver keeps them.
//!
//! A volume is `volumes/KEY/` with the user's data in `data/` and, where the directory's name
//! alone would not do to find the volume again, a note of its name and options. Making and
//! removing are one rename each: out of `staging/`, into `trash/`. What a crash leaves in either
//! is dealt with at the next start by `recovery`. Mounting needs no kernel mount. What is different
//! when several hosts share the data root is in `sharing`.

mod copy;
mod note;
mod options;
mod provision;
mod recovery;
mod sharing;
mod trash;

use std::{fs, io, path::PathBuf};

use super::{Backend, BackendConfig, DataOnRemove, Found, Provisioned, Site, Spec};
use crate::{
    StartError,
    error::{Error, ErrorKind},
    logging::carried,
    root::DataRoot,
    types::VolumeName,
    volumes::Key,
};
pub(super) use provision::{made_at, unique};
use trash::Trash;
pub use trash::Trashed;

/// The user's data inside a volume's directory.
const DATA: &str = "data";

/// The backend for directories of this host.
#[derive(Debug)]
pub struct Local {
    root: DataRoot,
    trash: Trash,
}

/// The options of `volplug-driver local`: none beyond those of all plugins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct LocalOptions {}

impl BackendConfig for LocalOptions {
    type Backend = Local;

    fn open(&self, site: &Site<'_>) -> Result<(Local, Vec<Found>), StartError> {
        let failed = |error: io::Error| StartError::data_root(site.root.path(), error);
        let local = Local::new(site.root.clone()).map_err(failed)?;
        let found = recovery::recover(&local, site.lost, site.known).map_err(failed)?;
        Ok((local, found))
    }
}

impl Local {
    /// A backend below a data root that this process has claimed.
    fn new(root: DataRoot) -> io::Result<Self> {
        let trash = Trash::start(root.trash())?;
        Ok(Self { root, trash })
    }

    fn volume_dir(&self, key: &Key) -> PathBuf {
        self.root.volumes().join(key)
    }
}

impl Backend for Local {
    type Retired = Trashed;

    fn name(&self) -> &'static str {
        "local"
    }

    fn data_on_remove(&self, _spec: &Spec) -> DataOnRemove {
        DataOnRemove::Deleted
    }

    fn mountpoint(&self, name: &VolumeName) -> PathBuf {
        self.volume_dir(&Key::of(name)).join(DATA)
    }

    async fn health(&self) -> Result<(), Error> {
        let volumes = self.root.volumes();
        blocking(move || match fs::read_dir(&volumes) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(
                ErrorKind::Unavailable,
                format!("{} cannot be read: {error}", volumes.display()),
            )),
        })
        .await
    }

    async fn provision(&self, spec: &Spec) -> Result<Provisioned, Error> {
        let plan = options::parse(&spec.options, self.root.path())?;
        let (root, spec) = (self.root.clone(), spec.clone());
        blocking(move || provision::provision(&root, &spec, &plan)).await?;
        Ok(Provisioned::Made)
    }

    fn resume(&self, held: &dyn Fn(&VolumeName) -> bool) {
        if let Some(host) = self.root.host()
            && let Err(error) = sharing::release_forgotten(&self.root.volumes(), host, held)
        {
            tracing::warn!(%error, "cannot tell the other hosts what is no longer mounted here");
        }
    }

    fn is_shared(&self) -> bool {
        self.root.host().is_some()
    }

    async fn find(&self, name: &VolumeName) -> Result<Option<Found>, Error> {
        let directory = self.volume_dir(&Key::of(name));
        blocking(move || match fs::symlink_metadata(&directory) {
            Ok(_) => Ok(recovery::identify(&directory)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(missing(&directory, error)),
        })
        .await
    }

    async fn find_all(&self) -> Result<Vec<Found>, Error> {
        let volumes = self.root.volumes();
        blocking(move || {
            let (found, _) =
                recovery::survey(&volumes).map_err(|cause| missing(&volumes, cause))?;
            Ok(found)
        })
        .await
    }

    async fn attach(&self, spec: &Spec) -> Result<(), Error> {
        if let Some(host) = self.root.host() {
            let (volume, host) = (self.volume_dir(&spec.key), host.to_owned());
            blocking(move || {
                sharing::hold(&volume, &host).map_err(|cause| missing(&volume, cause))
            })
            .await?;
        }
        let data = self.volume_dir(&spec.key).join(DATA);
        // Not followed: a link in place of the directory would hand out what it points to.
        match fs::symlink_metadata(&data) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            // Never made anew here: an empty directory would look like a volume that lost its data.
            Ok(_) => Err(missing(&data, "is no directory")),
            Err(error) => Err(missing(&data, error)),
        }
    }

    async fn detach(&self, spec: &Spec) -> Result<(), Error> {
        let Some(host) = self.root.host() else {
            return Ok(());
        };
        let (volume, host) = (self.volume_dir(&spec.key), host.to_owned());
        blocking(move || {
            sharing::release(&volume, &host)
                .map_err(|cause| Error::internal("tell the other hosts", cause))
        })
        .await
    }

    async fn retire(&self, spec: &Spec) -> Result<Trashed, Error> {
        let (trash, from) = (self.trash.clone(), self.volume_dir(&spec.key));
        let (key, host) = (spec.key.clone(), self.root.host().map(str::to_owned));
        blocking(move || {
            let Some(host) = host else {
                return trash.take(from, &key);
            };
            sharing::refuse_held(&from, &from, &host)?;
            let trashed = trash.take(from.clone(), &key)?;
            // Once more where nobody can come in between.
            let refused = trashed
                .path()
                .map_or(Ok(()), |taken| sharing::refuse_held(taken, &from, &host));
            match refused {
                Ok(()) => Ok(trashed),
                Err(error) => trashed.put_back().and(Err(error)),
            }
        })
        .await
    }

    async fn reinstate(&self, trashed: Trashed) -> Result<(), Error> {
        blocking(move || trashed.put_back()).await
    }

    fn discard(&self, trashed: Trashed) {
        self.trash.delete(trashed);
    }
}

fn missing(path: &std::path::Path, cause: impl std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("its directory {} cannot be used: {cause}", path.display()),
    )
}

/// File system work may take long; it has threads of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(carried(work))
        .await
        .map_err(|cause| Error::internal("finish the work on disk", cause))?
}
