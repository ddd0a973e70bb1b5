//! Why a driver could not start, in one line for the person who started it.

use std::{fmt::Display, io, net::SocketAddr, path::Path};

/// A driver could not start; nothing was changed that another start would stumble over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The socket cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The path of the socket, or the TCP address.
        address: String,
        /// What is in the way.
        reason: String,
    },
    /// The data root cannot be used.
    #[error("cannot use the data root {path}: {reason}")]
    DataRoot {
        /// The directory.
        path: String,
        /// What is in the way.
        reason: String,
    },
    /// The data root, or the state directory, belongs to a driver that runs.
    #[error("cannot use the data root {path}: another driver{holder} is using it")]
    DataRootInUse {
        /// The directory.
        path: String,
        /// Which one, as ` (process 17)`; empty where that is not known.
        holder: String,
    },
    /// The state file cannot be used, and setting it aside would not help.
    #[error("cannot use the state file {path}: {reason}")]
    State {
        /// The file.
        path: String,
        /// What is in the way.
        reason: String,
    },
    /// A certificate or key cannot be used.
    #[error("cannot use {file} for TLS: {reason}")]
    Tls {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file that tells Docker of the plugin cannot be written.
    #[error("cannot write the plugin file {path}: {reason}")]
    SpecFile {
        /// The file.
        path: String,
        /// What is in the way.
        reason: String,
    },
    /// The sockets of systemd cannot be taken over.
    #[error("cannot take over the sockets of systemd: {0}")]
    Systemd(String),
    /// The configuration makes no sense.
    #[error("cannot use the configuration {path}: {reason}")]
    Config {
        /// The file, or `of the command line`.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An option cannot be used.
    #[error("cannot use {option}: {reason}")]
    Option {
        /// The option, as on the command line.
        option: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// The async runtime or its signal handlers could not be set up.
    #[error("cannot start: {0}")]
    Runtime(#[from] io::Error),
}

impl StartError {
    pub(crate) fn socket(path: &Path, reason: impl Display) -> Self {
        Self::Listen {
            address: path.display().to_string(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn tcp(address: SocketAddr, reason: impl Display) -> Self {
        Self::Listen {
            address: address.to_string(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn option(option: &str, reason: impl Display) -> Self {
        Self::Option {
            option: option.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn data_root(path: &Path, reason: impl Display) -> Self {
        Self::DataRoot {
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn state(path: &Path, reason: impl Display) -> Self {
        Self::State {
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn tls(file: &Path, reason: impl Display) -> Self {
        Self::Tls {
            file: file.display().to_string(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn spec_file(path: &Path, reason: impl Display) -> Self {
        Self::SpecFile {
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn config(path: impl Display, reason: impl Display) -> Self {
        Self::Config {
            path: path.to_string(),
            reason: reason.to_string(),
        }
    }
}
