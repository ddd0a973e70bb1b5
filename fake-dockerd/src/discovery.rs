//! How dockerd finds a plugin: sockets first, then spec files, in fixed directories.
//!
//! Follows moby's `pkg/plugins/discovery.go` as far as recordings of 20.10, 26.1 and 28.5 confirm
//! it: a socket before a `.spec` before a `.json`, flat before in a folder of the plugin's name,
//! `/etc/docker/plugins` before `/usr/lib/docker/plugins`.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

/// Where plugins are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Directories of sockets, in order.
    pub sockets: Vec<PathBuf>,
    /// Directories of `.spec` and `.json` files, in order.
    pub specs: Vec<PathBuf>,
}

impl Default for Directories {
    /// Docker's own directories.
    fn default() -> Self {
        Self {
            sockets: vec!["/run/docker/plugins".into()],
            specs: vec![
                "/etc/docker/plugins".into(),
                "/usr/lib/docker/plugins".into(),
            ],
        }
    }
}

/// A plugin that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The name that it was looked up by.
    pub name: String,
    /// The socket, or the file that names the address.
    pub path: PathBuf,
    /// Where the plugin listens.
    pub address: PluginAddress,
    /// What a `.json` file holds beside the address.
    pub manifest: Option<Manifest>,
    /// Definitions of the same name that this one hides, in the order of precedence.
    pub shadowed: Vec<PathBuf>,
}

/// Where a plugin listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginAddress {
    /// A unix socket.
    Unix(PathBuf),
    /// Plain HTTP, `host:port`.
    Tcp(String),
    /// HTTPS, `host:port`, with the files that a `.json` names.
    Https {
        /// `host:port`.
        host: String,
        /// Certificates and key.
        tls: TlsConfig,
    },
}

/// `TLSConfig` of a `.json` file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TlsConfig {
    /// The authority's certificate. Without it dockerd verifies nothing.
    #[serde(rename = "CAFile", deserialize_with = "path_or_none")]
    pub ca: Option<PathBuf>,
    /// The client's certificate.
    #[serde(rename = "CertFile", deserialize_with = "path_or_none")]
    pub cert: Option<PathBuf>,
    /// The client's key.
    #[serde(rename = "KeyFile", deserialize_with = "path_or_none")]
    pub key: Option<PathBuf>,
    /// Whether verification is switched off.
    #[serde(rename = "InsecureSkipVerify")]
    pub insecure: bool,
}

/// A `.json` file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// A name, which dockerd ignores: the file's name counts.
    #[serde(rename = "Name")]
    pub name: String,
    /// The address, with a scheme.
    #[serde(rename = "Addr")]
    pub address: String,
    /// Certificates, if the plugin uses TLS.
    #[serde(rename = "TLSConfig")]
    pub tls: Option<TlsConfig>,
}

/// Why a plugin was not found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// No socket and no file of that name.
    #[error("plugin \"{name}\" not found: no {name}.sock, {name}.spec or {name}.json in {}", list(.looked))]
    NotFound {
        /// The name.
        name: String,
        /// The directories that were looked in.
        looked: Vec<PathBuf>,
    },
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no address that dockerd takes.
    #[error("{}: {why}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what it should be.
        why: String,
        /// What dockerd says about it.
        docker: String,
    },
}

impl DiscoveryError {
    /// What dockerd says behind `legacy plugin: `; none where it says that there is no such plugin.
    #[must_use]
    pub fn as_dockerd(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => None,
            Self::Unreadable { path, source } => {
                let text = source.to_string();
                let text = text.split(" (os error").next().unwrap_or_default();
                Some(format!("open {}: {}", path.display(), text.to_lowercase()))
            }
            Self::Invalid { docker, .. } => Some(docker.clone()),
        }
    }
}

