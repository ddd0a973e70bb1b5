//! Which volumes there are, and how they are, when hosts share the storage.
//!
//! The storage is asked at every call, for a short time only: a server that is gone must not make
//! volumes disappear, for dockerd takes any failure of Get for "no such volume".

use std::{collections::BTreeMap, time::Duration};

use super::Keeper;
use crate::{
    backend::{Backend, Found},
    error::{Error, ErrorKind},
    types::{Volume, VolumeName},
    volumes::{Record, sharing},
};

/// How long shared storage is waited for before what was last known counts.
const PATIENCE: Duration = Duration::from_secs(5);

impl<B: Backend> Keeper<B> {
    /// A volume as it is now; see [`sharing`].
    pub(super) async fn look_up(&self, name: &VolumeName) -> Result<Option<Record>, Error> {
        let record = self.store.read(name)?;
        if !self.backend.is_shared() {
            return Ok(record);
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
