//! Containers, as far as volumes are concerned.
//!
//! The files follow moby's `daemon/`: [`create`], [`start`], [`exit`] (its `monitor.go`), [`stop`],
//! [`remove`] (`delete.go`), [`files`] (`archive.go`), [`restore`] (`daemon.go`), and [`mounts`] with
//! [`mountpoint`] below them, which decide what a plugin sees.

mod config;
pub(crate) mod container;
mod create;
mod exit;
mod files;
pub(crate) mod log;
mod mountpoint;
pub(crate) mod mounts;
mod names;
mod parse;
mod remove;
mod restore;
mod rootfs;
mod start;
mod state;
mod stop;

pub use config::{
    BindOptions, ContainerCreate, DriverConfig, MountKind, MountSpec, RestartPolicy, TmpfsOptions,
    VolumeOptions,
};
pub use container::{ContainerInfo, MountInfo};
pub use create::Created;
pub use files::ContainerFiles;
pub use mountpoint::BoundMount;
pub(crate) use parse::clean;
pub use remove::RemoveOptions;
pub(crate) use start::Patience;
pub(crate) use state::wait;
pub use state::{ContainerState, Status, WaitCondition, WaitResult};
