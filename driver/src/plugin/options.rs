//! What can be set for a plugin whatever its storage: on the command line, in the environment
//! and in the configuration file, under one name.

use std::{path::PathBuf, time::Duration};

use clap::{ValueEnum, builder::FalseyValueParser};

use super::{AnnounceOptions, ListenOptions};
use crate::{server::Limits, types::Scope};

/// The settings of one plugin.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct PluginOptions {
    /// What Docker calls the plugin, `docker volume create -d NAME` [default: the socket's file
    /// name, or volplug]
    #[arg(long, value_name = "NAME", env = "VOLPLUG_NAME", value_parser = plugin_name)]
    pub name: Option<String>,

    /// Where volumes and state are kept
    #[arg(
        long,
        value_name = "DIR",
        env = "VOLPLUG_DATA_ROOT",
        default_value = "/var/lib/volplug"
    )]
    pub data_root: PathBuf,

    /// Keep the state of this host here instead of in the data root, which other hosts may then
    /// share, as on NFS: the volumes are what is found there, whoever made them
    #[arg(long, value_name = "DIR", env = "VOLPLUG_STATE_DIR")]
    pub state_dir: Option<PathBuf>,

    /// Who sees the volumes, as told to Docker; global takes storage that the hosts share
    #[arg(long, env = "VOLPLUG_SCOPE", default_value = "local")]
    pub scope: ScopeArg,

    /// Answer every call within this time [default: 110 for Create and Mount, 55 for the others]
    #[arg(long, value_name = "SECS", env = "VOLPLUG_REQUEST_TIMEOUT", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub request_timeout: Option<u64>,

    /// Start with no volume mounted, whatever was recorded. The way out when a crash of the engine
    /// left volumes mounted by containers that are gone; only right while no container runs
    #[arg(long, env = "VOLPLUG_FORGET_HOLDS", value_parser = FalseyValueParser::new())]
    pub forget_holds: bool,

    /// Stands in for the kernel's boot ID; for tests
    #[arg(long, value_name = "ID", env = "VOLPLUG_BOOT_ID", hide = true)]
    pub boot_id: Option<String>,

    /// Where it listens.
    #[command(flatten, next_help_heading = "Listening")]
    pub listen: ListenOptions,

    /// How Docker is told.
    #[command(flatten, next_help_heading = "Being found by Docker")]
    pub announce: AnnounceOptions,
}

/// `--scope`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum ScopeArg {
    /// This host alone.
    Local,
    /// Every host of the cluster that runs the driver.
    Global,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Local => Self::Local,
            ScopeArg::Global => Self::Global,
        }
    }
}

impl PluginOptions {
    /// A plugin on this socket with this data root, everything else at its default.
    pub fn new(socket: impl Into<PathBuf>, data_root: impl Into<PathBuf>) -> Self {
        Self {
            name: None,
            listen: ListenOptions {
                socket: Some(socket.into()),
                ..ListenOptions::default()
            },
            announce: AnnounceOptions::default(),
            data_root: data_root.into(),
            state_dir: None,
            scope: ScopeArg::Local,
            request_timeout: None,
            forget_holds: false,
            boot_id: None,
        }
    }

    /// What Docker calls the plugin.
    #[must_use]
    pub fn name(&self) -> &str {
        let stem = |socket: &'_ PathBuf| plugin_name(socket.file_stem()?.to_str()?).ok();
        match (&self.name, &self.listen.socket) {
            (Some(name), _) => name,
            (None, Some(socket)) if stem(socket).is_some() => socket
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or("volplug"),
            _ => "volplug",
        }
    }

    /// The unix socket to make, if any.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        let ListenOptions {
            socket,
            tcp,
            systemd,
            ..
        } = &self.listen;
        match socket {
            None if tcp.is_none() && !systemd => {
                Some(format!("/run/docker/plugins/{}.sock", self.name()).into())
            }
            socket => socket.clone(),
        }
    }

    /// Bounds on time and size.
    #[must_use]
    pub fn limits(&self) -> Limits {
        match self.request_timeout {
            Some(seconds) => Limits::default().with_request_timeout(Duration::from_secs(seconds)),
            None => Limits::default(),
        }
    }
}

/// A name that can be a file name and that `docker volume create -d` takes.
fn plugin_name(text: &str) -> Result<String, String> {
    let good = text.len() <= 128
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "_.-".contains(char));
    if good {
        Ok(text.to_owned())
    } else {
        Err("expected letters, digits, _ . and -, a letter or digit first".to_owned())
    }
}
