//! Where a plugin listens, and a byte stream to it: unix socket, TCP or TLS.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs as _;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Certificate files for a plugin behind TLS, as a `.json` plugin file names them.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Certificates of the authority that signed the plugin's, PEM.
    pub ca: Option<PathBuf>,
    /// The client's own certificate chain, PEM.
    pub cert: Option<PathBuf>,
    /// The key of `cert`, PEM.
    pub key: Option<PathBuf>,
}

/// Where a plugin listens.
#[derive(Debug, Clone)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// Plain HTTP over TCP, `host:port`.
    Tcp(String),
    /// HTTPS over TCP, `host:port`, with what verifies the plugin and the files that this was read
    /// from.
    Tls(String, Arc<ClientConfig>, TlsFiles),
}

impl Address {
    /// An HTTPS address; the certificate files are read now, so that a bad one is told at once.
    ///
    /// # Errors
    /// A sentence that names the file that cannot be used.
    pub fn tls(host: &str, files: &TlsFiles) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let ca = files.ca.as_ref().ok_or_else(|| {
            "an https plugin needs --ca FILE: without a CA nothing tells the plugin from an \
             impostor (dockerd would go on without verification)"
                .to_owned()
        })?;
        let unusable =
            |path: &PathBuf, why: &dyn fmt::Display| format!("{}: {why}", path.display());
        for cert in CertificateDer::pem_file_iter(ca).map_err(|e| unusable(ca, &e))? {
            let cert = cert.map_err(|e| unusable(ca, &e))?;
            roots.add(cert).map_err(|e| unusable(ca, &e))?;
        }
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let config = match (&files.cert, &files.key) {
            (Some(cert), Some(key)) => {
                let chain = CertificateDer::pem_file_iter(cert)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .map_err(|e| unusable(cert, &e))?;
                let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| unusable(key, &e))?;
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|e| unusable(cert, &e))?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err("--cert and --key go together: give both or neither".to_owned()),
        };
        Ok(Self::Tls(host.to_owned(), Arc::new(config), files.clone()))
    }

    /// The path of the unix socket, if it is one.
    #[must_use]
    pub fn socket(&self) -> Option<&std::path::Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Tcp(_) | Self::Tls(..) => None,
        }
    }

    /// What curl takes to get here: its option and the base of the URL.
    #[must_use]
    pub fn curl(&self) -> (Option<String>, String) {
        match self {
            Self::Unix(path) => (
                Some(format!(
                    "--unix-socket {}",
                    shell_words::quote(&path.display().to_string())
                )),
                "http://plugin".to_owned(),
            ),
            Self::Tcp(host) => (None, format!("http://{host}")),
            Self::Tls(host, ..) => (None, format!("https://{host}")),
        }
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// What the operating system or the TLS handshake said.
    pub(crate) async fn open(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
            Self::Tcp(host) => Stream::Tcp(connect_tcp(host).await?),
            Self::Tls(host, config, _) => {
                let tcp = connect_tcp(host).await?;
                let name = host
                    .rsplit_once(':')
                    .map_or(host.as_str(), |(name, _)| name);
                let name = ServerName::try_from(name.trim_matches(['[', ']']).to_owned())
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                let tls = tokio_rustls::TlsConnector::from(Arc::clone(config));
                Stream::Tls(Box::new(tls.connect(name, tcp).await?))
            }
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host) => write!(f, "tcp://{host}"),
            Self::Tls(host, ..) => write!(f, "https://{host}"),
        }
    }
}

async fn connect_tcp(host: &str) -> io::Result<TcpStream> {
    let owned = host.to_owned();
    let addresses: Vec<_> = tokio::task::spawn_blocking(move || owned.to_socket_addrs())
        .await
        .map_err(io::Error::other)??
        .collect();
    let stream = TcpStream::connect(addresses.as_slice()).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connected byte stream.
#[derive(Debug)]
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(inner) => inner.as_fd(),
            Self::Tcp(inner) => inner.as_fd(),
            Self::Tls(inner) => inner.get_ref().0.as_fd(),
        }
    }
}

/// Hands a poll to whichever stream this is.
macro_rules! delegate {
    ($stream:expr, $method:ident $(, $argument:expr)*) => {
        match $stream.get_mut() {
            Stream::Unix(inner) => Pin::new(inner).$method($($argument),*),
            Stream::Tcp(inner) => Pin::new(inner).$method($($argument),*),
            Stream::Tls(inner) => Pin::new(inner.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self, poll_read, cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, poll_write, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_shutdown, cx)
    }
}
