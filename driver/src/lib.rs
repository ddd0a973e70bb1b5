//! Write Docker volume plugins in Rust.
//!
//! A plugin is a server on a socket that Docker calls when a volume is created, mounted,
//! unmounted or removed ([protocol](https://docs.docker.com/engine/extend/plugins_volume/)).
//! Implement [`VolumeDriver`] and hand it to a [`Server`](server::Server); sockets, HTTP, JSON,
//! time limits, clients that disappear and a clean stop are taken care of:
//!
//! ```no_run
//! use std::{collections::BTreeSet, path::PathBuf, sync::Mutex};
//! use volplug_driver::server::{Listener, Server};
//! use volplug_driver::{CreateRequest, Error, MountRequest, Volume, VolumeDriver, VolumeName};
//!
//! /// Every volume is the same directory; fine for a cache, and for an example.
//! #[derive(Default)]
//! struct Shared(Mutex<BTreeSet<VolumeName>>);
//!
//! impl VolumeDriver for Shared {
//!     async fn create(&self, request: CreateRequest) -> Result<(), Error> {
//!         self.0.lock().unwrap().insert(request.name);
//!         Ok(())
//!     }
//!     async fn get(&self, name: VolumeName) -> Result<Volume, Error> {
//!         let known = self.0.lock().unwrap().contains(&name);
//!         if known { Ok(Volume::new(name.as_str())) } else { Err(Error::not_found(&name)) }
//!     }
//!     async fn list(&self) -> Result<Vec<Volume>, Error> {
//!         Ok(self.0.lock().unwrap().iter().map(|name| Volume::new(name.as_str())).collect())
//!     }
//!     async fn mount(&self, request: MountRequest) -> Result<PathBuf, Error> {
//!         self.get(request.name).await.map(|_| "/srv/shared".into())
//!     }
//!     async fn unmount(&self, request: MountRequest) -> Result<(), Error> {
//!         self.get(request.name).await.map(drop)
//!     }
//!     async fn remove(&self, name: VolumeName) -> Result<(), Error> {
//!         if self.0.lock().unwrap().remove(&name) { Ok(()) } else { Err(Error::not_found(&name)) }
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), volplug_driver::StartError> {
//!     let socket = Listener::unix("/run/docker/plugins/shared.sock")?;
//!     let interrupted = async { drop(tokio::signal::ctrl_c().await) };
//!     Server::new(Shared::default()).run([socket], interrupted).await
//! }
//! ```
//!
//! Real plugins must also count who holds a volume, remember it across restarts and hold their
//! ground against retries and crashes. The reference driver does: [`keeper`] puts the rules of
//! [`volumes`] and a durable store in front of any [`backend`]. [`serve`] runs it in another program
//! or in a test; [`cli`] runs several of them in one process, as the `volplug-driver` binary does.
//! Volumes are [directories of this host](backend::local), or live on [S3](backend::s3),
//! [NFS](backend::nfs), [EFS](backend::efs), [CIFS](backend::cifs), [MooseFS](backend::moosefs) or
//! [Quobyte](backend::quobyte).

pub mod backend;
pub mod cli;
pub mod config;
mod driver;
mod error;
mod host;
mod http;
pub mod keeper;
mod locks;
mod logging;
mod monitor;
mod mount;
pub mod plugin;
mod root;
pub mod secret;
pub mod server;
mod start;
mod store;
mod suggest;
mod supervisor;
mod types;
pub mod volumes;

pub use driver::VolumeDriver;
pub use error::{Error, ErrorKind};
pub use logging::{LogFormat, LogLevel};
pub use start::StartError;
pub use supervisor::serve;
pub use types::{
    Capabilities, CreateRequest, MAX_NAME_BYTES, MountId, MountRequest, Options, Scope, Volume,
    VolumeName,
};
