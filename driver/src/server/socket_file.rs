//! The file of a unix socket: making it without a moment in which others could connect, and
//! removing it again.
//!
//! A socket file that a crash left behind is replaced: nobody listens on it, and dockerd waits
//! 15 s on it at every `docker volume ls` (moby issue 22653). A socket that somebody listens on,
//! and anything that is not a socket, is left alone.

use std::{
    fs::{self, Permissions},
    io,
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use nix::sys::{
    socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket},
    stat::{Mode, fchmod},
};

/// Root and its group, nobody else: who may connect may delete volumes.
const MODE: u32 = 0o660;

/// Removes a socket that nobody listens on; says what else is in the way.
pub(super) fn clear_the_way(path: &Path) -> Result<(), String> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if !metadata.file_type().is_socket() {
        return Err("the path exists and is not a socket; it is left alone".to_owned());
    }
    match UnixStream::connect(path) {
        Ok(_) => Err("another process listens on it".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "replacing a socket that nobody listens on");
            fs::remove_file(path).map_err(|error| error.to_string())
        }
        Err(error) => Err(format!(
            "it cannot be told whether somebody listens on it: {error}"
        )),
    }
}

/// Listens on a path where nothing is.
pub(super) fn bind_private(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let fd = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // Linux gives the file the mode that the socket has when it is bound, less the umask: there is
    // no moment in which others could connect, and the group gets its due before anybody can.
    fchmod(&fd, Mode::from_bits_truncate(MODE))?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    let file = SocketFile::of(path)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    listen(&fd, Backlog::MAXCONN)?;
    Ok((UnixListener::from(fd), file))
}

/// Our socket in the file system. Removed when dropped, if it still is ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
