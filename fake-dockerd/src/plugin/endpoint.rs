//! Where a plugin listens, and how it is called there.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::connection::{Connection, Stream};
use super::{errno, tls};
use crate::clock::Clock;
use crate::discovery::{Found, PluginAddress};
use crate::profile::Profile;

/// How long a TCP connection may take to be made (`sockets.ConfigureTransport` in go-connections).
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// The room for a path in the system's socket address, its closing NUL included.
const MAX_SOCKET_PATH: usize = 108;

/// A plugin's address with everything that follows from it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    target: Target,
    /// `http`, or `https` with TLS.
    pub(crate) scheme: &'static str,
    /// The `Host` header.
    pub(crate) host_header: String,
    /// The host in URLs of error texts and of `Referer`.
    pub(crate) url_host: String,
    /// Whether `Accept-Encoding: gzip` is sent: go-connections switches compression off for unix
    /// sockets only.
    pub(crate) accepts_gzip: bool,
    profile: &'static Profile,
}

#[derive(Debug)]
enum Target {
    Unix(PathBuf),
    Tcp(String),
    Tls {
        address: String,
        name: ServerName<'static>,
        connector: TlsConnectorDebug,
    },
}

/// The connector, which has no `Debug` of its own.
struct TlsConnectorDebug(TlsConnector);

impl std::fmt::Debug for TlsConnectorDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl Endpoint {
    /// The endpoint of a plugin that was found.
    ///
    /// # Errors
    /// Go's text: certificates that cannot be read, a socket path that is too long.
    pub(crate) fn new(found: &Found, profile: &'static Profile) -> Result<Self, String> {
        let (target, scheme) = match &found.address {
            PluginAddress::Unix(path) => {
                let length = path.as_os_str().len();
                if length >= MAX_SOCKET_PATH {
                    return Err(format!("unix socket path {:?} is too long", path.display()));
                }
                (Target::Unix(path.clone()), "http")
            }
            PluginAddress::Tcp(host) => (Target::Tcp(host.clone()), "http"),
            PluginAddress::Https { host, tls } => {
                let named = found.manifest.as_ref().is_none_or(|m| m.tls.is_some());
                let connector = tls::connector(&found.name, tls, named)?;
                let (name, _) = host.rsplit_once(':').unwrap_or((host, ""));
                let name = ServerName::try_from(name.to_owned())
                    .map_err(|_| format!("dial tcp: lookup {name}: no such host"))?;
                let target = Target::Tls {
                    address: host.clone(),
                    name,
                    connector: TlsConnectorDebug(connector),
                };
                (target, "https")
            }
        };
        let (host_header, url_host) = match &target {
            Target::Unix(path) => match profile.unix_host {
                Some(host) => (host.to_owned(), host.to_owned()),
                None => (String::new(), escape_host(&path.to_string_lossy())),
            },
            Target::Tcp(address) | Target::Tls { address, .. } => {
                (address.clone(), address.clone())
            }
        };
        Ok(Self {
            accepts_gzip: !matches!(target, Target::Unix(_)),
            target,
            scheme,
            host_header,
            url_host,
            profile,
        })
    }

    /// The URL of `path`, as error texts show it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.url_host)
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// Go's text.
    pub(crate) async fn dial(&self, clock: Clock) -> Result<Connection, String> {
        match &self.target {
            Target::Unix(path) => match UnixStream::connect(path).await {
                Ok(stream) => {
                    let peer = format!("unix @->{}", path.display());
                    Ok(Connection::new(Stream::Unix(stream), peer))
                }
                Err(error) => Err(format!(
                    "dial unix {}: connect: {}",
                    path.display(),
                    errno::text(&error)
                )),
            },
            Target::Tcp(address) => {
                let (stream, peer) = dial_tcp(address, clock).await?;
                Ok(Connection::new(Stream::Tcp(stream), peer))
            }
            Target::Tls {
                address,
                name,
                connector,
            } => {
                let (stream, peer) = dial_tcp(address, clock).await?;
                let handshake = connector.0.connect(name.clone(), stream);
                match clock.within(Some(DIAL_LIMIT), handshake).await {
                    Some(Ok(stream)) => Ok(Connection::new(Stream::Tls(Box::new(stream)), peer)),
                    Some(Err(error)) => Err(tls::error_text(&error, self.profile)),
                    None => Err("net/http: TLS handshake timeout".to_owned()),
                }
            }
        }
    }
}

async fn dial_tcp(address: &str, clock: Clock) -> Result<(TcpStream, String), String> {
    let address = if address.contains(':') {
        address.to_owned()
    } else {
        format!("{address}:80")
    };
    let stream = match clock
        .within(Some(DIAL_LIMIT), TcpStream::connect(&address))
        .await
    {
        Some(Ok(stream)) => stream,
        Some(Err(error)) => {
            return Err(format!(
                "dial tcp {address}: connect: {}",
                errno::text(&error)
            ));
        }
        None => return Err(format!("dial tcp {address}: i/o timeout")),
    };
    let peer = peer(&stream).unwrap_or_else(|_| format!("tcp {address}"));
    // A call is one small write each way; waiting to fill a segment would only add delay.
    let _ = stream.set_nodelay(true);
    Ok((stream, peer))
}

fn peer(stream: &TcpStream) -> io::Result<String> {
    Ok(format!(
        "tcp {}->{}",
        stream.local_addr()?,
        stream.peer_addr()?
    ))
}

/// Go's escaping of a URL's host, which shows a socket's path as `%2Frun%2Fdocker…`.
fn escape_host(host: &str) -> String {
    const PLAIN: &str = "-_.~!$&'()*+,;=:[]<>\"";
    host.bytes()
        .map(|byte| {
            let character = char::from(byte);
            if character.is_ascii_alphanumeric() || PLAIN.contains(character) {
                character.to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_as_host_is_escaped_like_gos() {
        assert_eq!(
            super::escape_host("/run/docker/plugins/a b.sock"),
            "%2Frun%2Fdocker%2Fplugins%2Fa%20b.sock"
        );
    }
}
