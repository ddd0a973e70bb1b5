//! Volumes on Windows and Samba servers, mounted with `mount.cifs`.
//!
//! A volume is a directory of the default share (`--share`), or names its share: by
//! `-o share=host/share`, or by its own name: `-v host/share:/data`. User names and passwords
//! reach `mount.cifs` in a file that is gone when it has ended.

mod credentials;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    BackendConfig, Found, Site,
    directories::Naming,
    local::unique,
    nfs::is_host,
    options::{Given, PassThrough},
    shares::{Protocol, Shares, SharesArgs, Wish, attributes, directory},
};
use crate::{
    StartError,
    error::{Error, Quoted},
    mount::{
        helper::Helper,
        options::{MountOptions, check_value},
        secrets::{self, PrivateFile},
    },
    types::{Options, VolumeName},
};
use credentials::{Credentials, Sources};

const VERSIONS: [&str; 7] = ["1.0", "2.0", "2.1", "3", "3.0", "3.1.1", "default"];

const THROUGH: PassThrough = PassThrough {
    prefix: "cifs-",
    values: &[
        "acregmax",
        "actimeo",
        "bsize",
        "cache",
        "echo_interval",
        "iocharset",
        "max_channels",
        "port",
        "rsize",
        "sec",
        "wsize",
    ],
    flags: &[
        "hard",
        "mfsymlinks",
        "multichannel",
        "noatime",
        "nobrl",
        "nodev",
        "noexec",
        "noserverino",
        "nosuid",
        "seal",
        "serverino",
        "sfu",
        "soft",
    ],
};

const ACCEPTED: [&str; 15] = [
    "create",
    "dir_mode",
    "domain",
    "file_mode",
    "gid",
    "mode",
    "password",
    "password-file",
    "path",
    "ro",
    "share",
    "uid",
    "user",
    "username",
    "vers",
];

/// `volplug-driver cifs`
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct CifsArgs {
    /// The default share: each of its directories is a volume. Without it, a volume may be named
    /// after its share, as in host/share
    #[arg(long, value_name = "HOST/SHARE", env = "VOLPLUG_SHARE", value_parser = parse_share)]
    pub share: Option<CifsShare>,

    /// The user name and password for all servers: lines of username=, password= and domain=
    #[arg(long, value_name = "FILE", env = "VOLPLUG_CREDENTIALS_FILE")]
    pub credentials_file: Option<PathBuf>,

    /// The same for single servers: a file in this directory is named after its host
    #[arg(long, value_name = "DIR", env = "VOLPLUG_CREDENTIALS_DIR")]
    pub credentials_dir: Option<PathBuf>,

    /// User names and passwords by server, as lines of machine HOST login USER password PASSWORD
    #[arg(long, value_name = "FILE", env = "VOLPLUG_NETRC")]
    pub netrc: Option<PathBuf>,

    /// The SMB version, where a volume asks for none
    #[arg(long, value_name = "VERSION", env = "VOLPLUG_CIFS_VERSION", value_parser = clap::builder::PossibleValuesParser::new(VERSIONS))]
    pub cifs_version: Option<String>,

    /// Mount options for every volume, in place of these
    #[arg(
        long,
        value_name = "LIST",
        env = "VOLPLUG_MOUNT_OPTIONS",
        default_value = "soft,nodev"
    )]
    pub mount_options: String,

    /// What all file servers take
    #[command(flatten)]
    pub shares: SharesArgs,
}

/// Where a share is, and who may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CifsShare {
    host: String,
    /// The share and the directories below it.
    path: String,
    /// What the volume's options say; anything else comes from the driver's files.
    credentials: Option<Credentials>,
}

impl CifsShare {
    /// `//host/share`
    fn source(&self) -> String {
        format!("//{}/{}", self.host, self.path)
    }
}

/// The CIFS backend.
pub type Cifs = Shares<CifsProtocol>;

impl BackendConfig for CifsArgs {
    type Backend = Cifs;

    fn open(&self, site: &Site<'_>) -> Result<(Cifs, Vec<Found>), StartError> {
        let mut defaults = MountOptions::trusted(&self.mount_options);
        if let Some(version) = &self.cifs_version {
            defaults.put("vers", version);
        }
        let protocol = CifsProtocol {
            share: self.share.clone(),
            sources: Sources {
                netrc: self.netrc.clone(),
                directory: self.credentials_dir.clone(),
                file: self.credentials_file.clone(),
            },
            defaults,
            private: site.root.own().join("private"),
        };
        Shares::open(protocol, site, &self.shares)
    }
}

