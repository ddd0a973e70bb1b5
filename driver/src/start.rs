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
    /// The state file cannot be used, and setting it aside would not help.
    #[error("cannot use the state file {path}: {reason}")]
    State {
        /// The file.
        path: String,
        /// What is in the way.
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
}
