//! The Docker engine's side of the volume plugin protocol.
//!
//! A [`Daemon`] finds and calls volume plugins exactly as dockerd 20.10, 26.1 or 28.5 does: the
//! same calls in the same order, with the same headers, bodies, IDs, retries and time limits, and
//! the same error texts for its users. What differs between the three is in one table, [`profile`].
//! What is inside a container is up to a [`runtime::Runtime`]: a process of the host in a mount
//! namespace of its own, or one that is only pretended.
//!
//! The module names follow moby's, so that both can be read side by side.

mod api;
pub mod cli;
mod clock;
mod commands;
mod containers;
mod core;
mod daemon;
pub mod discovery;
mod error;
mod events;
mod files;
mod images;
mod json;
mod labels;
mod locker;
mod networks;
mod plugin;
pub mod profile;
mod random;
mod records;
pub mod runtime;
mod tasks;
pub mod trace;
mod volumes;

pub use api::{Host, Listener, serve};
pub use clock::Clock;
pub use containers::{
    BindOptions, BoundMount, ContainerCreate, ContainerFiles, ContainerInfo, ContainerState,
    Created, DriverConfig, MountInfo, MountKind, MountSpec, RemoveOptions, RestartPolicy, Status,
    TmpfsOptions, VolumeOptions, WaitCondition, WaitResult,
};
pub use daemon::{Config, Daemon};
pub use error::{Error, ErrorKind, Result};
pub use events::Event;
pub use profile::Engine;
pub use trace::PluginCall;
pub use volumes::{
    ANONYMOUS_LABEL, Pairs, PruneFilters, PruneReport, Volume, VolumeCreate, VolumeFilters,
    VolumeList,
};