/// How CIFS shares are named and mounted.
#[derive(Debug)]
pub struct CifsProtocol {
    share: Option<CifsShare>,
    sources: Sources,
    defaults: MountOptions,
    /// Where files for `mount.cifs` are written.
    private: PathBuf,
}

impl Protocol for CifsProtocol {
    type Share = CifsShare;

    const NAME: &'static str = "cifs";
    // Windows takes `A` and `a` for the same name.
    const NAMING: Naming = Naming::Encoded;

    fn wish(&self, name: &VolumeName, options: &Options) -> Result<Wish<CifsShare>, Error> {
        let given = Given::check(options, &ACCEPTED, Some(&THROUGH))?;
        let mut share = match given.text("share")? {
            Some(share) => Some(
                parse_share(share).map_err(|problem| Error::invalid_option("share", problem))?,
            ),
            None if self.share.is_none() => parse_share(name).ok(),
            None => None,
        };
        let credentials = credentials_of(&given)?;
        match (&mut share, credentials) {
            (_, None) => {}
            (Some(share), credentials) => share.credentials = credentials,
            (None, Some(_)) => {
                return Err(Error::invalid_option(
                    "username",
                    "goes with -o share=host/share only",
                ));
            }
        }
        let mut mount = given.mount_options()?;
        if let Some(version) = given.choice("vers", &VERSIONS)? {
            mount.put("vers", version);
        }
        let attributes = attributes(&given)?;
        for (key, id) in [("uid", attributes.uid), ("gid", attributes.gid)] {
            if let Some(id) = id {
                mount.put(key, id);
            }
        }
        for key in ["file_mode", "dir_mode"] {
            if let Some(mode) = given.mode(key)? {
                mount.put(key, format_args!("0{mode:o}"));
            }
        }
        given.pass_through(&THROUGH, &mut mount)?;
        // mount.cifs takes a comma for the end of the share's name.
        given.value("path")?;
        let (path, create) = directory(&given, share.is_some(), "share=host/share")?;
        Ok(Wish {
            share,
            path,
            create,
            attributes,
            options: mount,
        })
    }

    fn default_share(&self) -> Option<&CifsShare> {
        self.share.as_ref()
    }

    fn shown(&self, share: &CifsShare) -> String {
        share.source()
    }

    fn below(&self, share: &CifsShare, directory: &str) -> CifsShare {
        CifsShare {
            path: format!("{}/{directory}", share.path),
            ..share.clone()
        }
    }

    async fn mount(
        &self,
        share: &CifsShare,
        options: &MountOptions,
        point: &Path,
        limit: Duration,
    ) -> Result<(), Error> {
        let credentials = match &share.credentials {
            Some(credentials) => Some(credentials.clone()),
            None => self.sources.of(&share.host)?,
        };
        let mut all = self.defaults.clone();
        all.extend(options);
        let file = match &credentials {
            None => None,
            Some(credentials) => {
                let file = PrivateFile::write(&self.private, &unique(), &credentials.as_file())
                    .map_err(|cause| {
                        Error::internal("write the credentials for mount.cifs", cause)
                    })?;
                Some(file)
            }
        };
        let mut helper = helper(share, &all, file.as_ref().map(PrivateFile::path), point);
        if let Some(credentials) = &credentials {
            helper = helper.hiding(credentials.password.expose());
        }
        helper.run(limit).await.map(drop)
    }
}

/// `mount.cifs //HOST/SHARE POINT -o OPTIONS`, see mount.cifs(8).
fn helper(
    share: &CifsShare,
    options: &MountOptions,
    credentials: Option<&Path>,
    point: &Path,
) -> Helper {
    let mut options = options.clone();
    match credentials {
        Some(path) => options.put("credentials", path.display()),
        None => options.flag("guest"),
    }
    Helper::new("mount.cifs", "cifs-utils")
        .arg(share.source())
        .arg(point)
        .arg("-o")
        .arg(options.to_string())
}

