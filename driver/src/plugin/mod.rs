//! One plugin: a name, sockets, a data root, and storage of some kind.
//!
//! [`PluginOptions`] are what all kinds have in common. Each kind adds its own as a
//! [`BackendConfig`], and [`PluginConfig`] lists the kinds. A plugin is bound first, so that
//! everything that can go wrong is told before any is served.

mod bind;
mod kinds;
mod listening;
mod options;

pub(crate) use bind::BoundPlugin;
pub use kinds::{PluginArgs, PluginConfig};
pub use listening::{AnnounceOptions, ListenOptions};
pub use options::{PluginOptions, ScopeArg};

#[cfg(doc)]
use crate::backend::BackendConfig;
