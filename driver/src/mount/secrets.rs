//! Passwords and keys on their way to a mount helper: in files, never in arguments.

use std::{
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;

use crate::secret::REDACTED;

/// Longest file that is read as a secret.
const MAX_BYTES: u64 = 64 << 10;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever has to know it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Reads a file that holds a secret. It must belong to root or the driver's user and be closed to
/// everybody else, so that nobody can make the driver use or read a file on their behalf.
///
/// # Errors
/// A sentence that names the file and never quotes it.
pub(crate) fn read(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("{shown} is not an absolute path"));
    }
    let failed = |error: io::Error| format!("{shown} cannot be read: {error}");
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("{shown} is no file"));
    }
    let ours = metadata.uid() == 0 || metadata.uid() == geteuid().as_raw();
    if !ours || metadata.mode() & 0o077 != 0 {
        return Err(format!(
            "{shown} is open to others than the driver's user; it should belong to root, with mode 0600"
        ));
    }
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(Secret(text))
}

/// The first line of a file, which is a password.
///
/// # Errors
/// As [`read`], and when the line is empty.
pub(crate) fn read_line(path: &Path) -> Result<Secret, String> {
    let text = read(path)?;
    match text.expose().lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(format!(
            "{} holds no password in its first line",
            path.display()
        )),
    }
}

/// A file for the eyes of one mount helper, gone when this is dropped.
#[derive(Debug)]
pub(crate) struct PrivateFile {
    path: PathBuf,
}

impl PrivateFile {
    /// Writes a file of mode 0600 in this directory, which is made private.
    pub(crate) fn write(directory: &Path, name: &str, content: &str) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        let path = directory.join(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        // Owned from here on: it is removed also when it cannot be written.
        let private = Self { path };
        file.write_all(content.as_bytes())?;
        Ok(private)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::error!(path = %self.path.display(), %error, "a file with credentials cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn files_that_others_can_read_hold_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        fs::write(&path, "p,a\"ss \\w$rd \nrest").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let error = read_line(&path).unwrap_err();
        assert!(error.contains("0600") && !error.contains("w$rd"), "{error}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let secret = read_line(&path).unwrap();
        assert_eq!(secret.expose(), "p,a\"ss \\w$rd ");
        assert_eq!(format!("{secret:?}"), REDACTED);
        assert!(read(Path::new("password")).is_err());
        assert!(read(directory.path()).is_err());
    }

    #[test]
    fn a_private_file_is_private_and_goes() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("run");
        let file = PrivateFile::write(&inside, "one", "secret").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&inside), mode(file.path())), (0o700, 0o600));
        assert!(PrivateFile::write(&inside, "one", "").is_err());
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "secret");
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
    }
}
