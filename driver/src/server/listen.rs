//! Opening the sockets that Docker connects to, and removing them again.
//!
//! A socket file that a crash left behind is replaced: nobody listens on it, and dockerd waits
//! 15 s on it at every `docker volume ls` (moby issue 22653). A socket that somebody listens on,
//! and anything that is not a socket, is left alone.

use std::{
    fmt,
    fs::{self, Permissions},
    io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream},
        },
    },
    path::{Path, PathBuf},
};

use nix::sys::{
    socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket},
    stat::{Mode, fchmod},
};
use tokio::net::{TcpListener, UnixListener};

use super::connection::Stream;
use crate::StartError;

/// `sun_path` holds 108 bytes, the last of which ends the path; see unix(7). dockerd refuses
/// longer paths as well (`configureUnixTransport` in docker/go-connections).
const MAX_PATH_BYTES: usize = 107;
/// Root and its group, nobody else: who may connect may delete volumes.
const MODE: u32 = 0o660;

/// A socket that is listened on but not served yet. Connections wait in the kernel.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Unix(StdUnixListener, SocketFile),
    Tcp(StdTcpListener),
}

impl Listener {
    /// Listens on a unix socket, replacing one that nobody listens on. Makes the directory where
    /// needed. The socket file is removed with the listener.
    ///
    /// # Errors
    /// When the path is too long, or taken by a living server or by something else.
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, StartError> {
        let path = path.as_ref();
        let failed = |reason: &dyn fmt::Display| StartError::socket(path, reason);
        // The file is removed at the end, when the working directory may be another one.
        let path = &std::path::absolute(path).map_err(|error| failed(&error))?;
        let length = path.as_os_str().len();
        if length > MAX_PATH_BYTES {
            return Err(failed(&format!(
                "the path has {length} bytes, a socket's may have {MAX_PATH_BYTES}"
            )));
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| failed(&error))?;
        }
        clear_the_way(path).map_err(|reason| failed(&reason))?;
        let (listener, file) = bind_private(path).map_err(|error| failed(&error))?;
        Ok(Self {
            kind: Kind::Unix(listener, file),
        })
    }

    /// Listens on TCP, on this machine only: the protocol knows no passwords, so whoever can
    /// connect can mount and delete volumes.
    ///
    /// # Errors
    /// When the address is not a loopback address, or taken.
    pub fn tcp_loopback(address: SocketAddr) -> Result<Self, StartError> {
        if !address.ip().is_loopback() {
            let reason = "plain TCP is only served on loopback addresses (or with --allow-plain-tcp), for anybody who can connect could delete volumes";
            return Err(StartError::tcp(address, reason));
        }
        Self::tcp_open_to_everybody(address)
    }

    /// Listens on TCP on any address. Only for networks where everybody may delete volumes.
    ///
    /// # Errors
    /// When the address is taken or not this machine's.
    pub fn tcp_open_to_everybody(address: SocketAddr) -> Result<Self, StartError> {
        let listener =
            StdTcpListener::bind(address).map_err(|error| StartError::tcp(address, error))?;
        Ok(Self {
            kind: Kind::Tcp(listener),
        })
    }

    pub(super) fn into_acceptor(self) -> io::Result<Acceptor> {
        let address = self.to_string();
        let kind = match self.kind {
            Kind::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                AcceptorKind::Unix(UnixListener::from_std(listener)?, file)
            }
            Kind::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                AcceptorKind::Tcp(TcpListener::from_std(listener)?)
            }
        };
        Ok(Acceptor { kind, address })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Unix(_, file) => write!(f, "unix://{}", file.path.display()),
            Kind::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "tcp://{address}"),
                Err(_) => f.write_str("tcp"),
            },
        }
    }
}

/// A listener in the hands of the runtime.
#[derive(Debug)]
pub(super) struct Acceptor {
    kind: AcceptorKind,
    address: String,
}

#[derive(Debug)]
enum AcceptorKind {
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "removes the socket file when dropped")] SocketFile,
    ),
    Tcp(TcpListener),
}

impl Acceptor {
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match &self.kind {
            AcceptorKind::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
            AcceptorKind::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

impl fmt::Display for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// Removes a socket that nobody listens on; says what else is in the way.
fn clear_the_way(path: &Path) -> Result<(), String> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if !metadata.file_type().is_socket() {
        return Err("the path exists and is not a socket; it is left alone".to_owned());
    }
    match StdUnixStream::connect(path) {
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

fn bind_private(path: &Path) -> io::Result<(StdUnixListener, SocketFile)> {
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
    Ok((StdUnixListener::from(fd), file))
}

/// Our socket in the file system. Removed when dropped, if it still is ours.
#[derive(Debug)]
struct SocketFile {
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
