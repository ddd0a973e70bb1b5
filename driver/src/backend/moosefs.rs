//! Volumes on MooseFS: every directory under one path is a volume, whoever made it.
//!
//! Nothing else about volumes is kept on the storage. The driver has that path mounted for itself
//! to see and make directories; each volume that is used is mounted
//! by an `mfsmount` of its own, straight from the master.

mod cluster;

use std::{path::PathBuf, time::Duration};

use serde_json::{Map, Value};

use super::{
    Backend, BackendConfig, DataOnRemove, Elsewhere, Found, Presence, Provisioned, Site, Spec,
    directories::{Attributes, Directories, Moved, Naming},
    mounted::{Mountpoints, PatienceArgs},
    nfs::is_host,
    options::Given,
    shares::OnRemove,
};
use crate::{
    StartError,
    error::{Error, ErrorKind, Quoted},
    mount::{helper::Helper, options::MountOptions},
    types::{Options, VolumeName},
};
use cluster::{CLIENT, Cluster};

const ACCEPTED: [&str; 4] = ["StorageClass", "gid", "mode", "uid"];
/// How long a call waits for a master that is away before it fails; without it, for ever.
const TIMEOUT: &str = "mfstimeout";
const TIMEOUT_SECONDS: u32 = 5;

/// `volplug-driver moosefs`
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct MooseFsArgs {
    /// The master
    #[arg(long, env = "VOLPLUG_HOST", default_value = "mfsmaster", value_parser = parse_host)]
    pub host: String,

    /// Its port for clients
    #[arg(long, env = "VOLPLUG_PORT", default_value_t = 9421)]
    pub port: u16,

    /// The directory of the file system whose directories are volumes
    #[arg(long, value_name = "PATH", env = "VOLPLUG_REMOTE_PATH", default_value = "/docker/volumes", value_parser = parse_path)]
    pub remote_path: String,

    /// A volume of this name is that directory itself, with all volumes in it
    #[arg(long, value_name = "NAME", env = "VOLPLUG_ROOT_VOLUME_NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub root_volume_name: Option<String>,

    /// mfsmount options for every volume
    #[arg(
        long,
        value_name = "LIST",
        env = "VOLPLUG_MOUNT_OPTIONS",
        default_value = ""
    )]
    pub mount_options: String,

    /// Give up on a master that does not answer a mount within this time, as 10 or 10s [default:
    /// --mount-timeout]
    #[arg(long, value_name = "SECS", env = "VOLPLUG_CONNECT_TIMEOUT", value_parser = parse_seconds)]
    pub connect_timeout: Option<Duration>,

    /// The password that the master's exports ask for, in the first line of a file
    #[arg(long, value_name = "FILE", env = "VOLPLUG_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,

    /// What becomes of a volume's directory when it is removed
    #[arg(long, env = "VOLPLUG_ON_REMOVE", default_value = "keep")]
    pub on_remove: OnRemove,

    /// Time limits
    #[command(flatten)]
    pub patience: PatienceArgs,
}

/// Options of `volplug-driver moosefs` that can also be set in the environment under the names
/// of MooseFS's own plugin: the option's name and that name.
pub const PLAIN_NAMES: [(&str, &str); 6] = [
    ("host", "HOST"),
    ("port", "PORT"),
    ("mount_options", "MOUNT_OPTIONS"),
    ("connect_timeout", "CONNECT_TIMEOUT"),
    ("root_volume_name", "ROOT_VOLUME_NAME"),
    ("remote_path", "REMOTE_PATH"),
];

/// The name that the log level has there.
pub const PLAIN_LOG_LEVEL: &str = "LOG_LEVEL";

/// The MooseFS backend.
#[derive(Debug)]
pub struct MooseFs {
    directories: Directories<Cluster>,
    mountpoints: Mountpoints,
    root_volume: Option<String>,
    on_remove: DataOnRemove,
}

impl BackendConfig for MooseFsArgs {
    type Backend = MooseFs;

