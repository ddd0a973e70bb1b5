//! Which volumes there are, and how they are, where the storage knows better than the records of
//! this host.
//!
//! The storage is asked at every call, for a short time only: a server that is gone must not make
//! volumes disappear, for dockerd takes any failure of Get for "no such volume". Storage that
//! [tells everything](Backend::is_shared) of a volume is waited for; other storage says at once
//! whether a volume is [there](Backend::presence), and looks after what was last known itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{Keeper, blocking, listed};
use crate::{
    backend::{Backend, Found},
    error::{Error, ErrorKind},
    types::{Volume, VolumeName},
    volumes::{Record, sharing},
};

/// How long shared storage is waited for before what was last known counts.
const PATIENCE: Duration = Duration::from_secs(5);

impl<B: Backend> Keeper<B> {
    /// A volume as it is now, from its record and from what the storage says.
    pub(super) async fn look_up(&self, name: &VolumeName) -> Result<Option<Record>, Error> {
        let record = self.store.read(name)?;
        if !self.backend.is_shared() {
            let options = record.as_ref().map(Record::options);
            let presence = self.backend.presence(name, options).await;
            return Ok(sharing::seen(record, presence));
        }
        match self.ask_storage(self.backend.find(name)).await {
            Ok(found) => {
                let found = found.map(|found| (found.options, found.created_at));
                Ok(sharing::merged(record, found))
            }
            Err(error) if record.is_some() => {
                tracing::warn!(volume = %name, %error, "the storage does not say how the volume is now");
                Ok(record)
            }
            Err(error) => Err(error.about(name)),
        }
    }

    async fn ask_storage<T>(
        &self,
        question: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let answer = tokio::time::timeout(PATIENCE, question).await;
        answer.unwrap_or_else(|_| {
            let message = format!("the storage did not answer within {PATIENCE:?}");
            Err(Error::new(ErrorKind::Unavailable, message))
        })
    }

    /// All volumes on record, but for those that other hosts have removed, and those that are on
    /// the storage without a record.
    pub(super) async fn list_recorded(&self) -> Result<Vec<Volume>, Error> {
        let Some(on_storage) = self.backend.inventory().await else {
            return self.survey(|volume, _| volume).await;
        };
        let mut unrecorded: BTreeSet<_> = on_storage
            .into_iter()
            .map(|name| name.as_str().to_owned())
            .collect();
        let (store, backend) = (Arc::clone(&self.store), Arc::clone(&self.backend));
        let walk = move || {
            let mut volumes = Vec::new();
            store.visit(|name, record| {
                let present = unrecorded.remove(name);
                let would_be_there = |record: &Record| {
                    !record.is_mounted()
                        && VolumeName::new(name)
                            .is_ok_and(|name| backend.lives_on_storage(&name, record.options()))
                };
                if present || !record.as_ref().is_some_and(would_be_there) {
                    volumes.extend(listed(backend.as_ref(), name, record.as_ref()));
                }
            })?;
            volumes.extend(unrecorded.into_iter().map(Volume::new));
            Ok(volumes)
        };
        blocking(walk).await
    }

    /// All volumes on shared storage, and those held here that are not there any more.
    pub(super) async fn list_shared(&self) -> Result<Vec<Volume>, Error> {
        let known = self.survey(|volume, _| volume).await?;
        let found = match self.ask_storage(self.backend.find_all()).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "the storage does not say which volumes there are");
                return Ok(known);
            }
        };
        let held = known
            .into_iter()
            .filter(|volume| volume.mountpoint.is_some());
        let mut volumes: BTreeMap<_, _> = found
            .into_iter()
            .map(|Found { name, .. }| (name.as_str().to_owned(), Volume::new(name.as_str())))
            .collect();
        volumes.extend(held.map(|volume| (volume.name.clone(), volume)));
        Ok(volumes.into_values().collect())
    }
}
