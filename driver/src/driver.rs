//! The trait that a plugin's author implements.
//!
//! [`crate::server`] calls it, one task per call that changes something, several at once for one
//! volume when Docker sends them so. What the reference driver makes of the calls is in
//! [`crate::keeper`].

use std::path::PathBuf;

use crate::{
    error::Error,
    types::{Capabilities, CreateRequest, MountRequest, Volume, VolumeName},
};

/// A Docker volume plugin: the operations of the
/// [volume plugin protocol](https://docs.docker.com/engine/extend/plugins_volume/).
///
/// Implementors write plain `async fn`. The server runs every call that changes something to its
/// end, also when the client has gone away, so a driver need not care for being cancelled; a
/// call that panics is answered with an error.
pub trait VolumeDriver: Send + Sync + 'static {
    /// What the driver is; asked once per life of the daemon, and must not change or block.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// Makes a volume. Asked again for a volume with the same options, it should succeed and
    /// change nothing: an engine that lost its records asks again.
    fn create(&self, request: CreateRequest) -> impl Future<Output = Result<(), Error>> + Send;

    /// Tells of one volume, without touching its storage. Any error means "no such volume" to
    /// dockerd, which then may make a *local* volume of that name: a known volume must always be
    /// found (`lookupVolume` in moby's `daemon/volume/service/store.go`).
    fn get(&self, name: VolumeName) -> impl Future<Output = Result<Volume, Error>> + Send;

    /// Tells of all volumes, each once.
    fn list(&self) -> impl Future<Output = Result<Vec<Volume>, Error>> + Send;

    /// Where a volume is mounted, if it is.
    fn path(
        &self,
        name: VolumeName,
    ) -> impl Future<Output = Result<Option<PathBuf>, Error>> + Send {
        async move { Ok(self.get(name).await?.mountpoint) }
    }

    /// Mounts a volume for one more holder; the answer is the absolute path of a directory.
    /// When the caller is gone before the answer, the server calls [`unmount`](Self::unmount).
    fn mount(&self, request: MountRequest) -> impl Future<Output = Result<PathBuf, Error>> + Send;

    /// Takes one holder off. The volume stays mounted while there are others.
    fn unmount(&self, request: MountRequest) -> impl Future<Output = Result<(), Error>> + Send;

    /// Removes a volume. One that is mounted should be refused.
    fn remove(&self, name: VolumeName) -> impl Future<Output = Result<(), Error>> + Send;
}
