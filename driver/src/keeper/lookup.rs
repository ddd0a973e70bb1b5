//! Which volumes there are, and how they are, where the storage knows better than the records of
//! this host.
//!
//! The storage is asked at every call, for a short time only: a server that is gone must not make
//! volumes disappear, for dockerd takes any failure of Get for "no such volume". Storage that
//! [tells everything](Backend::is_shared) of a volume is waited for; other storage says at once
//! whether a volume is [there](Backend::presence), and looks after what was last known itself. Where
//! even that is not known, a volume without a record may exist all the same: "does not exist" would
//! be a guess.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{Keeper, blocking, listed};
use crate::{
    backend::{Backend, Found, Presence},
    error::{Error, ErrorKind},
    types::{Volume, VolumeName},
    volumes::{Record, sharing},
};

/// How long shared storage is waited for before what was last known counts.
const PATIENCE: Duration = Duration::from_secs(5);

/// A volume as far as it is known.
#[derive(Debug)]
pub(super) struct Seen {
    record: Option<Record>,
    /// Why it may exist although there is no record.
    unsure: Option<String>,
}

impl From<Option<Record>> for Seen {
    fn from(record: Option<Record>) -> Self {
        let unsure = None;
        Self { record, unsure }
    }
}

impl Seen {
    /// The volume, if one is known: for whoever asks the storage next, and hears it then.
    pub(super) fn known(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// The volume; `None` where there is none for certain.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] where the storage does not say.
    pub(super) fn certain(&self, name: &VolumeName) -> Result<Option<&Record>, Error> {
        match (&self.record, &self.unsure) {
            (None, Some(reason)) => Err(Error::new(ErrorKind::Unavailable, reason).about(name)),
            (record, _) => Ok(record.as_ref()),
        }
    }

    pub(super) fn into_record(self) -> Option<Record> {
        self.record
    }
}

impl<B: Backend> Keeper<B> {
    /// A volume as it is now, from its record and from what the storage says.
    pub(super) async fn look_up(&self, name: &VolumeName) -> Result<Seen, Error> {
        let record = self.store.read(name)?;
        if !self.backend.is_shared() {
            let options = record.as_ref().map(Record::options);
            let presence = self.backend.presence(name, options).await;
            let unsure = match &presence {
                Presence::Unknown(reason) => Some(reason.clone()),
                _ => None,
            };
            let record = sharing::seen(record, presence);
            return Ok(Seen { record, unsure });
        }
        self.look_up_shared(name, record).await.map(Seen::from)
    }

    /// A volume that exists for certain.
    pub(super) async fn look_up_certain(&self, name: &VolumeName) -> Result<Record, Error> {
        let seen = self.look_up(name).await?;
        seen.certain(name)?;
        seen.into_record().ok_or_else(|| Error::not_found(name))
    }

    async fn look_up_shared(
        &self,
        name: &VolumeName,
        record: Option<Record>,
    ) -> Result<Option<Record>, Error> {
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
