//! Where the Engine API listens: unix sockets and loopback TCP.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};

/// A value of `--host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// `unix:///PATH`.
    Unix(PathBuf),
    /// `tcp://ADDRESS:PORT`, of this machine only: whoever can connect can do everything.
    Tcp(SocketAddr),
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix://") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err(format!(
                    "the path has to be absolute, such as unix:///{path}"
                ))
            };
        }
        let Some(address) = text.strip_prefix("tcp://") else {
            return Err("it should be unix:///PATH or tcp://127.0.0.1:PORT".to_owned());
        };
        let address = address.replace("localhost", "127.0.0.1");
        let address: SocketAddr = address
            .trim_end_matches('/')
            .parse()
            .map_err(|_| "it should be tcp://127.0.0.1:PORT".to_owned())?;
        if address.ip().is_loopback() {
            Ok(Self::Tcp(address))
        } else {
            Err(format!(
                "{} can be reached from other machines, and there is no TLS: only loopback \
                 addresses are served, such as tcp://127.0.0.1:{}",
                address.ip(),
                address.port()
            ))
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A bound socket; a unix socket's file goes away with it.
#[derive(Debug)]
pub struct Listener {
    host: Host,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// Listens. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// Someone else listens there, or the system refuses.
    pub async fn bind(host: &Host) -> io::Result<Self> {
        match host {
            Host::Unix(path) => {
                remove_stale(path).await?;
                let socket = UnixListener::bind(path)?;
                // As dockerd's: for the owner and the group.
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
                Ok(Self {
                    host: host.clone(),
                    socket: Socket::Unix(socket),
                })
            }
            Host::Tcp(address) => {
                let socket = TcpListener::bind(address).await?;
                // The port, if the system was to choose it.
                let host = Host::Tcp(socket.local_addr()?);
                Ok(Self {
                    host,
                    socket: Socket::Tcp(socket),
                })
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.socket {
            Socket::Unix(socket) => Box::new(socket.accept().await?.0),
            Socket::Tcp(socket) => {
                let (stream, _) = socket.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Host::Unix(path) = &self.host
            && let Err(error) = std::fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("{}: {error}", path.display());
        }
    }
}

/// Removes the socket of an engine that was killed; anything else at the path is left alone.
async fn remove_stale(path: &Path) -> io::Result<()> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        return Err(io::Error::other("there is a file that is no socket"));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another engine answers there; stop it or choose another --host",
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::Host;

    #[test]
    fn only_this_machine_is_listened_to() {
        for good in ["unix:///x/y.sock", "tcp://127.0.0.1:0", "tcp://[::1]:1"] {
            assert_eq!(good.parse::<Host>().unwrap().to_string(), good);
        }
        let refusal = "tcp://0.0.0.0:2375".parse::<Host>().unwrap_err();
        assert!(refusal.contains("no TLS"), "{refusal}");
        for bad in ["unix://x.sock", "/x.sock", "tcp://127.0.0.1"] {
            assert!(bad.parse::<Host>().is_err(), "{bad}");
        }
    }
}
