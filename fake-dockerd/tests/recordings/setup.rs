//! Where the plugins of a scenario listen, and what stands in for the recorded paths.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fake_dockerd::discovery::Directories;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

use super::format::Recording;
use super::plugin::{Place, TlsAcceptorDebug};

/// The recorded directories and what stands for them below the scenario's own.
const DIRECTORIES: [(&str, &str); 6] = [
    ("/run/docker/plugins", "r"),
    ("/etc/docker/plugins", "e"),
    ("/usr/lib/docker/plugins", "l"),
    ("/sock", "s"),
    // What `docker cp` copies from and to.
    ("/files", "f"),
    // The plugins' mountpoints.
    ("/var/lib/recvol", "m"),
];

/// Scenarios in which the plugin listens somewhere else than in a socket of its name, and no file
/// of the recording says where.
const ELSEWHERE: [(&str, &str); 4] = [
    ("discovery-sock-in-etc", "/etc/docker/plugins/recvol.sock"),
    (
        "discovery-sock-other-subdir",
        "/run/docker/plugins/other/recvol.sock",
    ),
    (
        "discovery-sock-subdir",
        "/run/docker/plugins/recvol/recvol.sock",
    ),
    ("discovery-sock-symlink", "/sock/hidden.sock"),
];

/// Scenarios that begin without a plugin.
const ABSENT: [&str; 5] = [
    "discovery-socket-missing",
    "discovery-plain-file-as-socket",
    "discovery-stale-socket",
    "discovery-stale-socket-appears-3s",
    "stale-socket-rm-unknown",
];

/// A scenario's surroundings.
#[derive(Debug)]
pub(crate) struct Setup {
    root: tempfile::TempDir,
    pub(crate) places: HashMap<String, Place>,
    /// Plugins that listen from the start.
    pub(crate) present: Vec<String>,
    /// Recorded text and what stands for it: ports and certificates.
    replaced: Vec<(String, String)>,
}

impl Setup {
    pub(crate) fn new(recording: &Recording) -> Self {
        let root = tempfile::Builder::new().prefix("fd").tempdir().unwrap();
        for (_, short) in DIRECTORIES {
            std::fs::create_dir(root.path().join(short)).unwrap();
        }
        std::fs::write(root.path().join("f/in1"), "in1\n").unwrap();
        let mut setup = Self {
            root,
            places: HashMap::new(),
            present: Vec::new(),
            replaced: Vec::new(),
        };
        let scenario = recording.scenario.as_str();
        let calls = recording.commands.iter().flat_map(|command| &command.calls);
        let mut names: BTreeSet<&str> = calls.map(|call| call.plugin.as_str()).collect();
        if names.is_empty() {
            names.insert("recvol");
        }
        let given = recording
            .commands
            .iter()
            .filter(|command| command.argv[0] == "@write-file");
        let given: Vec<&str> = given
            .filter_map(|command| address(&command.argv[2]))
            .collect();
        for name in &names {
            let elsewhere = ELSEWHERE.iter().find(|(of, _)| *of == scenario);
            let place = match (elsewhere, given.first()) {
                (Some((_, path)), _) => Place::Unix(setup.path(path)),
                (None, Some(address)) if scenario != "discovery-sock-beats-spec" => {
                    setup.place(address)
                }
                _ => Place::Unix(setup.path(&format!("/run/docker/plugins/{name}.sock"))),
            };
            setup.places.insert((*name).to_owned(), place);
        }
        let describes = |argv: &[String]| {
            argv[0] == "@write-file" && (argv[1].ends_with(".spec") || argv[1].ends_with(".json"))
        };
        let described = recording
            .commands
            .iter()
            .any(|command| describes(&command.argv));
        // A file without an address describes a plugin that nobody can find.
        let lost = described && given.is_empty();
        if !ABSENT.contains(&scenario) && !lost {
            setup.present = setup.places.keys().cloned().collect();
        }
        setup
    }

    /// Listens where a file says; its port is given out anew.
    fn place(&mut self, address: &str) -> Place {
        if let Some(path) = address.strip_prefix("unix://") {
            return Place::Unix(self.path(path));
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let recorded = address.rsplit(':').next().unwrap();
        let recorded = recorded.split('/').next().unwrap().trim();
        self.replaced.push((recorded.to_owned(), port));
        let listener = Arc::new(listener);
        if !address.starts_with("https://") {
            return Place::Tcp(listener);
        }
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        self.replaced
            .push(("-----BEGIN".to_owned(), certified.cert.pem()));
        let key = certified.signing_key.serialize_der().try_into().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        Place::Tls(
            listener,
            TlsAcceptorDebug(TlsAcceptor::from(Arc::new(config))),
        )
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn data_root(&self) -> PathBuf {
        self.root.path().join("d")
    }

    pub(crate) fn directories(&self) -> Directories {
        let at = |short: &str| self.root.path().join(short);
        Directories {
            sockets: vec![at("r")],
            specs: vec![at("e"), at("l")],
        }
    }

    /// What stands for a recorded path.
    pub(crate) fn path(&self, recorded: &str) -> PathBuf {
        for (directory, short) in DIRECTORIES {
            if let Ok(rest) = Path::new(recorded).strip_prefix(directory) {
                return self.root.path().join(short).join(rest);
            }
        }
        panic!("{recorded} is in none of the recorded directories");
    }

    /// A recorded text with what stands for its paths and ports.
    pub(crate) fn played(&self, recorded: &str) -> String {
        let mut text = recorded.to_owned();
        for (theirs, ours) in &self.replaced {
            if theirs == "-----BEGIN" {
                if text.starts_with(theirs.as_str()) {
                    return ours.clone();
                }
            } else {
                text = text.replace(theirs, ours);
            }
        }
        for (directory, short) in DIRECTORIES {
            let ours = self.root.path().join(short);
            text = text.replace(directory, &ours.to_string_lossy());
        }
        text
    }

    /// Makes the directory that a plugin answers, which is there when it says so.
    pub(crate) fn with_mountpoint(&self, body: String) -> String {
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let mountpoint = answer["Mountpoint"].as_str().unwrap_or_default();
        if Path::new(mountpoint).starts_with(self.root.path()) {
            std::fs::create_dir_all(mountpoint).unwrap();
        }
        body
    }

    /// A text of the replay as it would have been recorded.
    pub(crate) fn recorded(&self, played: &str) -> String {
        let mut text = played.to_owned();
        let escaped = |path: &str| path.replace('/', "%2F");
        for (directory, short) in DIRECTORIES {
            let ours = self.root.path().join(short).to_string_lossy().into_owned();
            text = text.replace(&ours, directory);
            text = text.replace(&escaped(&ours), &escaped(directory));
        }
        let volumes = self.data_root().join("volumes");
        text = text.replace(&*volumes.to_string_lossy(), "/var/lib/docker/volumes");
        for (theirs, ours) in &self.replaced {
            if theirs != "-----BEGIN" {
                text = text.replace(ours, theirs);
            }
        }
        text
    }
}

/// The address in a spec or JSON file.
fn address(content: &str) -> Option<&str> {
    let content = match content.split_once("\"Addr\": \"") {
        Some((_, rest)) => rest.split('"').next()?,
        None => content,
    };
    content.contains("://").then_some(content.trim())
}
