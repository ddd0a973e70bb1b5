//! Volumes on NFS servers, mounted with `mount.nfs`.
//!
//! A volume is a directory of the default share (`--share`), or names its export: by
//! `-o share=host:/path`, or, as netshare does, by its own name: `-v host/path:/data`.

mod share;

use std::{path::Path, time::Duration};

use super::{
    BackendConfig, Found, Site,
    directories::Naming,
    options::{Given, PassThrough},
    shares::{Protocol, Shares, SharesArgs, Wish, attributes, directory},
};
use crate::{
    StartError,
    error::Error,
    mount::{helper::Helper, options::MountOptions},
    types::{Options, VolumeName},
};
pub use share::NfsShare;
pub(super) use share::is_host;
use share::{parse_share, share_in_name};

/// Versions that can be asked for.
const VERSIONS: [&str; 5] = ["3", "4", "4.0", "4.1", "4.2"];

/// Options that a user may hand through; those that could reach other files of the host, or make
/// it wait for ever, are the administrator's.
const THROUGH: PassThrough = PassThrough {
    prefix: "nfs-",
    values: &[
        "acdirmax",
        "acdirmin",
        "acregmax",
        "acregmin",
        "actimeo",
        "local_lock",
        "lookupcache",
        "mountport",
        "mountproto",
        "nconnect",
        "port",
        "proto",
        "retrans",
        "rsize",
        "sec",
        "timeo",
        "wsize",
    ],
    flags: &[
        "ac",
        "async",
        "hard",
        "lock",
        "noac",
        "noatime",
        "nodev",
        "nodiratime",
        "noexec",
        "nolock",
        "noresvport",
        "nosuid",
        "rdirplus",
        "nordirplus",
        "relatime",
        "resvport",
        "softerr",
        "sync",
    ],
};

const ACCEPTED: [&str; 9] = [
    "create", "gid", "mode", "nfsvers", "path", "ro", "share", "uid", "vers",
];

/// `volplug-driver nfs`
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct NfsArgs {
    /// The default share: each of its directories is a volume. Without it, a volume may be named
    /// after its share, as in host/path
    #[arg(long, value_name = "HOST:/PATH", env = "VOLPLUG_SHARE", value_parser = parse_share)]
    pub share: Option<NfsShare>,

    /// The NFS version, where a volume asks for none: 3, 4, 4.0, 4.1 or 4.2 [default: the highest
    /// that both sides know]
    #[arg(long, value_name = "VERSION", env = "VOLPLUG_NFS_VERSION", value_parser = clap::builder::PossibleValuesParser::new(VERSIONS))]
    pub nfs_version: Option<String>,

    /// Mount options for every volume, in place of these
    #[arg(
        long,
        value_name = "LIST",
        env = "VOLPLUG_MOUNT_OPTIONS",
        default_value = "soft,timeo=100,retrans=3,nodev"
    )]
    pub mount_options: String,

    /// What all file servers take
    #[command(flatten)]
    pub shares: SharesArgs,
}

/// The NFS backend.
pub type Nfs = Shares<NfsProtocol>;

impl BackendConfig for NfsArgs {
    type Backend = Nfs;

    fn open(&self, site: &Site<'_>) -> Result<(Nfs, Vec<Found>), StartError> {
        let protocol = NfsProtocol {
            share: self.share.clone(),
            defaults: defaults(self),
        };
        Shares::open(protocol, site, &self.shares)
    }
}

fn defaults(args: &NfsArgs) -> MountOptions {
    let mut options = MountOptions::trusted(&args.mount_options);
    if let Some(version) = &args.nfs_version {
        options.put("nfsvers", version);
    }
    options
}

/// How NFS shares are named and mounted.
#[derive(Debug)]
pub struct NfsProtocol {
    share: Option<NfsShare>,
    defaults: MountOptions,
}

impl Protocol for NfsProtocol {
    type Share = NfsShare;

    const NAME: &'static str = "nfs";
    const NAMING: Naming = Naming::Plain;

    fn wish(&self, name: &VolumeName, options: &Options) -> Result<Wish<NfsShare>, Error> {
        let given = Given::check(options, &ACCEPTED, Some(&THROUGH))?;
        let share = match given.text("share")? {
            Some(share) => Some(
                parse_share(share).map_err(|problem| Error::invalid_option("share", problem))?,
            ),
            None if self.share.is_none() => share_in_name(name),
            None => None,
        };
        let mut mount = given.mount_options()?;
        for key in ["vers", "nfsvers"] {
            if let Some(version) = given.choice(key, &VERSIONS)? {
                mount.put("nfsvers", version);
            }
        }
        given.pass_through(&THROUGH, &mut mount)?;
        let (path, create) = directory(&given, share.is_some(), "share=host:/path")?;
        Ok(Wish {
            share,
            path,
            create,
            attributes: attributes(&given)?,
            options: mount,
        })
    }

