//! Looking into mountpoints: tokens that prove where data are, and the mount table.

use std::path::Path;

use super::Cx;
use crate::protocol::Endpoint;
use crate::suite::{CaseResult, Finding, Halt, Token, is_root};

impl Cx {
    /// Ends the case unless the mountpoint can be looked into from here.
    ///
    /// # Errors
    /// [`Halt::Skip`] with the reason.
    pub async fn see(&self, mountpoint: &Path) -> CaseResult {
        if let Some(reason) = self.target.files.blindness() {
            return Err(Halt::skip(reason));
        }
        match self.target.files.is_directory(mountpoint.to_owned()).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                // What is absolute and not there may be there for the plugin alone.
                let hidden = mountpoint.is_absolute() && !mountpoint.exists();
                let explained = if hidden {
                    "mount.visible"
                } else {
                    "mount.usable"
                };
                Err(Halt::Setup(
                    Endpoint::Mount,
                    Box::new(
                        Finding::new(
                            "Mount names a directory that exists",
                            format!("{} is no directory here", mountpoint.display()),
                        )
                        .because(explained),
                    ),
                ))
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(Halt::skip(format!(
                    "{} cannot be looked into without root",
                    mountpoint.display()
                )))
            }
            Err(error) => Err(Halt::Setup(
                Endpoint::Mount,
                Box::new(Finding::new(
                    "the mountpoint can be looked into",
                    format!("{}: {error}", mountpoint.display()),
                )),
            )),
        }
    }

    /// Writes a small file with random content through a mountpoint.
    ///
    /// # Errors
    /// [`Halt::Skip`] when nothing can be seen from here or without root, else [`Halt::Setup`].
    pub async fn write_token(&mut self, mountpoint: &Path) -> CaseResult<Token> {
        self.see(mountpoint).await?;
        if self.target.asks_read_only() {
            return Err(Halt::skip(
                "the volumes are read-only, as the options given with --opt ask",
            ));
        }
        let token = Token {
            file: format!("volplug-{}", self.names.hex(8)).into(),
            content: self.names.hex(32),
        };
        let path = mountpoint.join(&token.file);
        self.step(format!("wrote a file into {}", mountpoint.display()));
        match self
            .target
            .files
            .write(path.clone(), token.content.clone())
            .await
        {
            Ok(()) => Ok(token),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && !is_root() => {
                Err(Halt::skip(format!(
                    "{} cannot be written without root",
                    mountpoint.display()
                )))
            }
            Err(error) => Err(Halt::Setup(
                Endpoint::Mount,
                Box::new(
                    Finding::new(
                        "a file can be written into a mounted volume",
                        format!("{}: {error}", path.display()),
                    )
                    .because("mount.writable"),
                ),
            )),
        }
    }

    /// Whether a token is where it should be, with what was written; if not, what is there instead.
    ///
    /// # Errors
    /// What was found, fit for "got".
    pub async fn check_token(&self, mountpoint: &Path, token: &Token) -> Result<(), String> {
        let path = mountpoint.join(&token.file);
        match self.target.files.read(path.clone()).await {
            Ok(content) if content == token.content => Ok(()),
            Ok(_) => Err(format!("{} holds other data", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(format!("the file is gone: {}", path.display()))
            }
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Whether the kernel has a mount at `path`.
    ///
    /// # Errors
    /// [`Halt::Skip`] when the mount table cannot be seen.
    pub fn is_mounted(&self, path: &Path) -> CaseResult<bool> {
        if let Some(reason) = self.target.files.blindness() {
            return Err(Halt::skip(reason));
        }
        let stacked = self.target.files.mounts_at(path);
        Ok(stacked
            .map_err(|error| Halt::skip(format!("the mount table cannot be read: {error}")))?
            > 0)
    }
}
