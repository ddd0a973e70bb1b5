//! What all backends share that mount something for each volume.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};

use crate::{
    error::Error,
    mount::{
        Patience,
        point::{self, Detached},
    },
    types::VolumeName,
    volumes::Key,
};

/// Time limits of a backend's storage, as options of the driver.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct PatienceArgs {
    /// Kill a mount helper after this time, with all it started
    #[arg(long, value_name = "SECS", env = "VOLPLUG_MOUNT_TIMEOUT", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub mount_timeout: u64,

    /// Detach a volume lazily when it cannot be unmounted within this time
    #[arg(long, value_name = "SECS", env = "VOLPLUG_UNMOUNT_TIMEOUT", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub unmount_timeout: u64,
}

impl PatienceArgs {
    pub(super) fn patience(&self) -> Patience {
        Patience {
            mount: Duration::from_secs(self.mount_timeout),
            unmount: Duration::from_secs(self.unmount_timeout),
            ..Patience::default()
        }
    }
}

/// The mountpoints of all volumes, side by side in one private directory.
#[derive(Debug)]
pub(super) struct Mountpoints {
    directory: PathBuf,
    patience: Patience,
    /// What Status has to say of a volume's last unmount, where that is worth a word.
    lazily: Mutex<HashMap<Key, String>>,
}

impl Mountpoints {
    pub(super) fn new(directory: PathBuf, patience: Patience) -> Self {
        Self {
            directory,
            patience,
            lazily: Mutex::default(),
        }
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.patience
    }

    pub(super) fn of(&self, name: &VolumeName) -> PathBuf {
        self.at(&Key::of(name))
    }

    pub(super) fn at(&self, key: &Key) -> PathBuf {
        self.directory.join(key)
    }

    /// Makes the volume be mounted by `mount`, unless it is already.
    pub(super) async fn attach(
        &self,
        key: &Key,
        mount: impl Future<Output = Result<(), Error>>,
    ) -> Result<(), Error> {
        point::ensure(&self.at(key), &self.patience, mount).await?;
        self.notes().remove(key);
        Ok(())
    }

    pub(super) async fn detach(&self, key: &Key) -> Result<(), Error> {
        if let Detached::Lazily { because } = point::release(&self.at(key), &self.patience).await? {
            self.notes().insert(key.clone(), because);
        }
        Ok(())
    }

    pub(super) fn status(&self, key: &Key) -> Map<String, Value> {
        let mut status = Map::new();
        if let Some(because) = self.notes().get(key) {
            status.insert("detached_lazily".to_owned(), because.as_str().into());
        }
        status
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, HashMap<Key, String>> {
        self.lazily.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Mounts something for a moment, lets `work` use it, and unmounts it again.
pub(super) async fn visit<T: Send + 'static>(
    point: &Path,
    patience: &Patience,
    mount: impl Future<Output = Result<(), Error>>,
    work: impl FnOnce(&Path) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    point::ensure(point, patience, mount).await?;
    let path = point.to_owned();
    let worked = crate::mount::bounded::within(point, patience.mount, move || work(&path)).await;
    if let Err(error) = point::release(point, patience).await {
        tracing::warn!(point = %point.display(), %error, "a mount that was needed for a moment stays");
    }
    match worked {
        Ok(result) => result,
        Err(no_answer) => Err(Error::new(
            crate::ErrorKind::Unavailable,
            no_answer.to_string(),
        )),
    }
}
