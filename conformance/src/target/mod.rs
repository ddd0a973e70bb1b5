//! The plugin under test and what a case may touch: its address, its process, its file system.

pub mod address;
mod canary;
mod command;
mod container;
mod files;
mod health;
mod isolation;
mod managed;
mod mounts;
mod peer;
mod process;
mod slowness;
mod storage;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use canary::Canary;
pub use command::UserCommand;
pub use container::hides_mounts_of;
pub use files::Files;
pub use health::{Broken, Health};
pub use isolation::{Isolation, isolate};
pub use managed::Bundle;
pub use mounts::{MountEntry, mounted_paths, mounts, mounts_of};
pub use peer::Peer;
pub use process::{Launch, Plugin, Stopped};
pub use slowness::Slowness;
pub use storage::Storage;

use crate::play::Play;
use crate::suite::{Lints, Naming};
use crate::wire::Address;

/// The plugin under test, shared by all cases of a run.
#[derive(Debug)]
pub struct Target {
    /// Where it listens.
    pub address: Address,
    /// How long one call may take.
    pub timeout: Duration,
    /// Options of every ordinary Create; `{volume}` in a value becomes the volume's name.
    pub opts: BTreeMap<String, String>,
    /// Options whose values are secrets, as the user declared them.
    pub secret_opts: Vec<String>,
    /// Run before the Create of an ordinary volume.
    pub prepare: Option<UserCommand>,
    /// Run after the Remove of an ordinary volume.
    pub cleanup: Option<UserCommand>,
    /// What the plugin is made from, if it is a managed one.
    pub bundle: Option<Bundle>,
    /// A second host on the same storage, if there is one.
    pub peer: Option<Peer>,
    /// The storage under the plugin, if it can be cut or slowed.
    pub storage: Option<Storage>,
    /// The plugin's process, if the runner started it.
    pub plugin: Option<Plugin>,
    /// The file system that mountpoints are in, as far as it can be seen.
    pub files: Files,
    /// The name by which Docker knows the plugin, for the docker lines of a report.
    pub driver: String,
    /// Where the plugin was found, if it was looked up by name.
    pub found: Option<address::Found>,
    /// A directory of the run's own.
    pub work: PathBuf,
    /// The Docker engine whose commands are played.
    pub engine: fake_dockerd::Engine,
    /// Names and IDs of the run.
    pub naming: Arc<Naming>,
    /// What all answers have shown so far.
    pub lints: Lints,
    /// Which calls are known to hang.
    pub health: Health,
    /// Which calls are known to be slow.
    pub slowness: Slowness,
    /// Whether hostile names and values may be sent.
    pub hostile: bool,
    /// The random play of the run.
    pub play: Play,
}

impl Target {
    /// Text that must never stand in a report: the values of secret-looking options.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.opts
            .iter()
            .filter(|(key, value)| {
                !value.is_empty() && (looks_secret(key) || self.secret_opts.contains(key))
            })
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// Whether the user's options make volumes read-only: `ro=true`, or `ro` among mount options.
    #[must_use]
    pub fn asks_read_only(&self) -> bool {
        let says_so = |word: &str| {
            let word = word.trim().to_ascii_lowercase().replace(['-', '_'], "");
            matches!(word.as_str(), "ro" | "readonly")
        };
        self.opts.iter().any(|(key, value)| {
            let denied = matches!(value.as_str(), "false" | "0" | "no" | "off");
            (says_so(key) && !denied) || value.split(',').any(says_so)
        })
    }
}

/// Whether an option's name says that its value is a secret.
#[must_use]
pub fn looks_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "password",
        "passwd",
        "secret",
        "token",
        "credential",
        "private",
        "access-key",
        "access_key",
        "passphrase",
        "apikey",
        "api-key",
        "api_key",
    ]
    .iter()
    .any(|word| key.contains(word))
        || matches!(key.as_str(), "pass" | "pw" | "key")
}
