//! A second host: another instance of the plugin, on the same storage.

use super::Plugin;
use crate::wire::Address;

/// The plugin as another host would run it.
#[derive(Debug)]
pub struct Peer {
    /// Where it listens.
    pub address: Address,
    /// Its process, if the runner started it.
    pub plugin: Option<Plugin>,
}
