//! The file that tells dockerd where a plugin listens, when it is not a socket in
//! `/run/docker/plugins`.
//!
//! dockerd reads `NAME.spec` (one address) and `NAME.json` (an address, and TLS) in
//! `/etc/docker/plugins` and `/usr/lib/docker/plugins`
//! ([discovery](https://docs.docker.com/engine/extend/plugin_api/#plugin-discovery)); the plugin's
//! name is the file's, the `Name` inside is ignored. A file left behind by a crash costs every
//! `docker volume ls` 15 s, so it is removed as early as possible, and a stale one is replaced.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::StartError;

/// How long a plugin that another file names may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the engine needs to know of a plugin behind TLS: files on the *engine's* machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientTls {
    /// What verifies the plugin. Without it dockerd verifies nothing.
    pub(crate) ca: PathBuf,
    /// The engine's own certificate and key, where the plugin asks for one.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// What goes into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement<'a> {
    pub(crate) name: &'a str,
    /// A URL: `unix://`, `tcp://` or `https://`.
    pub(crate) address: &'a str,
    /// Given, the file is JSON.
    pub(crate) tls: Option<&'a ClientTls>,
}

impl Announcement<'_> {
    /// `spec` or `json`.
    pub(crate) fn extension(&self) -> &'static str {
        if self.tls.is_some() { "json" } else { "spec" }
    }

    fn content(&self) -> Vec<u8> {
        let Some(tls) = self.tls else {
            return format!("{}\n", self.address).into_bytes();
        };
        let mut config = json!({ "InsecureSkipVerify": false, "CAFile": tls.ca });
        if let (Some((certificate, key)), Some(config)) = (&tls.identity, config.as_object_mut()) {
            config.insert("CertFile".to_owned(), json!(certificate));
            config.insert("KeyFile".to_owned(), json!(key));
        }
        let file = json!({ "Name": self.name, "Addr": self.address, "TLSConfig": config });
        format!("{file:#}\n").into_bytes()
    }
}

/// Our file. Removed when dropped, if it still is ours.
#[derive(Debug)]
pub(crate) struct SpecFile {
    path: PathBuf,
    content: Vec<u8>,
}

impl SpecFile {
    /// Writes the file, all at once: dockerd never sees a part of it.
    ///
    /// # Errors
    /// When the file names another plugin that is alive, or cannot be written.
    pub(crate) fn write(path: &Path, announcement: &Announcement<'_>) -> Result<Self, StartError> {
        let failed = |reason: &dyn std::fmt::Display| StartError::spec_file(path, reason);
        let path = std::path::absolute(path).map_err(|error| failed(&error))?;
        let content = announcement.content();
        clear_the_way(&path, &content, announcement.address).map_err(|reason| failed(&reason))?;
        replace(&path, &content).map_err(|error| failed(&error))?;
        tracing::info!(path = %path.display(), address = announcement.address, "announced");
        Ok(Self { path, content })
    }
}

impl Drop for SpecFile {
    fn drop(&mut self) {
        if fs::read(&self.path).is_ok_and(|content| content == self.content) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Refuses to take the name of a plugin that is alive; says so when it takes one that is not.
fn clear_the_way(path: &Path, content: &[u8], ours: &str) -> Result<(), String> {
    let present = match fs::read(path) {
        Ok(present) => present,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    // We listen there ourselves: whoever wrote it is gone.
    if present == content {
        return Ok(());
    }
    match address_in(&present) {
        Some(address) if address != ours && is_alive(&address) => Err(format!(
            "it names a plugin that answers at {address}: stop that plugin, or choose another \
             --name"
        )),
        address => {
            tracing::warn!(
                path = %path.display(), address = address.as_deref().unwrap_or("none"),
                "replacing a plugin file of somebody who does not answer"
            );
            Ok(())
        }
    }
}

/// The address in a plugin file of either kind.
fn address_in(content: &[u8]) -> Option<String> {
    let address = match serde_json::from_slice::<Value>(content) {
        Ok(Value::Object(fields)) => fields.get("Addr")?.as_str()?.to_owned(),
        _ => std::str::from_utf8(content).ok()?.trim().to_owned(),
    };
    address.contains("://").then_some(address)
}

fn is_alive(address: &str) -> bool {
    let Some((scheme, rest)) = address.split_once("://") else {
        return false;
    };
    if scheme == "unix" {
        return UnixStream::connect(rest).is_ok();
    }
    let host = rest.split('/').next().unwrap_or_default();
    host.to_socket_addrs().is_ok_and(|mut addresses| {
        addresses.any(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
    })
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it is no path of a file"));
    };
    fs::create_dir_all(directory)?;
    // dockerd looks at files that end in .spec and .json only.
    let temporary = directory.join(format!(
        ".{}.{}.tmp",
        name.to_string_lossy(),
        std::process::id()
    ));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let done = written.and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn plain<'a>(address: &'a str) -> Announcement<'a> {
        Announcement {
            name: "mine",
            address,
            tls: None,
        }
    }

    #[test]
    fn tls_is_told_in_the_fields_of_docker() {
        let tls = ClientTls {
            ca: "/etc/ca.pem".into(),
            identity: Some(("/etc/cert.pem".into(), "/etc/key.pem".into())),
        };
        let announcement = Announcement {
            name: "mine",
            address: "https://plugin:7979",
            tls: Some(&tls),
        };
        assert_eq!(announcement.extension(), "json");
        let value: Value = serde_json::from_slice(&announcement.content()).unwrap();
        assert_eq!(
            value,
            json!({"Name": "mine", "Addr": "https://plugin:7979", "TLSConfig": {
                "InsecureSkipVerify": false, "CAFile": "/etc/ca.pem",
                "CertFile": "/etc/cert.pem", "KeyFile": "/etc/key.pem"}})
        );
        assert_eq!(
            address_in(&announcement.content()).as_deref(),
            Some("https://plugin:7979")
        );
    }

    #[test]
    fn a_living_plugin_keeps_its_file_and_a_dead_one_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let (socket, file) = (
            directory.path().join("s.sock"),
            directory.path().join("p.spec"),
        );
        let other = UnixListener::bind(&socket).unwrap();
        fs::write(&file, format!(" unix://{}\n", socket.display())).unwrap();
        let refusal = SpecFile::write(&file, &plain("tcp://127.0.0.1:1")).unwrap_err();
        assert!(
            refusal.to_string().contains("answers at unix://"),
            "{refusal}"
        );
        drop(other);
        let ours = SpecFile::write(&file, &plain("tcp://127.0.0.1:1")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "tcp://127.0.0.1:1\n");
        drop(ours);
        assert!(!file.exists());
    }

    #[test]
    fn a_file_that_is_no_longer_ours_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("p.spec");
        let ours = SpecFile::write(&file, &plain("tcp://127.0.0.1:1")).unwrap();
        fs::write(&file, "tcp://127.0.0.1:2").unwrap();
        drop(ours);
        assert!(file.exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