    fn open(&self, site: &Site<'_>) -> Result<(MooseFs, Vec<Found>), StartError> {
        let mut patience = self.patience.patience();
        if let Some(limit) = self.connect_timeout {
            patience.mount = limit;
        }
        let mut options = MountOptions::trusted(&self.mount_options);
        if !options.has(TIMEOUT) {
            options.put(TIMEOUT, TIMEOUT_SECONDS);
        }
        let cluster = Cluster {
            host: self.host.clone(),
            port: self.port,
            path: self.remote_path.clone(),
            options,
            password_file: self.password_file.clone(),
            private: site.root.own().join("private"),
            visits: site.root.own().join("visits"),
            patience,
        };
        let storage = MooseFs {
            directories: Directories::new(
                cluster,
                site.root.own().join("control"),
                site.root.own(),
                Naming::Plain,
                patience,
            )?,
            mountpoints: Mountpoints::new(site.root.own().join("mnt"), patience),
            root_volume: self.root_volume_name.clone(),
            on_remove: self.on_remove.into(),
        };
        Ok((storage, Vec::new()))
    }
}

impl MooseFs {
    fn is_root(&self, name: &VolumeName) -> bool {
        self.root_volume.as_deref() == Some(name.as_str())
    }

    /// Gives a new directory its storage class, or makes sure that an old one has it.
    async fn classify(&self, name: &VolumeName, class: &str, new: bool) -> Result<(), Error> {
        let directory = self
            .directories
            .mounted()
            .await?
            .join(self.directories.directory_of(name));
        let limit = self.mountpoints.patience().mount;
        if new {
            let set = Helper::new("mfssetsclass", CLIENT)
                .arg("-r")
                .arg(class)
                .arg(&directory);
            return match set.run(limit).await {
                Ok(_) => Ok(()),
                Err(error) => Err(Error::invalid_option("StorageClass", error)),
            };
        }
        let has = Helper::new("mfsgetsclass", CLIENT)
            .arg(&directory)
            .run(limit)
            .await?;
        // `/path/of/it: class`
        if has.trim_end().rsplit(": ").next() == Some(class) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "its directory exists with another storage class than {}",
                Quoted(class)
            ),
        ))
    }
}

impl Backend for MooseFs {
    type Retired = Moved;

    fn name(&self) -> &'static str {
        "moosefs"
    }

    fn data_on_remove(&self, spec: &Spec) -> DataOnRemove {
        if self.is_root(&spec.name) {
            DataOnRemove::Kept
        } else {
            self.on_remove
        }
    }

    fn mountpoint(&self, name: &VolumeName) -> PathBuf {
        self.mountpoints.of(name)
    }

    fn status(&self, spec: &Spec) -> Map<String, Value> {
        let mut status = self.mountpoints.status(&spec.key);
        status.extend(self.directories.status());
        status
    }

    async fn health(&self) -> Result<(), Error> {
        self.directories.health().await
    }

    async fn presence(&self, name: &VolumeName, _recorded: Option<&Options>) -> Presence {
        if self.is_root(name) {
            return Presence::Present;
        }
        self.directories.presence(name).await
    }

    fn lives_on_storage(&self, name: &VolumeName, _options: &Options) -> bool {
        self.directories.can_list(name)
    }

    async fn inventory(&self) -> Option<Vec<VolumeName>> {
        let mut names = self.directories.inventory().await?;
        if let Some(root) = &self.root_volume
            && let Ok(root) = VolumeName::new(root)
            && !names.contains(&root)
        {
            names.push(root);
        }
        Some(names)
    }

    async fn provision(&self, spec: &Spec) -> Result<Provisioned, Error> {
        let given = Given::check(&spec.options, &ACCEPTED, None)?;
        let class = given.value("StorageClass")?;
        if class.is_some_and(|class| class.starts_with('-')) {
            return Err(Error::invalid_option(
                "StorageClass",
                "no storage class begins with a dash",
            ));
        }
        let attributes = Attributes {
            mode: given.mode("mode")?,
            uid: given.id("uid")?,
            gid: given.id("gid")?,
        };
        if self.is_root(&spec.name) {
            return match spec.options.keys().next() {
                None => Ok(Provisioned::Found),
                Some(key) => Err(Error::invalid_option(
                    key,
                    "the root of all volumes takes no options",
                )),
            };
        }
        let made = self.directories.make(&spec.name, attributes).await?;
        if let Some(class) = class
            && let Err(error) = self
                .classify(&spec.name, class, made == Provisioned::Made)
                .await
        {
            if made == Provisioned::Made {
                let moved = self
                    .directories
                    .retire(&spec.name, DataOnRemove::Deleted)
                    .await?;
                self.directories.discard(moved);
            }
            return Err(error);
        }
        Ok(made)
    }

    async fn attach(&self, spec: &Spec) -> Result<(), Error> {
        let cluster = self.directories.mounter();
        let path = if self.is_root(&spec.name) {
            cluster.path.clone()
        } else {
            format!(
                "{}/{}",
                cluster.path.trim_end_matches('/'),
                self.directories.directory_of(&spec.name)
            )
        };
        let point = self.mountpoints.at(&spec.key);
        let limit = self.mountpoints.patience().mount;
        self.mountpoints
            .attach(&spec.key, cluster.mount_path(&path, &point, false, limit))
            .await
    }

    async fn detach(&self, spec: &Spec) -> Result<(), Error> {
        self.mountpoints.detach(&spec.key).await
    }

    async fn hold(&self, spec: &Spec) -> Result<(), Error> {
        self.directories.hold(&spec.name).await
    }

    async fn let_go(&self, spec: &Spec) {
        self.directories.let_go(&spec.name).await;
    }

    async fn holds_only(&self, held: Vec<VolumeName>) {
        self.directories.holds_only(&held).await;
    }

    async fn held_elsewhere(&self, spec: &Spec) -> Result<Elsewhere, Error> {
        self.directories.held_elsewhere(&spec.name).await
    }

    async fn retire(&self, spec: &Spec) -> Result<Moved, Error> {
        if self.is_root(&spec.name) {
            return Err(Error::refused(
                "it is the root of all volumes and cannot be removed",
            ));
        }
        self.mountpoints.detach(&spec.key).await?;
        self.directories.retire(&spec.name, self.on_remove).await
    }

    async fn reinstate(&self, moved: Moved) -> Result<(), Error> {
        self.directories.reinstate(moved).await
    }

    async fn close(&self) {
        self.directories.close().await;
    }

    fn discard(&self, moved: Moved) {
        self.directories.discard(moved);
    }
}

