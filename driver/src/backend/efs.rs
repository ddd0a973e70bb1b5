//! Volumes on Amazon EFS.
//!
//! EFS is NFS 4.1 with names of its own: a volume is a file system, `fs-0123abcd`, or a directory
//! of one, in its name (`-v fs-0123abcd/path:/data`) or in `-o fs-id=`. With `--fs-id`, each
//! directory of that file system is a volume. Where Amazon's mount helper is installed it mounts,
//! with TLS; `mount.nfs` does otherwise.

mod target;

use std::{net::IpAddr, path::Path, time::Duration};

use clap::ValueEnum;

use super::{
    BackendConfig, Found, Site,
    directories::Naming,
    nfs::{self, NfsShare},
    options::{Given, PassThrough},
    shares::{Protocol, Shares, SharesArgs, Wish, attributes, relative},
};
use crate::{
    StartError,
    error::{Error, Quoted},
    http::metadata::Metadata,
    mount::{helper::Helper, options::MountOptions},
    types::{Options, VolumeName},
};
use target::Targets;

const HELPER: &str = "mount.efs";

const THROUGH: PassThrough = PassThrough {
    prefix: "nfs-",
    values: &[
        "acdirmax",
        "acdirmin",
        "acregmax",
        "acregmin",
        "actimeo",
        "lookupcache",
        "rsize",
        "timeo",
        "retrans",
        "wsize",
    ],
    flags: &[
        "ac", "hard", "noac", "noatime", "nodev", "noexec", "nosuid", "relatime", "soft", "softerr",
    ],
};

const ACCEPTED: [&str; 9] = [
    "access-point",
    "create",
    "fs-id",
    "gid",
    "mode",
    "mount-target",
    "path",
    "ro",
    "uid",
];

/// `volplug-driver efs`
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct EfsArgs {
    /// The file system whose directories are volumes. Without it, a volume is named after its
    /// file system, as in fs-0123abcd or fs-0123abcd/path
    #[arg(long, value_name = "FS-ID", env = "VOLPLUG_FS_ID", value_parser = parse_fs_id)]
    pub fs_id: Option<String>,

    /// The access point of that file system to go through; needs Amazon's mount helper
    #[arg(long, value_name = "FSAP-ID", env = "VOLPLUG_ACCESS_POINT", value_parser = parse_access_point)]
    pub access_point: Option<String>,

    /// The address of the mount target, for networks where names of file systems mean nothing
    #[arg(long, value_name = "IP", env = "VOLPLUG_MOUNT_TARGET")]
    pub mount_target: Option<IpAddr>,

    /// The region [default: the one of this instance]
    #[arg(long, env = "VOLPLUG_REGION", value_parser = parse_region)]
    pub region: Option<String>,

    /// The domain of mount targets
    #[arg(long, env = "VOLPLUG_EFS_DOMAIN", default_value = "amazonaws.com", hide = true, value_parser = parse_domain)]
    pub domain: String,

    /// The instance's metadata service
    #[arg(long, value_name = "URL", env = "VOLPLUG_METADATA_URL", default_value = crate::http::metadata::DEFAULT_URL)]
    pub metadata_url: String,

    /// Ask the metadata service without a token when it gives none (version 1)
    #[arg(long, env = "VOLPLUG_ALLOW_METADATA_V1", value_parser = clap::builder::FalseyValueParser::new())]
    pub allow_metadata_v1: bool,

    /// Encrypt the connection with Amazon's mount helper
    #[arg(long, env = "VOLPLUG_EFS_TLS", default_value = "auto")]
    pub tls: Tls,

    /// NFS mount options for every volume, in place of these
    #[arg(
        long,
        value_name = "LIST",
        env = "VOLPLUG_MOUNT_OPTIONS",
        default_value = "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,nodev"
    )]
    pub mount_options: String,

    /// What all file servers take
    #[command(flatten)]
    pub shares: SharesArgs,
}

/// `--tls`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Tls {
    /// Where the helper is installed.
    Auto,
    /// Always; without the helper nothing is mounted.
    On,
    /// Never; mount.nfs mounts.
    Off,
}

/// A directory of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EfsShare {
    fs_id: String,
    path: String,
    access_point: Option<String>,
    mount_target: Option<IpAddr>,
}