impl Directories {
    /// Looks `name` up as dockerd does.
    ///
    /// # Errors
    /// [`DiscoveryError`]; a definition that is broken is not passed over in favour of one that it
    /// hides, since dockerd does not do so either.
    pub fn find(&self, name: &str) -> Result<Found, DiscoveryError> {
        let mut candidates = self.candidates(name).into_iter();
        let Some(path) = candidates.next() else {
            let looked = self.sockets.iter().chain(&self.specs).cloned().collect();
            return Err(DiscoveryError::NotFound {
                name: name.to_owned(),
                looked,
            });
        };
        let shadowed = candidates.collect();
        let (address, manifest) = match path.extension().and_then(|ext| ext.to_str()) {
            Some("sock") => (PluginAddress::Unix(path.clone()), None),
            Some("json") => read_json(&path)?,
            _ => (read_spec(&path)?, None),
        };
        Ok(Found {
            name: name.to_owned(),
            path,
            address,
            manifest,
            shadowed,
        })
    }

    /// The names of all plugins that dockerd comes upon without being asked for one, with
    /// repetitions. A link to a socket is not among them, though it can be looked up.
    ///
    /// # Errors
    /// A directory that is there and cannot be read.
    pub fn scan(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for directory in &self.sockets {
            for entry in entries(directory)? {
                let name = stem(&entry.path());
                let kind = entry.file_type()?;
                let socket = if kind.is_dir() {
                    let inside = entry.path().join(format!("{name}.sock"));
                    // Here dockerd follows links.
                    fs::metadata(inside).is_ok_and(|meta| meta.file_type().is_socket())
                } else {
                    kind.is_socket()
                };
                if socket {
                    names.push(name);
                }
            }
        }
        for directory in &self.specs {
            for entry in entries(directory)? {
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if ["spec", "json"]
                        .iter()
                        .any(|ext| path.join(format!("{name}.{ext}")).exists())
                    {
                        names.push(name);
                    }
                } else if path
                    .extension()
                    .is_some_and(|ext| ext == "spec" || ext == "json")
                {
                    names.push(stem(&path));
                }
            }
        }
        Ok(names)
    }

    /// Every definition of `name`, in the order of precedence.
    fn candidates(&self, name: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for directory in &self.sockets {
            for path in both_layouts(directory, name, "sock") {
                // `stat`, which follows links: a linked socket works when it is named.
                if fs::metadata(&path).is_ok_and(|meta| meta.file_type().is_socket()) {
                    found.push(path);
                }
            }
        }
        for directory in &self.specs {
            for extension in ["spec", "json"] {
                for path in both_layouts(directory, name, extension) {
                    if path.exists() {
                        found.push(path);
                    }
                }
            }
        }
        found
    }
}

/// What is in a directory, by name; nothing if it does not exist.
fn entries(directory: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries: Vec<_> = match fs::read_dir(directory) {
        Ok(entries) => entries.collect::<Result<_, _>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// `DIR/NAME.EXT` and `DIR/NAME/NAME.EXT`.
fn both_layouts(directory: &Path, name: &str, extension: &str) -> [PathBuf; 2] {
    let file = format!("{name}.{extension}");
    [directory.join(&file), directory.join(name).join(&file)]
}

fn read_spec(path: &Path) -> Result<PluginAddress, DiscoveryError> {
    let text = read(path)?;
    address(path, text.trim(), None)
}

fn read_json(path: &Path) -> Result<(PluginAddress, Option<Manifest>), DiscoveryError> {
    let text = read(path)?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| DiscoveryError::Invalid {
            path: path.to_owned(),
            why: format!("no valid plugin file: {error}"),
            docker: match crate::json::decode(text.as_bytes()) {
                Err(docker) => docker,
                // Valid JSON of the wrong shape.
                Ok(_) => error.to_string(),
            },
        })?;
    let address = address(path, manifest.address.trim(), manifest.tls.as_ref())?;
    Ok((address, Some(manifest)))
}

fn address(
    path: &Path,
    text: &str,
    tls: Option<&TlsConfig>,
) -> Result<PluginAddress, DiscoveryError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(DiscoveryError::Invalid {
            path: path.to_owned(),
            why: format!(
                "`{text}` has no scheme: it should be one URL, such as unix:///run/x.sock"
            ),
            docker: "Unknown protocol".to_owned(),
        });
    };
    // Whatever stands behind host and port is ignored.
    let host = || rest.split('/').next().unwrap_or_default().to_owned();
    Ok(match (scheme, tls) {
        ("unix", _) => PluginAddress::Unix(rest.into()),
        ("https", tls) => PluginAddress::Https {
            host: host(),
            tls: tls.cloned().unwrap_or_default(),
        },
        // Any other scheme is plain HTTP to dockerd.
        _ => PluginAddress::Tcp(host()),
    })
}

