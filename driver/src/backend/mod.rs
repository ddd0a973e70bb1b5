//! What a kind of storage must be able to do.
//!
//! A backend knows how to make, attach, detach and take away storage. It knows nothing of
//! reference counts, of HTTP or of what is remembered: [`crate::keeper`] calls it for one volume
//! at a time, and only when [`crate::volumes::rules`] say that something is to be done.

pub mod cifs;
mod config;
mod directories;
pub mod efs;
mod elsewhere;
mod known;
pub mod local;
pub mod moosefs;
mod mounted;
pub mod nfs;
mod options;
pub mod quobyte;
pub mod s3;
mod shares;

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::{
    error::Error,
    types::{Options, VolumeName},
    volumes::Key,
};
pub use config::{BackendConfig, Found, Site};
pub use elsewhere::Elsewhere;

/// The volume that a backend is asked to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spec {
    /// Where it belongs, as one safe path component.
    pub key: Key,
    /// What its user calls it: for messages, never for paths.
    pub name: VolumeName,
    /// The options of its Create.
    pub options: Options,
}

impl Spec {
    pub(crate) fn new(name: &VolumeName, options: &Options) -> Self {
        Self {
            key: Key::of(name),
            name: name.clone(),
            options: options.clone(),
        }
    }
}

/// What becomes of the data when a volume is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataOnRemove {
    /// They are deleted.
    Deleted,
    /// They stay on the storage.
    Kept,
}

impl DataOnRemove {
    /// The word that Get's `Status` carries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Kept => "kept",
        }
    }
}

/// Whether the storage holds a volume, whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presence {
    /// What is recorded here is all there is to know.
    AsRecorded,
    /// It is there.
    Present,
    /// It is not there.
    Absent,
    /// Nobody knows: the storage does not say, for this reason, and was never seen to have it. What
    /// is recorded here counts; a volume without a record may exist all the same.
    Unknown(String),
}

/// What [`Backend::provision`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provisioned {
    /// The storage is new: whoever undoes the Create may take it away.
    Made,
    /// The storage was there, with data of somebody else perhaps.
    Found,
}

/// A kind of storage.
pub trait Backend: Send + Sync + 'static {
    /// Storage taken out of the way by [`retire`](Self::retire), until it is gone for good.
    type Retired: Send;

    /// The word that Get's `Status` carries, such as `local`.
    fn name(&self) -> &'static str;

    /// What becomes of the volume's data on Remove.
    fn data_on_remove(&self, spec: &Spec) -> DataOnRemove;

    /// Where the volume appears while attached. Must not touch the storage: Get answers with it.
    fn mountpoint(&self, name: &VolumeName) -> PathBuf;

    /// More for Get's `Status`. Must not touch the storage.
    fn status(&self, _spec: &Spec) -> Map<String, Value> {
        Map::new()
    }

    /// Whether the storage can be used, for status and metrics. May ask the storage: whoever asks
    /// waits for a bounded time only.
    ///
    /// # Errors
    /// What is wrong with it.
    fn health(&self) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Called once, before the first request: `held` tells which volumes are still mounted on this
    /// host. What is attached beyond them is left over from a crash.
    fn resume(&self, _held: &dyn Fn(&VolumeName) -> bool) {}

    /// Whether other hosts make and remove volumes on this storage as well, and it tells the
    /// options of each, so that it, and not the records of this host, says which there are:
    /// [`find`](Self::find) is asked, not [`presence`](Self::presence).
    fn is_shared(&self) -> bool {
        false
    }

    /// Looks for a volume on [shared](Self::is_shared) storage. Asked at every call, for a bounded
    /// time.
    ///
    /// # Errors
    /// When the storage cannot be asked.
    fn find(
        &self,
        _name: &VolumeName,
    ) -> impl Future<Output = Result<Option<Found>, Error>> + Send {
        async { Ok(None) }
    }

    /// Looks for all volumes on [shared](Self::is_shared) storage.
    ///
    /// # Errors
    /// When the storage cannot be asked.
    fn find_all(&self) -> impl Future<Output = Result<Vec<Found>, Error>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Whether the storage holds this volume, for backends whose volumes exist without a record:
    /// another host may have made or removed it, but with what options is not known. `recorded`
    /// are the options on record here. Must answer within a second, from what was last known where
    /// the storage does not answer: Get waits for it.
    fn presence(
        &self,
        _name: &VolumeName,
        _recorded: Option<&Options>,
    ) -> impl Future<Output = Presence> + Send {
        async { Presence::AsRecorded }
    }

    /// Whether a volume with these options is among those that [`inventory`](Self::inventory) finds.
    fn lives_on_storage(&self, _name: &VolumeName, _options: &Options) -> bool {
        false
    }

    /// The names of all volumes on the storage, as [`presence`](Self::presence) would know them;
    /// `None` where the records are all there is, or where nothing is known yet.
    fn inventory(&self) -> impl Future<Output = Option<Vec<VolumeName>>> + Send {
        async { None }
    }

    /// Makes the storage of a new volume, or refuses its options. All or nothing. On
    /// [shared](Self::is_shared) storage, [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) says
    /// that another host made it at the same moment.
    fn provision(&self, spec: &Spec) -> impl Future<Output = Result<Provisioned, Error>> + Send;

    /// Makes the storage appear at the mountpoint. Asked on every Mount, so it must be cheap and
    /// change nothing when the storage is there, and mend what is broken when it is not.
    fn attach(&self, spec: &Spec) -> impl Future<Output = Result<(), Error>> + Send;

    /// Undoes [`attach`](Self::attach); fine when there is nothing to undo. Never deletes data.
    fn detach(&self, spec: &Spec) -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes the storage out of reach in a way that can be undone, and quickly.
    fn retire(&self, spec: &Spec) -> impl Future<Output = Result<Self::Retired, Error>> + Send;

    /// Undoes [`retire`](Self::retire): the volume could not be forgotten.
    fn reinstate(&self, retired: Self::Retired) -> impl Future<Output = Result<(), Error>> + Send;

    /// Notes on storage that hosts share that this one holds the volume now.
    fn hold(&self, _spec: &Spec) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// Undoes [`hold`](Self::hold), as well and as soon as the storage lets it.
    fn let_go(&self, _spec: &Spec) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Undoes [`hold`](Self::hold) for all volumes but these: a reboot ends holds without an Unmount.
    fn holds_only(&self, _held: Vec<VolumeName>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Who else holds the volume, on storage that hosts share.
    fn held_elsewhere(
        &self,
        _spec: &Spec,
    ) -> impl Future<Output = Result<Elsewhere, Error>> + Send {
        async { Ok(Elsewhere::default()) }
    }

    /// The driver stops: gives back what it holds of the storage for itself. Volumes in use stay
    /// attached.
    fn close(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// The volume is forgotten: what was retired may go. Long work belongs in the background.
    fn discard(&self, retired: Self::Retired);
}