/// The EFS backend.
pub type Efs = Shares<EfsProtocol>;

impl BackendConfig for EfsArgs {
    type Backend = Efs;

    fn open(&self, site: &Site<'_>) -> Result<(Efs, Vec<Found>), StartError> {
        let share = self.fs_id.as_ref().map(|fs_id| EfsShare {
            fs_id: fs_id.clone(),
            path: "/".to_owned(),
            access_point: self.access_point.clone(),
            mount_target: self.mount_target,
        });
        let metadata = Metadata::new(&self.metadata_url, self.allow_metadata_v1);
        let protocol = EfsProtocol {
            share,
            mount_target: self.mount_target,
            targets: Targets::new(self.region.clone(), self.domain.clone(), metadata),
            tls: self.tls,
            defaults: MountOptions::trusted(&self.mount_options),
        };
        Shares::open(protocol, site, &self.shares)
    }
}

/// How file systems are named and mounted.
#[derive(Debug)]
pub struct EfsProtocol {
    share: Option<EfsShare>,
    mount_target: Option<IpAddr>,
    targets: Targets,
    tls: Tls,
    defaults: MountOptions,
}

impl EfsProtocol {
    fn uses_helper(&self) -> Result<bool, Error> {
        match (self.tls, Helper::is_installed(HELPER)) {
            (Tls::Off, _) | (Tls::Auto, false) => Ok(false),
            (_, true) => Ok(true),
            (Tls::On, false) => Err(Error::internal(
                "encrypt the connection as --tls on asks",
                "mount.efs is not installed where the driver runs; it comes with amazon-efs-utils",
            )),
        }
    }
}

impl Protocol for EfsProtocol {
    type Share = EfsShare;

    const NAME: &'static str = "efs";
    const NAMING: Naming = Naming::Plain;

    fn wish(&self, name: &VolumeName, options: &Options) -> Result<Wish<EfsShare>, Error> {
        let given = Given::check(options, &ACCEPTED, Some(&THROUGH))?;
        let named = match given.text("fs-id")? {
            Some(fs_id) => Some((
                parse_fs_id(fs_id).map_err(|problem| Error::invalid_option("fs-id", problem))?,
                None,
            )),
            None if self.share.is_none() => in_name(name),
            None => None,
        };
        let access_point = given
            .text("access-point")?
            .map(parse_access_point)
            .transpose()
            .map_err(|problem| Error::invalid_option("access-point", problem))?;
        let mount_target = given
            .text("mount-target")?
            .map(str::parse::<IpAddr>)
            .transpose()
            .map_err(|_| Error::invalid_option("mount-target", "expected an IP address"))?;
        let mut path = given.text("path")?.map(relative).transpose()?;
        let create = given.flag("create")?.unwrap_or(false);
        let share = named.map(|(fs_id, below)| {
            path = path.take().or(below);
            EfsShare {
                fs_id,
                path: "/".to_owned(),
                access_point: access_point.clone(),
                mount_target: mount_target.or(self.mount_target),
            }
        });
        if share.is_none() {
            for (key, given) in [
                ("path", path.is_some()),
                ("create", create),
                ("access-point", access_point.is_some()),
                ("mount-target", mount_target.is_some()),
            ] {
                if given {
                    return Err(Error::invalid_option(key, "goes with -o fs-id=fs-… only"));
                }
            }
            if self.share.is_none() {
                return Err(Error::invalid_option(
                    "fs-id",
                    "missing; say -o fs-id=fs-…, or name the volume after its file system, as in fs-0123abcd/path",
                ));
            }
        }
        let mut mount = given.mount_options()?;
        given.pass_through(&THROUGH, &mut mount)?;
        Ok(Wish {
            share,
            path,
            create,
            attributes: attributes(&given)?,
            options: mount,
        })
    }

    fn default_share(&self) -> Option<&EfsShare> {
        self.share.as_ref()
    }

    fn shown(&self, share: &EfsShare) -> String {
        share.fs_id.clone()
    }

    fn below(&self, share: &EfsShare, directory: &str) -> EfsShare {
        EfsShare {
            path: format!("{}/{directory}", share.path.trim_end_matches('/')),
            ..share.clone()
        }
    }

