//! Who may use a share: from files by server, in the order of how well they fit.

use std::path::PathBuf;

use crate::{
    error::Error,
    mount::secrets::{self, Secret},
};

/// A user of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: Secret,
    pub(super) domain: Option<String>,
}

impl Credentials {
    /// The file that `mount.cifs` reads. Values run to the end of their line and need no quotes;
    /// none holds a line break.
    pub(super) fn as_file(&self) -> String {
        let Self {
            username,
            password,
            domain,
        } = self;
        let mut file = format!("username={username}\npassword={}\n", password.expose());
        if let Some(domain) = domain {
            file.push_str(&format!("domain={domain}\n"));
        }
        file
    }

    /// Reads that format.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let value = |wanted: &[&str]| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                wanted.contains(&key.trim()).then(|| value.to_owned())
            })
        };
        Ok(Self {
            username: value(&["username", "user"]).ok_or("it has no line username=…")?,
            password: value(&["password", "pass"])
                .map(Secret::new)
                .ok_or("it has no line password=…")?,
            domain: value(&["domain", "dom", "workgroup"]),
        })
    }
}

/// Where the driver's own credentials are.
#[derive(Debug, Default)]
pub(super) struct Sources {
    /// One file for many servers.
    pub(super) netrc: Option<PathBuf>,
    /// A file per server.
    pub(super) directory: Option<PathBuf>,
    /// For any server.
    pub(super) file: Option<PathBuf>,
}

impl Sources {
    /// The credentials for a server; `None`: as a guest.
    pub(super) fn of(&self, host: &str) -> Result<Option<Credentials>, Error> {
        if let Some(directory) = &self.directory {
            // A host name has no slash, and does not begin with a dot.
            let path = directory.join(host);
            if path.exists() {
                return read(path).map(Some);
            }
        }
        if let Some(path) = &self.netrc {
            let text = secrets::read(path).map_err(unusable)?;
            if let Some(found) = in_netrc(text.expose(), host) {
                return Ok(Some(found));
            }
        }
        self.file.clone().map(read).transpose()
    }
}

fn read(path: PathBuf) -> Result<Credentials, Error> {
    let text = secrets::read(&path).map_err(unusable)?;
    Credentials::parse(text.expose())
        .map_err(|problem| unusable(format!("{}: {problem}", path.display())))
}

fn unusable(problem: String) -> Error {
    Error::internal("use the credentials file", problem)
}

/// `machine HOST login USER password PASSWORD account DOMAIN`; `default` stands for any host.
fn in_netrc(text: &str, host: &str) -> Option<Credentials> {
    let mut words = text.split_whitespace();
    let mut ours = false;
    let (mut username, mut password, mut domain) = (None, None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" => {
                if ours && username.is_some() {
                    break;
                }
                ours = word == "default"
                    || words
                        .next()
                        .is_some_and(|name| name.eq_ignore_ascii_case(host));
                (username, password, domain) = (None, None, None);
            }
            "login" if ours => username = words.next(),
            "password" if ours => password = words.next(),
            "account" if ours => domain = words.next(),
            _ => {}
        }
    }
    Some(Credentials {
        username: username.filter(|_| ours)?.to_owned(),
        password: Secret::new(password?),
        domain: domain.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn the_best_fitting_file_wins() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        let hosts = directory.path().join("hosts");
        fs::create_dir(&hosts).unwrap();
        write(
            "hosts/nas1",
            "username=one\npassword= p=1,\"2\" \ndomain=D\n",
        );
        let sources = Sources {
            netrc: Some(write(
                "netrc",
                "machine nas2 login two password p2\nmachine nas3\n  login three\n  password p3\n",
            )),
            directory: Some(hosts),
            file: Some(write("any", "username=any\npassword=p\n")),
        };
        let of = |host: &str| {
            let found = sources.of(host).unwrap().unwrap();
            (
                found.username,
                found.password.expose().to_owned(),
                found.domain,
            )
        };
        assert_eq!(
            of("nas1"),
            ("one".into(), " p=1,\"2\" ".into(), Some("D".into()))
        );
        assert_eq!(of("nas2"), ("two".into(), "p2".into(), None));
        assert_eq!(of("NAS3"), ("three".into(), "p3".into(), None));
        assert_eq!(of("other").0, "any");
        assert!(Sources::default().of("nas1").unwrap().is_none());
        write("any", "password=alone");
        let error = sources.of("other").unwrap_err().to_string();
        assert!(
            error.contains("username") && !error.contains("alone"),
            "{error}"
        );
    }
}