    fn default_share(&self) -> Option<&NfsShare> {
        self.share.as_ref()
    }

    fn shown(&self, share: &NfsShare) -> String {
        share.source()
    }

    fn below(&self, share: &NfsShare, directory: &str) -> NfsShare {
        share.below(directory)
    }

    async fn mount(
        &self,
        share: &NfsShare,
        options: &MountOptions,
        point: &Path,
        limit: Duration,
    ) -> Result<(), Error> {
        helper(share, &combined(&self.defaults, options), point)
            .run(limit)
            .await
            .map(drop)
    }
}

/// The driver's mount options with those of a volume over them.
pub(super) fn combined(defaults: &MountOptions, wish: &MountOptions) -> MountOptions {
    let mut options = defaults.clone();
    // Each undoes the other in the order given, so only one may be there.
    for group in [
        ["hard", "soft", "softerr"],
        ["sync", "async", ""],
        ["lock", "nolock", ""],
    ] {
        if group.iter().any(|name| wish.has(name)) {
            group.iter().for_each(|name| options.remove(name));
        }
    }
    options.extend(wish);
    if !options.has("retry") {
        // mount.nfs would try again for two minutes.
        options.put("retry", 0);
    }
    options
}

/// `mount.nfs SOURCE POINT -o OPTIONS`, see mount.nfs(8).
pub(super) fn helper(share: &NfsShare, options: &MountOptions, point: &Path) -> Helper {
    Helper::new("mount.nfs", "nfs-common")
        .arg(share.source())
        .arg(point)
        .arg("-o")
        .arg(options.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(share: Option<&str>) -> NfsProtocol {
        NfsProtocol {
            share: share.map(|share| parse_share(share).unwrap()),
            defaults: MountOptions::trusted("soft,timeo=100,retrans=3,nodev"),
        }
    }

    fn wish(name: &str, options: &[(&str, &str)]) -> Result<Wish<NfsShare>, String> {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect();
        let name = VolumeName::new(name).unwrap();
        protocol(None)
            .wish(&name, &options)
            .map_err(|error| error.to_string())
    }

    fn argv(name: &str, options: &[(&str, &str)]) -> Vec<String> {
        let wish = wish(name, options).unwrap();
        let protocol = protocol(None);
        let mut share = wish.share.unwrap();
        if let Some(path) = &wish.path {
            share = protocol.below(&share, path);
        }
        helper(
            &share,
            &combined(&protocol.defaults, &wish.options),
            Path::new("/m"),
        )
        .shown()
    }

    #[test]
    fn what_is_run() {
        assert_eq!(
            argv(
                "v",
                &[
                    ("share", "nas:/export"),
                    ("path", "/a//b/"),
                    ("nfsvers", "4.2"),
                    ("ro", "")
                ]
            ),
            [
                "mount.nfs",
                "nas:/export/a/b",
                "/m",
                "-o",
                "soft,timeo=100,retrans=3,nodev,ro,nfsvers=4.2,retry=0"
            ]
        );
        assert_eq!(
            argv(
                "v",
                &[
                    ("share", "[fe80::1]:/x y,z"),
                    ("nfs-hard", ""),
                    ("nfs-timeo", "600"),
                    ("vers", "3")
                ]
            ),
            [
                "mount.nfs",
                "[fe80::1]:/x y,z",
                "/m",
                "-o",
                "retrans=3,nodev,nfsvers=3,hard,timeo=600,retry=0"
            ]
        );
    }

    #[test]
    fn names_are_shares_as_with_netshare() {
        for (name, source) in [
            ("nas.example/export/data", "nas.example:/export/data"),
            ("10.0.0.7/x", "10.0.0.7:/x"),
            ("nas:/export", "nas:/export"),
        ] {
            assert_eq!(wish(name, &[]).unwrap().share.unwrap().source(), source);
        }
        for name in [
            "plain",
            "../../etc",
            "/etc",
            "host/",
            "host/../etc",
            "-o/x",
            "a b/c",
            "$(touch x)/y",
        ] {
            assert!(wish(name, &[]).unwrap().share.is_none(), "{name}");
        }
    }

    #[test]
    fn no_value_adds_an_option() {
        for (key, value) in [
            ("share", "nas"),
            ("share", "-onfs:/x"),
            ("share", "nas:relative"),
            ("share", "nas:/a/../../b"),
            ("share", "nas:/a\nb"),
            ("path", "../x"),
            ("nfsvers", "4.2,suid"),
            ("nfsvers", "5"),
            ("nfs-timeo", "10,suid"),
            ("nfs-sec", "krb5 x"),
            ("nfs-suid", ""),
            ("uid", "root"),
            ("ro", "suid"),
        ] {
            let mut options = vec![("share", "nas:/export")];
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