    async fn mount(
        &self,
        share: &EfsShare,
        options: &MountOptions,
        point: &Path,
        limit: Duration,
    ) -> Result<(), Error> {
        if self.uses_helper()? {
            return helper(share, options, point).run(limit).await.map(drop);
        }
        if share.access_point.is_some() {
            return Err(Error::invalid_option(
                "access-point",
                "needs Amazon's mount helper: install amazon-efs-utils where the driver runs",
            ));
        }
        let all = nfs::combined(&self.defaults, options);
        let host = match share.mount_target {
            Some(address) => address.to_string(),
            None => self.targets.of(&share.fs_id).await?,
        };
        let share = NfsShare::new(&host, &share.path);
        nfs::helper(&share, &all, point).run(limit).await.map(drop)
    }
}

/// `mount.efs FS-ID:/PATH POINT -o tls,…`, as amazon-efs-utils documents it.
fn helper(share: &EfsShare, options: &MountOptions, point: &Path) -> Helper {
    let mut all = MountOptions::default();
    all.flag("tls");
    if let Some(access_point) = &share.access_point {
        all.put("accesspoint", access_point);
    }
    if let Some(address) = &share.mount_target {
        all.put("mounttargetip", address);
    }
    all.extend(options);
    Helper::new(HELPER, "amazon-efs-utils")
        .arg(format!("{}:{}", share.fs_id, share.path))
        .arg(point)
        .arg("-o")
        .arg(all.to_string())
}

/// `fs-` and hexadecimal digits.
fn parse_fs_id(text: &str) -> Result<String, String> {
    parse_id(text, "fs-", "file system")
}

fn parse_access_point(text: &str) -> Result<String, String> {
    parse_id(text, "fsap-", "access point")
}

fn parse_id(text: &str, prefix: &str, what: &str) -> Result<String, String> {
    let hex = |digits: &str| {
        (8..=40).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if text.strip_prefix(prefix).is_some_and(hex) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{} is no ID of an EFS {what}; expected {prefix} and hexadecimal digits",
            Quoted(text)
        ))
    }
}

fn parse_region(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !text.is_empty() && text.bytes().all(fits) && !text.starts_with('-') {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{} is no region such as eu-central-1",
            Quoted(text)
        ))
    }
}

fn parse_domain(text: &str) -> Result<String, String> {
    if nfs::is_host(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("{} is no domain", Quoted(text)))
    }
}

/// `fs-0123abcd`, `fs-0123abcd/path` or `fs-0123abcd:/path`.
fn in_name(name: &str) -> Option<(String, Option<String>)> {
    let (fs_id, path) = match name.find([':', '/']) {
        Some(at) => (name.get(..at)?, name.get(at..)?.trim_start_matches(':')),
        None => (name, ""),
    };
    let fs_id = parse_fs_id(fs_id).ok()?;
    match path.trim_matches('/') {
        "" => Some((fs_id, None)),
        path if path.chars().any(char::is_control) => None,
        path => Some((fs_id, Some(relative(path).ok()?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_file_systems() {
        let of = |name: &str| in_name(name);
        assert_eq!(of("fs-0123abcd"), Some(("fs-0123abcd".into(), None)));
        assert_eq!(
            of("fs-0123abcd/a/b"),
            Some(("fs-0123abcd".into(), Some("a/b".into())))
        );
        assert_eq!(
            of("fs-0123abcd:/a"),
            Some(("fs-0123abcd".into(), Some("a".into())))
        );
        for name in [
            "data",
            "fs-xyz",
            "fs-0123abcd/../x",
            "fs-",
            "fs-0123abcd.evil.example/x",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn what_the_helper_is_given() {
        let share = EfsShare {
            fs_id: "fs-0123abcd".into(),
            path: "/a".into(),
            access_point: Some("fsap-0123456789abcdef0".into()),
            mount_target: Some([10, 0, 0, 7].into()),
        };
        let mut options = MountOptions::default();
        options.flag("ro");
        assert_eq!(
            helper(&share, &options, Path::new("/m")).shown(),
            [
                "mount.efs",
                "fs-0123abcd:/a",
                "/m",
                "-o",
                "tls,accesspoint=fsap-0123456789abcdef0,mounttargetip=10.0.0.7,ro"
            ]
        );
    }
}
