//! Volumes as directories of this host, as Docker's own `local` driver keeps them.
//!
//! A volume is `volumes/KEY/` with the user's data in `data/` and, where the directory's name
//! alone would not do to find the volume again, a note of its name and options. Making and
//! removing are one rename each: out of `staging/`, into `trash/`. What a crash leaves in either
//! is dealt with at the next start by `recovery`. Mounting needs no kernel mount.

mod copy;
mod note;
mod options;
mod provision;
mod recovery;
mod trash;

use std::{fs, io, path::PathBuf};

use super::{Backend, DataOnRemove, Provisioned, Spec};
use crate::{
    error::{Error, ErrorKind},
    root::DataRoot,
    types::VolumeName,
    volumes::Key,
};
pub(super) use provision::unique;
pub(crate) use recovery::{Found, recover};
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

impl Local {
    /// A backend below a data root that this process has claimed.
    pub(crate) fn new(root: DataRoot) -> io::Result<Self> {
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

    async fn provision(&self, spec: &Spec) -> Result<Provisioned, Error> {
        let plan = options::parse(&spec.options, self.root.path())?;
        let (root, spec) = (self.root.clone(), spec.clone());
        blocking(move || provision::provision(&root, &spec, &plan)).await?;
        Ok(Provisioned::Made)
    }

    async fn attach(&self, spec: &Spec) -> Result<(), Error> {
        let data = self.volume_dir(&spec.key).join(DATA);
        // Not followed: a link in place of the directory would hand out what it points to.
        match fs::symlink_metadata(&data) {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            // Never made anew here: an empty directory would look like a volume that lost its data.
            Ok(_) => Err(missing(&data, "is no directory")),
            Err(error) => Err(missing(&data, error)),
        }
    }

    async fn detach(&self, _spec: &Spec) -> Result<(), Error> {
        Ok(())
    }

    async fn retire(&self, spec: &Spec) -> Result<Trashed, Error> {
        let (trash, from) = (self.trash.clone(), self.volume_dir(&spec.key));
        let key = spec.key.clone();
        blocking(move || trash.take(from, &key)).await
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
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|cause| Error::internal("finish the work on disk", cause))?
}