fn parse_host(text: &str) -> Result<String, String> {
    if is_host(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("{} is no host", Quoted(text)))
    }
}

fn parse_path(text: &str) -> Result<String, String> {
    let parts_fit = !text.split('/').any(|part| part == "..");
    if text.starts_with('/') && parts_fit && !text.chars().any(char::is_control) {
        let path = text.trim_end_matches('/');
        Ok(if path.is_empty() {
            "/".to_owned()
        } else {
            path.to_owned()
        })
    } else {
        Err(format!("{} is no absolute path", Quoted(text)))
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.strip_suffix('s').unwrap_or(text).parse::<u64>() {
        Ok(seconds @ 1..=600) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "{} is no number of seconds from 1 to 600",
            Quoted(text)
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::mount::Patience;

    #[test]
    fn what_is_run() {
        let cluster = Cluster {
            host: "mfsmaster".into(),
            port: 9421,
            path: "/docker/volumes".into(),
            options: MountOptions::trusted("mfstimeout=5"),
            password_file: None,
            private: "/p".into(),
            visits: "/v".into(),
            patience: Patience::default(),
        };
        assert_eq!(
            cluster
                .helper(
                    "/docker/volumes/a b,c",
                    Path::new("/m"),
                    false,
                    Some(Path::new("/p/1"))
                )
                .shown(),
            [
                "mfsmount",
                "/m",
                "-H",
                "mfsmaster",
                "-P",
                "9421",
                "-S",
                "/docker/volumes/a b,c",
                "-c",
                "/p/1",
                "-o",
                "mfstimeout=5"
            ]
        );
    }

    #[test]
    fn settings_are_checked() {
        assert_eq!(parse_path("/docker/").unwrap(), "/docker");
        assert_eq!(parse_path("/").unwrap(), "/");
        assert!(parse_path("docker").is_err() && parse_path("/a/../b").is_err());
        assert!(parse_host("-H").is_err() && parse_host("mfs master").is_err());
        assert_eq!(parse_seconds("10s").unwrap(), Duration::from_secs(10));
        assert!(parse_seconds("0").is_err());
    }
}
