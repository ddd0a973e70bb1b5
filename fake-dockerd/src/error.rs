//! Errors with Docker's own texts and the HTTP status that the Engine API answers them with.

use std::fmt;

/// What kind of error it is, as moby's `errdefs` sort them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// 304: there is nothing to do.
    NotModified,
    /// 400: the request makes no sense.
    InvalidParameter,
    /// 404: a container, plugin or file does not exist.
    NotFound,
    /// 404: a volume does not exist. Told apart because the engine itself often passes over it.
    NoSuchVolume,
    /// 403: nobody may.
    Forbidden,
    /// 409: the state does not allow it.
    Conflict,
    /// 409: a volume is in use. Told apart because removing a container passes over it.
    VolumeInUse,
    /// 500: something else failed.
    System,
    /// 500, about a plugin that cannot be reached: Go's `net.Error`, which the volume store treats
    /// unlike an answer that says "no".
    Unreachable,
    /// 501: this engine does not do it, though dockerd would.
    NotImplemented,
    /// 503: this node is not a manager of a swarm.
    Unavailable,
}

/// An error as the Engine API answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The result of an engine's operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with Docker's text.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// 400.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidParameter, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// 500.
    pub fn system(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::System, message)
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Docker's text, as the CLI prints it behind "Error response from daemon: ".
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The HTTP status that the Engine API answers with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self.kind {
            ErrorKind::NotModified => 304,
            ErrorKind::InvalidParameter => 400,
            ErrorKind::NotFound | ErrorKind::NoSuchVolume => 404,
            ErrorKind::Forbidden => 403,
            ErrorKind::Conflict | ErrorKind::VolumeInUse => 409,
            ErrorKind::System | ErrorKind::Unreachable => 500,
            ErrorKind::NotImplemented => 501,
            ErrorKind::Unavailable => 503,
        }
    }

    /// The same kind of error with `prefix: ` in front, as Go's `errors.Wrap`.
    #[must_use]
    pub fn context(mut self, prefix: impl fmt::Display) -> Self {
        self.message = format!("{prefix}: {}", self.message);
        self
    }

    /// The same text as another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Whether it says that a volume does not exist.
    #[must_use]
    pub fn is_no_such_volume(&self) -> bool {
        self.kind == ErrorKind::NoSuchVolume
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
