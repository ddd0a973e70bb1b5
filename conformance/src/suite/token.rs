//! Tokens: small files that prove that data are where they should be.

use std::path::PathBuf;

/// A file that a case wrote through a mountpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The file's name below the mountpoint.
    pub file: PathBuf,
    /// What was written.
    pub content: String,
}
