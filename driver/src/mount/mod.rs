//! Mounting and unmounting storage that may fail, hang or die.
//!
//! Three rules hold for everything here. Only the kernel's table ([`table`]) says what is mounted;
//! a helper's exit status does not, for s3fs reports success before it has spoken to its server.
//! Nothing touches a mounted path on a thread of the runtime: calls into a dead server never
//! return, so they run on threads of their own with a time limit ([`bounded`]). And mount helpers
//! are run as programs with arguments, never by a shell, and are killed with all they started
//! when their time is up ([`helper`]). [`point`] makes one mountpoint out of the three.

pub(crate) mod bounded;
pub(crate) mod helper;
pub(crate) mod options;
pub(crate) mod point;
pub(crate) mod secrets;
pub(crate) mod table;

use std::time::Duration;

/// How long the storage may take before the driver goes on without it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a mount helper, and for the mount to be usable afterwards.
    pub(crate) mount: Duration,
    /// For an ordinary unmount, before a lazy one.
    pub(crate) unmount: Duration,
    /// For one call into mounted storage.
    pub(crate) call: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            mount: Duration::from_secs(20),
            unmount: Duration::from_secs(5),
            call: Duration::from_secs(3),
        }
    }
}
