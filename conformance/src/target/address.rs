//! From what the user typed to an address.

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use fake_dockerd::discovery::Found;
use fake_dockerd::discovery::{Directories, PluginAddress};

use crate::wire::{Address, TlsFiles};

/// The longest path that fits into the kernel's socket address, without its final NUL.
const LONGEST_SOCKET_PATH: usize = 107;

/// Reads `PATH`, `unix://PATH`, `tcp://HOST:PORT`, `http://…` or `https://…`.
///
/// # Errors
/// A sentence that names the input, the rule and the way out.
pub fn parse(text: &str, tls: &TlsFiles) -> Result<Address, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return unix(Path::new(text));
    };
    // dockerd ignores a path behind the port, too.
    let host = rest.split('/').next().unwrap_or_default();
    match scheme {
        "unix" => unix(Path::new(rest)),
        "tcp" | "http" | "https" if !has_port(host) => {
            Err(format!("`{text}` has no port: give {scheme}://HOST:PORT"))
        }
        "tcp" | "http" => Ok(Address::Tcp(host.to_owned())),
        "https" => Address::tls(host, tls),
        other => Err(format!(
            "`{other}://` is no way to a plugin: give a socket's path, unix://, tcp://, http:// or https://"
        )),
    }
}

/// A unix socket, with its path checked.
///
/// # Errors
/// A sentence when the path is too long for the kernel or empty.
pub fn unix(path: &Path) -> Result<Address, String> {
    if path.as_os_str().is_empty() {
        return Err("the socket's path is empty".to_owned());
    }
    let length = path.as_os_str().len();
    if length > LONGEST_SOCKET_PATH {
        return Err(format!(
            "the socket's path has {length} bytes and the kernel takes {LONGEST_SOCKET_PATH}: {}",
            path.display()
        ));
    }
    Ok(Address::Unix(path.to_owned()))
}

/// Looks a plugin up by name, as dockerd does.
///
/// # Errors
/// A sentence that says where was looked, or what is wrong with the file that was found.
pub fn locate(
    name: &str,
    directories: &Directories,
    tls: &TlsFiles,
) -> Result<(Address, Found), String> {
    let found = directories.find(name).map_err(|error| error.to_string())?;
    let address = match &found.address {
        PluginAddress::Unix(path) => unix(path)?,
        PluginAddress::Tcp(host) => Address::Tcp(host.clone()),
        PluginAddress::Https { host, tls: named } => {
            let files = TlsFiles {
                ca: tls.ca.clone().or_else(|| named.ca.clone()),
                cert: tls.cert.clone().or_else(|| named.cert.clone()),
                key: tls.key.clone().or_else(|| named.key.clone()),
            };
            Address::tls(host, &files)?
        }
    };
    Ok((address, found))
}

/// Checks what can be checked before the first connection, so that the user is told the simplest
/// truth: no such file, no socket, nobody listens.
///
/// # Errors
/// A sentence.
pub async fn check(address: &Address, limit: Duration) -> Result<(), String> {
    if let Address::Unix(path) = address {
        look_at_socket(path)?;
    }
    match crate::wire::Connection::open(address, limit).await {
        Ok(_) => Ok(()),
        Err(crate::wire::WireError::Connect(error)) => Err(match error.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                format!(
                    "nobody listens on {address}: the plugin is not running, or left its socket behind"
                )
            }
            std::io::ErrorKind::PermissionDenied => {
                format!(
                    "no permission to connect to {address}: run as root or as the socket's group"
                )
            }
            _ => format!("cannot connect to {address}: {error}"),
        }),
        Err(error) => Err(format!("cannot connect to {address}: it {error}")),
    }
}

fn look_at_socket(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::FileTypeExt as _;
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(found) if found.file_type().is_socket() => Ok(()),
        Ok(found) => {
            let kind = if found.is_dir() {
                "a directory"
            } else {
                "a file"
            };
            Err(format!(
                "{shown} is {kind}, not a socket: give the path of the plugin's .sock"
            ))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(format!("{shown} does not exist: is the plugin running?"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(format!("no permission to look at {shown}: run as root"))
        }
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':')
        .is_some_and(|(name, port)| !name.is_empty() && port.parse::<u16>().is_ok())
}

/// The name that Docker would know a plugin by: the socket's file name without `.sock`.
#[must_use]
pub fn driver_name(address: &Address) -> String {
    let stem = address
        .socket()
        .and_then(Path::file_stem)
        .map(PathBuf::from);
    stem.map_or_else(|| "PLUGIN".to_owned(), |stem| stem.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::{Address, TlsFiles, parse};

    #[test]
    fn addresses_are_read_or_refused_with_a_way_out() {
        let parse = |text: &str| parse(text, &TlsFiles::default());
        assert!(matches!(parse("/run/x.sock"), Ok(Address::Unix(_))));
        assert!(matches!(parse("unix:///run/x.sock"), Ok(Address::Unix(_))));
        assert!(
            matches!(parse("tcp://127.0.0.1:7/base"), Ok(Address::Tcp(host)) if host == "127.0.0.1:7")
        );
        assert!(parse("tcp://localhost").unwrap_err().contains("no port"));
        assert!(parse("ftp://x:1").unwrap_err().contains("ftp://"));
        assert!(parse("https://x:1").unwrap_err().contains("--ca"));
        assert!(
            parse(&format!("/{}", "x".repeat(120)))
                .unwrap_err()
                .contains("121 bytes")
        );
        assert!(parse("").is_err());
    }
}
