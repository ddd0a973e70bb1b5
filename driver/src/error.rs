//! The error a driver answers with.
//!
//! One type serves authors and the reference driver alike: a [kind](ErrorKind) for code to look
//! at and a one-line message for the person at the `docker` prompt. Docker prints the message as
//! it is (`Error response from daemon: create v1: …`), so it names the volume and the cause and
//! never holds the value of an option that looks like a secret.

use std::fmt::{self, Write as _};

/// What went wrong, in classes that a program can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No volume has this name.
    NotFound,
    /// The volume is mounted and so cannot be removed.
    InUse,
    /// An option of Create is unknown, missing or has a value that makes no sense.
    InvalidOption,
    /// A volume of this name exists with other options.
    Conflict,
    /// The request makes no sense as it stands: an unacceptable name, an unknown mount ID.
    Refused,
    /// The storage behind the volume does not answer, or not in time.
    Unavailable,
    /// Something failed that the caller cannot do anything about.
    Internal,
}

impl ErrorKind {
    /// The word for it in metrics, such as `not-found`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::InUse => "in-use",
            Self::InvalidOption => "invalid-option",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// Why a request failed: a kind and a message of one line.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// An error of this kind; the message is what Docker shows to the user.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    /// No volume has this name.
    pub fn not_found(name: &str) -> Self {
        Self::new(
            ErrorKind::NotFound,
            format!("volume {} does not exist", Quoted(name)),
        )
    }

    /// An option cannot be accepted. Leave the value out of `problem` unless it is harmless.
    pub fn invalid_option(option: &str, problem: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::InvalidOption,
            format!("option {}: {problem}", Quoted(option)),
        )
    }

    /// The request makes no sense as it stands.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// Something failed inside: what was tried, and the cause.
    pub fn internal(attempt: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, format!("cannot {attempt}: {cause}"))
    }

    /// The same error, its message led by the volume it is about.
    #[must_use]
    pub fn about(self, name: &str) -> Self {
        let message = format!("volume {}: {}", Quoted(name), self.message);
        Self { message, ..self }
    }

    /// The class of the failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// Text from outside, fit for a message of one line: quoted, escaped and cut when long.
///
/// A volume may be called `"a\nb"` or carry a name of 4 KiB; neither may break a log or a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

/// Longer texts are cut here; an anonymous volume's name (64 characters) is shown whole.
const SHOWN_CHARS: usize = 96;

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let mut chars = self.0.chars();
        for char in chars.by_ref().take(SHOWN_CHARS) {
            match char {
                '\'' => f.write_char(char)?,
                _ => write!(f, "{}", char.escape_debug())?,
            }
        }
        f.write_str(if chars.next().is_some() {
            "…\""
        } else {
            "\""
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_on_one_short_line() {
        let name = format!("a\nb\"{}", "x".repeat(4000));
        let text = Error::not_found(&name).to_string();
        assert!(text.starts_with("volume \"a\\nb\\\"xxx"), "{text}");
        assert!(text.ends_with("…\" does not exist"), "{text}");
        assert!(text.len() < 200);
    }

    #[test]
    fn about_keeps_the_kind() {
        let error = Error::invalid_option("mode", "is not octal").about("v1");
        assert_eq!(error.kind(), ErrorKind::InvalidOption);
        assert_eq!(
            error.to_string(),
            "volume \"v1\": option \"mode\": is not octal"
        );
    }
}