/// The user that the volume's options name.
fn credentials_of(given: &Given<'_>) -> Result<Option<Credentials>, Error> {
    let username = match given.text("username")? {
        Some(username) => Some(username),
        None => given.text("user")?,
    };
    let password = match (given.text("password")?, given.text("password-file")?) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid_option(
                "password-file",
                "there is a password already",
            ));
        }
        (Some(password), None) => Some(secrets::Secret::new(password)),
        (None, Some(path)) => Some(
            secrets::read_line(Path::new(path))
                .map_err(|problem| Error::invalid_option("password-file", problem))?,
        ),
        (None, None) => None,
    };
    let domain = given.text("domain")?;
    match (username, password) {
        (None, None) if domain.is_none() => Ok(None),
        (Some(username), Some(password)) => Ok(Some(Credentials {
            username: username.to_owned(),
            password,
            domain: domain.map(str::to_owned),
        })),
        (None, _) => Err(Error::invalid_option("username", "missing")),
        (Some(_), None) => Err(Error::invalid_option("password-file", "missing")),
    }
}

/// `host/share` or `//host/share`, with directories below it perhaps.
///
/// `mount.cifs` puts the share among the mount options, so what cannot be an option's value
/// cannot be in it.
fn parse_share(text: &str) -> Result<CifsShare, String> {
    let expected = || format!("{} is no CIFS share; expected HOST/SHARE", Quoted(text));
    let plain = text.strip_prefix("//").unwrap_or(text);
    let (host, path) = plain.split_once('/').ok_or_else(expected)?;
    let path = path.trim_end_matches('/');
    let parts = path
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != "..");
    // A colon is a port or an IPv6 address, which such names cannot hold.
    if !is_host(host) || host.contains(':') || !parts || check_value(path).is_err() {
        return Err(expected());
    }
    Ok(CifsShare {
        host: host.to_owned(),
        path: path.to_owned(),
        credentials: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol() -> CifsProtocol {
        CifsProtocol {
            share: None,
            sources: Sources::default(),
            defaults: MountOptions::trusted("soft,nodev"),
            private: "/nonexistent".into(),
        }
    }

    fn wish(name: &str, options: &[(&str, &str)]) -> Result<Wish<CifsShare>, String> {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect();
        let name = VolumeName::new(name).unwrap();
        protocol()
            .wish(&name, &options)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_run() {
        let options = [
            ("share", "//nas/public"),
            ("path", "a/b"),
            ("vers", "3.1.1"),
            ("uid", "1000"),
            ("file_mode", "0640"),
            ("ro", ""),
            ("username", "me"),
            ("password", "p,w\"o $r\\d"),
        ];
        let wish = wish("v", &options).unwrap();
        let share = protocol().below(wish.share.as_ref().unwrap(), wish.path.as_ref().unwrap());
        let argv = helper(
            &share,
            &wish.options,
            Some(Path::new("/run/c")),
            Path::new("/m"),
        )
        .shown();
        assert_eq!(
            argv,
            [
                "mount.cifs",
                "//nas/public/a/b",
                "/m",
                "-o",
                "ro,vers=3.1.1,uid=1000,file_mode=0640,credentials=/run/c"
            ]
        );
        let credentials = share.credentials.unwrap();
        assert_eq!(
            credentials.as_file(),
            "username=me\npassword=p,w\"o $r\\d\n"
        );
        assert!(!format!("{credentials:?}").contains("$r"));
        let guest = super::tests::wish("nas/public", &[]).unwrap();
        let argv = helper(
            &guest.share.unwrap(),
            &MountOptions::default(),
            None,
            Path::new("/m"),
        )
        .shown();
        assert_eq!(argv, ["mount.cifs", "//nas/public", "/m", "-o", "guest"]);
    }

    #[test]
    fn no_value_adds_an_option() {
        for (key, value) in [
            ("share", "nas"),
            ("share", "nas/a,uid=0"),
            ("share", "-o/x"),
            ("share", "nas/../x"),
            ("share", "nas//x"),
            ("path", "a,uid=0"),
            ("path", "../x"),
            ("vers", "3.0,uid=0"),
            ("uid", "0,suid"),
            ("file_mode", "rw"),
            ("cifs-sec", "ntlmv2,uid=0"),
            ("cifs-uid", "0"),
            ("username", "a\nb"),
            ("password", "a\nusername=root"),
            ("domain", "a\nb"),
        ] {
            let mut options = vec![
                ("share", "nas/public"),
                ("username", "u"),
                ("password", "p"),
            ];
            options.retain(|(known, _)| *known != key);
            options.push((key, value));
            let error = wish("v", &options).unwrap_err();
            assert!(
                error.contains(&format!("option \"{key}\"")),
                "{key}={value}: {error}"
            );
        }
    }
}
