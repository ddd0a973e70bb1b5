//! Opening the sockets that Docker connects to: made here, or passed by systemd.

use std::{
    fmt, fs, io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    os::unix::net::UnixListener as StdUnixListener,
    path::Path,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
};
use tokio_rustls::Accept;

use super::{
    announce::SpecFile,
    socket_file::{SocketFile, bind_private, clear_the_way},
    tls::Tls,
};
use crate::StartError;

/// `sun_path` holds 108 bytes, the last of which ends the path; see unix(7). dockerd refuses
/// longer paths as well (`configureUnixTransport` in docker/go-connections).
const MAX_PATH_BYTES: usize = 107;

/// Who may connect over TCP. The protocol knows no passwords: whoever can connect can mount and
/// delete volumes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TcpAccess {
    /// Programs on this machine: only loopback addresses are listened on.
    Loopback,
    /// Everybody who reaches the address, in plain text.
    Everybody,
    /// Over TLS; on addresses other than loopback, only clients with a certificate.
    Tls(Tls),
}

impl TcpAccess {
    /// Refuses what would let strangers in.
    fn check(&self, address: SocketAddr) -> Result<(), StartError> {
        let reason = match self {
            _ if address.ip().is_loopback() => return Ok(()),
            Self::Everybody => return Ok(()),
            Self::Tls(tls) if tls.verifies_clients() => return Ok(()),
            Self::Tls(_) => {
                "without --tls-client-ca anybody who reaches this address could delete volumes; \
                 only loopback addresses are served so"
            }
            Self::Loopback => {
                "plain TCP is only served on loopback addresses, for anybody who can connect \
                 could delete volumes: give --tls-cert, --tls-key and --tls-client-ca (or \
                 --allow-plain-tcp)"
            }
        };
        Err(StartError::tcp(address, reason))
    }

    fn tls(self) -> Option<Tls> {
        match self {
            Self::Tls(tls) => Some(tls),
            Self::Loopback | Self::Everybody => None,
        }
    }
}

/// A socket that is listened on but not served yet. Connections wait in the kernel.
#[derive(Debug)]
pub struct Listener {
    // Goes first when dropped: nobody is to be sent to a socket that is closed.
    announced: Option<SpecFile>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// No file: the socket is systemd's, and stays.
    Unix(StdUnixListener, Option<SocketFile>),
    Tcp(StdTcpListener, Option<Tls>),
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
        Ok(Self::of(Kind::Unix(listener, Some(file))))
    }

    /// Listens on TCP.
    ///
    /// # Errors
    /// When `access` does not allow the address, or it is taken or not this machine's.
    pub fn tcp(address: SocketAddr, access: TcpAccess) -> Result<Self, StartError> {
        access.check(address)?;
        let listener =
            StdTcpListener::bind(address).map_err(|error| StartError::tcp(address, error))?;
        Ok(Self::of(Kind::Tcp(listener, access.tls())))
    }

    /// A unix socket that somebody else listens on already, such as systemd. Its file stays.
    #[must_use]
    pub fn passed_unix(listener: StdUnixListener) -> Self {
        Self::of(Kind::Unix(listener, None))
    }

    /// A TCP socket that somebody else listens on already, such as systemd.
    ///
    /// # Errors
    /// When `access` does not allow its address.
    pub fn passed_tcp(listener: StdTcpListener, access: TcpAccess) -> Result<Self, StartError> {
        access.check(listener.local_addr()?)?;
        Ok(Self::of(Kind::Tcp(listener, access.tls())))
    }

    fn of(kind: Kind) -> Self {
        Self {
            announced: None,
            kind,
        }
    }

    /// The same listener with a spec file that goes before it.
    pub(crate) fn announced_by(mut self, file: SpecFile) -> Self {
        self.announced = Some(file);
        self
    }

    /// The TCP address, with the port that was chosen for port 0.
    pub(crate) fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Unix(..) => None,
            Kind::Tcp(listener, _) => listener.local_addr().ok(),
        }
    }

    pub(crate) fn into_acceptor(self) -> io::Result<Acceptor> {
        let address = self.to_string();
        let kind = match self.kind {
            Kind::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                AcceptorKind::Unix(UnixListener::from_std(listener)?, file)
            }
            Kind::Tcp(listener, tls) => {
                listener.set_nonblocking(true)?;
                AcceptorKind::Tcp(TcpListener::from_std(listener)?, tls)
            }
        };
        Ok(Acceptor {
            _announced: self.announced,
            kind,
            address,
        })
    }
}

impl fmt::Display for Listener {
    /// As a URL: `unix:///path`, `tcp://address` or `https://address`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Unix(listener, _) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                write!(f, "unix://{}", path.unwrap_or(Path::new("")).display())
            }
            Kind::Tcp(listener, tls) => {
                let scheme = if tls.is_some() { "https" } else { "tcp" };
                match listener.local_addr() {
                    Ok(address) => write!(f, "{scheme}://{address}"),
                    Err(_) => f.write_str(scheme),
                }
            }
        }
    }
}

/// A listener in the hands of the runtime.
#[derive(Debug)]
pub(crate) struct Acceptor {
    _announced: Option<SpecFile>,
    kind: AcceptorKind,
    address: String,
}

#[derive(Debug)]
enum AcceptorKind {
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "removes the socket file when dropped")] Option<SocketFile>,
    ),
    Tcp(TcpListener, Option<Tls>),
}

impl Acceptor {
    pub(crate) async fn accept(&self) -> io::Result<Incoming> {
        match &self.kind {
            AcceptorKind::Unix(listener, _) => {
                Ok(Incoming::Ready(Box::new(listener.accept().await?.0)))
            }
            AcceptorKind::Tcp(listener, tls) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(match tls {
                    None => Incoming::Ready(Box::new(stream)),
                    Some(tls) => Incoming::Handshake(Box::new(tls.acceptor().accept(stream))),
                })
            }
        }
    }
}

impl fmt::Display for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// A connected client.
pub(crate) type Stream = Box<dyn ByteStream>;

/// Bytes in both directions: a unix socket, TCP, or TLS over it.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A client that may still have to prove who it is. Waiting for that is not the acceptor's
/// business, or one silent client would keep all others out.
pub(crate) enum Incoming {
    Ready(Stream),
    Handshake(Box<Accept<TcpStream>>),
}

impl Incoming {
    /// The stream, after the handshake.
    pub(crate) async fn ready(self) -> io::Result<Stream> {
        match self {
            Self::Ready(stream) => Ok(stream),
            Self::Handshake(accept) => Ok(Box::new((*accept).await?)),
        }
    }
}