fn read(path: &Path) -> Result<String, DiscoveryError> {
    fs::read_to_string(path).map_err(|source| DiscoveryError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn list(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Go writes an absent file as an empty string.
fn path_or_none<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.filter(|text| !text.is_empty()).map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;
    use std::path::Path;

    use super::{Directories, PluginAddress};

    fn directories(root: &Path) -> Directories {
        for name in ["run", "etc", "lib"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        Directories {
            sockets: vec![root.join("run")],
            specs: vec![root.join("etc"), root.join("lib")],
        }
    }

    #[test]
    fn a_socket_hides_a_spec_which_hides_a_json() {
        let root = tempfile::tempdir().unwrap();
        let directories = directories(root.path());
        assert!(
            directories
                .find("p")
                .unwrap_err()
                .to_string()
                .contains("\"p\" not found")
        );

        fs::create_dir(root.path().join("lib/p")).unwrap();
        fs::write(root.path().join("lib/p/p.spec"), " tcp://h:1/base \n").unwrap();
        assert_eq!(
            directories.find("p").unwrap().address,
            PluginAddress::Tcp("h:1".into())
        );

        fs::write(
            root.path().join("etc/p.json"),
            r#"{"Name":"other","Addr":"https://h:2","TLSConfig":{"CAFile":""}}"#,
        )
        .unwrap();
        let found = directories.find("p").unwrap();
        assert_eq!(found.name, "p");
        assert!(
            matches!(found.address, PluginAddress::Https { ref host, ref tls } if host == "h:2" && tls.ca.is_none())
        );

        fs::write(root.path().join("etc/p.spec"), "unix:///x.sock").unwrap();
        assert_eq!(
            directories.find("p").unwrap().address,
            PluginAddress::Unix("/x.sock".into())
        );

        let _listener = UnixListener::bind(root.path().join("run/p.sock")).unwrap();
        let found = directories.find("p").unwrap();
        assert_eq!(found.path, root.path().join("run/p.sock"));
        assert_eq!(found.shadowed.len(), 3);
    }

    #[test]
    fn a_scan_passes_over_links_and_other_files() {
        let root = tempfile::tempdir().unwrap();
        let directories = directories(root.path());
        let run = root.path().join("run");
        let _flat = UnixListener::bind(run.join("flat.sock")).unwrap();
        std::os::unix::fs::symlink(run.join("flat.sock"), run.join("link.sock")).unwrap();
        fs::write(run.join("file.sock"), "").unwrap();
        fs::write(run.join("wrong.spec"), "unix:///x").unwrap();
        for folder in ["nested", "other"] {
            fs::create_dir(run.join(folder)).unwrap();
        }
        let _nested = UnixListener::bind(run.join("nested/nested.sock")).unwrap();
        let _other = UnixListener::bind(run.join("other/nested.sock")).unwrap();
        fs::write(root.path().join("lib/a.json"), "{}").unwrap();
        fs::create_dir(root.path().join("etc/b")).unwrap();
        fs::write(root.path().join("etc/b/b.spec"), "").unwrap();
        assert_eq!(directories.scan().unwrap(), ["flat", "nested", "b", "a"]);
        assert!(directories.find("link").is_ok());
    }

    #[test]
    fn a_file_called_sock_is_no_socket_and_a_broken_spec_is_told() {
        let root = tempfile::tempdir().unwrap();
        let directories = directories(root.path());
        fs::write(root.path().join("run/p.sock"), "").unwrap();
        assert!(directories.find("p").is_err());
        fs::write(root.path().join("etc/p.spec"), "no-scheme").unwrap();
        assert!(
            directories
                .find("p")
                .unwrap_err()
                .to_string()
                .contains("no scheme")
        );
        fs::write(root.path().join("etc/q.json"), "{").unwrap();
        assert!(
            directories
                .find("q")
                .unwrap_err()
                .to_string()
                .contains("no valid plugin file")
        );
    }
}
