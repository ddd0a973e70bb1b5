//! Volumes on file servers: NFS, EFS and CIFS.
//!
//! A volume either names a share of its own, by an option or by its very name, or it is a
//! directory of the driver's default share. Both are mounted straight from the server, each
//! volume by itself, so that a container cannot see what lies beside it. What the three kinds
//! of server do not have in common is a [`Protocol`].

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::{
    Backend, DataOnRemove, Elsewhere, Found, Presence, Provisioned, Site, Spec,
    directories::{Attributes, Directories, Mounter, Moved, Naming},
    local::unique,
    mounted::{Mountpoints, PatienceArgs, visit},
    options::Given,
};
use crate::{
    StartError,
    error::{Error, ErrorKind},
    types::{Options, VolumeName},
};

/// `--on-remove`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum OnRemove {
    /// Remove moves the volume's directory into `.volplug-removed` of the storage.
    #[default]
    Keep,
    /// The directories belong to the driver: Remove deletes them.
    Delete,
}

impl From<OnRemove> for DataOnRemove {
    fn from(on_remove: OnRemove) -> Self {
        match on_remove {
            OnRemove::Keep => Self::Kept,
            OnRemove::Delete => Self::Deleted,
        }
    }
}

/// What `volplug-driver` takes for every kind of file server.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct SharesArgs {
    /// What becomes of a directory of the default share when its volume is removed
    #[arg(long, env = "VOLPLUG_ON_REMOVE", default_value = "keep")]
    pub on_remove: OnRemove,

    /// Time limits
    #[command(flatten)]
    pub patience: PatienceArgs,
}

/// What one volume asks for, checked.
#[derive(Debug, Clone)]
pub struct Wish<S> {
    /// The share that it names; `None` for a directory of the default share.
    pub(super) share: Option<S>,
    /// A directory below that share.
    pub(super) path: Option<String>,
    /// Whether the directory is made when it is missing.
    pub(super) create: bool,
    /// Whom a directory that is made belongs to.
    pub(super) attributes: Attributes,
    /// The mount options that the volume asks for.
    pub(super) options: crate::mount::options::MountOptions,
}

/// One kind of file server.
pub trait Protocol: std::fmt::Debug + Send + Sync + 'static {
    /// Where a share is.
    type Share: std::fmt::Debug + Clone + Send + Sync + 'static;

    const NAME: &'static str;
    const NAMING: Naming;

    /// Reads a volume's name and options.
    fn wish(&self, name: &VolumeName, options: &Options) -> Result<Wish<Self::Share>, Error>;

    /// The share whose directories are volumes.
    fn default_share(&self) -> Option<&Self::Share>;

    /// What messages call a share.
    fn shown(&self, share: &Self::Share) -> String;

    /// A directory of a share as a share of its own.
    fn below(&self, share: &Self::Share, directory: &str) -> Self::Share;

    /// Mounts a share.
    fn mount(
        &self,
        share: &Self::Share,
        options: &crate::mount::options::MountOptions,
        point: &Path,
        limit: Duration,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// The backend for one kind of file server.
#[derive(Debug)]
pub struct Shares<P> {
    server: std::sync::Arc<Server<P>>,
    mountpoints: Mountpoints,
    /// Where something is mounted for a moment.
    visits: PathBuf,
    directories: Option<Directories<Default<P>>>,
    on_remove: DataOnRemove,
}

#[derive(Debug)]
struct Server<P> {
    protocol: P,
}

/// The default share, for [`Directories`].
#[derive(Debug)]
pub(super) struct Default<P>(std::sync::Arc<Server<P>>);

impl<P: Protocol> Mounter for Default<P> {
    fn storage(&self) -> String {
        let protocol = &self.0.protocol;
        let share = protocol.default_share().map(|share| protocol.shown(share));
        share.unwrap_or_default()
    }

    async fn mount(&self, point: &Path, limit: Duration) -> Result<(), Error> {
        let protocol = &self.0.protocol;
        let Some(share) = protocol.default_share() else {
            return Err(Error::internal("mount the default share", "there is none"));
        };
        protocol
            .mount(
                share,
                &crate::mount::options::MountOptions::default(),
                point,
                limit,
            )
            .await
    }
}

impl<P: Protocol> Shares<P> {
    pub(super) fn open(
        protocol: P,
        site: &Site<'_>,
        args: &SharesArgs,
    ) -> Result<(Self, Vec<Found>), StartError> {
        let (root, patience) = (site.root, args.patience.patience());
        let server = std::sync::Arc::new(Server { protocol });
        let directories = match server.protocol.default_share() {
            None => None,
            Some(_) => Some(Directories::new(
                Default(std::sync::Arc::clone(&server)),
                root.own().join("control"),
                root.own(),
                P::NAMING,
                patience,
            )?),
        };
        let shares = Self {
            server,
            mountpoints: Mountpoints::new(root.own().join("mnt"), patience),
            visits: root.own().join("visits"),
            directories,
            on_remove: args.on_remove.into(),
        };
        Ok((shares, Vec::new()))
    }

    fn wish(&self, name: &VolumeName, options: &Options) -> Result<Wish<P::Share>, Error> {
        self.server.protocol.wish(name, options)
    }

    /// The directories of the default share, if the volume is one of them.
    fn default_of(&self, name: &VolumeName, options: &Options) -> Option<&Directories<Default<P>>> {
        let own = self
            .wish(name, options)
            .map_or(true, |wish| wish.share.is_some());
        self.directories.as_ref().filter(|_| !own)
    }

    /// The share that is mounted for a volume.
    fn share_of(&self, spec: &Spec, wish: &Wish<P::Share>) -> Result<P::Share, Error> {
        let protocol = &self.server.protocol;
        match (&wish.share, &self.directories) {
            (Some(share), _) => Ok(match &wish.path {
                Some(path) => protocol.below(share, path),
                None => share.clone(),
            }),
            (None, Some(directories)) => {
                let Some(share) = protocol.default_share() else {
                    return Err(no_share(P::NAME));
                };
                Ok(protocol.below(share, &directories.directory_of(&spec.name)))
            }
            (None, None) => Err(no_share(P::NAME)),
        }
    }

    /// Makes sure that a share which the volume names can be mounted, and its directory made.
    async fn try_out(&self, share: &P::Share, wish: &Wish<P::Share>) -> Result<(), Error> {
        let patience = self.mountpoints.patience();
        let point = self.visits.join(unique());
        let protocol = &self.server.protocol;
        let (path, create, attributes) = (wish.path.clone(), wish.create, wish.attributes);
        // Made through the share itself, which need not be read-only for that.
        let mut options = wish.options.clone();
        if create {
            options.remove("ro");
        }
        let mount = protocol.mount(share, &options, &point, patience.mount);
        visit(&point, patience, mount, move |root| match path {
            Some(path) => descend(root, Path::new(&path), create, attributes),
            None => Ok(()),
        })
        .await
    }
}

/// The directory that a volume names on a share of its own, and whether to make it. `expected` is
/// how a share is named, for who names a directory without one.
pub(super) fn directory(
    given: &Given<'_>,
    has_share: bool,
    expected: &str,
) -> Result<(Option<String>, bool), Error> {
    let path = given.text("path")?;
    let create = given.flag("create")?.unwrap_or(false);
    if !has_share && (path.is_some() || create) {
        let key = if create { "create" } else { "path" };
        return Err(Error::invalid_option(
            key,
            format!("goes with -o {expected} only"),
        ));
    }
    Ok((path.map(relative).transpose()?, create))
}

/// `uid`, `gid` and `mode` of a directory that is made.
pub(super) fn attributes(given: &Given<'_>) -> Result<Attributes, Error> {
    Ok(Attributes {
        mode: given.mode("mode")?,
        uid: given.id("uid")?,
        gid: given.id("gid")?,
    })
}

/// A path below a share: without `..`, without a slash in front.
pub(super) fn relative(path: &str) -> Result<String, Error> {
    let parts: Vec<_> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return Err(Error::invalid_option("path", "it leads out of the share"));
    }
    if parts.is_empty() {
        return Err(Error::invalid_option("path", "it names no directory"));
    }
    Ok(parts.join("/"))
}

fn no_share(backend: &str) -> Error {
    Error::invalid_option(
        "share",
        format!(
            "missing, and the driver has no default share; say -o share=…, name the volume after \
             its share as in host/path, or start volplug-driver {backend} with --share"
        ),
    )
}

/// Walks down to a directory of a share, and makes what is missing. Links are not followed: a
/// share could lead the driver anywhere on this host with them.
fn descend(root: &Path, path: &Path, create: bool, attributes: Attributes) -> Result<(), Error> {
    let mut directory = root.to_owned();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(part) = part else {
            continue;
        };
        directory.push(part);
        match fs::symlink_metadata(&directory) {
            Ok(metadata) if metadata.is_dir() => continue,
            Ok(_) => {
                return Err(Error::invalid_option(
                    "path",
                    "it leads to something that is no directory",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::invalid_option(
                    "path",
                    "there is no such directory on the share; -o create=true makes it",
                ));
            }
            Err(error) => return Err(storage(error)),
        }
        let made = if parts.peek().is_some() {
            DirBuilder::new().mode(0o755).create(&directory)
        } else {
            super::directories::make(&directory, attributes).map(drop)
        };
        made.map_err(storage)?;
    }
    Ok(())
}

fn storage(cause: io::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("the server refused: {cause}"),
    )
}

impl<P: Protocol> Backend for Shares<P> {
    type Retired = Option<Moved>;

    fn name(&self) -> &'static str {
        P::NAME
    }

    fn data_on_remove(&self, spec: &Spec) -> DataOnRemove {
        match self.default_of(&spec.name, &spec.options) {
            Some(_) => self.on_remove,
            None => DataOnRemove::Kept,
        }
    }

    fn mountpoint(&self, name: &VolumeName) -> PathBuf {
        self.mountpoints.of(name)
    }

    fn status(&self, spec: &Spec) -> Map<String, Value> {
        let mut status = self.mountpoints.status(&spec.key);
        if let Some(directories) = self.default_of(&spec.name, &spec.options) {
            status.extend(directories.status());
        }
        status
    }

    async fn health(&self) -> Result<(), Error> {
        match &self.directories {
            Some(directories) => directories.health().await,
            None => Ok(()),
        }
    }

    async fn presence(&self, name: &VolumeName, recorded: Option<&Options>) -> Presence {
        let none = Options::new();
        match self.default_of(name, recorded.unwrap_or(&none)) {
            Some(directories) => directories.presence(name).await,
            None => Presence::AsRecorded,
        }
    }

    fn lives_on_storage(&self, name: &VolumeName, options: &Options) -> bool {
        self.default_of(name, options)
            .is_some_and(|directories| directories.can_list(name))
    }

    async fn inventory(&self) -> Option<Vec<VolumeName>> {
        match &self.directories {
            Some(directories) => directories.inventory().await,
            None => None,
        }
    }

    async fn provision(&self, spec: &Spec) -> Result<Provisioned, Error> {
        let wish = self.wish(&spec.name, &spec.options)?;
        match (&wish.share, &self.directories) {
            (Some(share), _) => {
                self.try_out(share, &wish).await?;
                Ok(Provisioned::Found)
            }
            (None, Some(directories)) => directories.make(&spec.name, wish.attributes).await,
            (None, None) => Err(no_share(P::NAME)),
        }
    }

    async fn attach(&self, spec: &Spec) -> Result<(), Error> {
        let wish = self.wish(&spec.name, &spec.options)?;
        let share = self.share_of(spec, &wish)?;
        let limit = self.mountpoints.patience().mount;
        let point = self.mountpoints.at(&spec.key);
        let mount = self
            .server
            .protocol
            .mount(&share, &wish.options, &point, limit);
        self.mountpoints.attach(&spec.key, mount).await
    }

    async fn detach(&self, spec: &Spec) -> Result<(), Error> {
        self.mountpoints.detach(&spec.key).await
    }

    async fn hold(&self, spec: &Spec) -> Result<(), Error> {
        match self.default_of(&spec.name, &spec.options) {
            Some(directories) => directories.hold(&spec.name).await,
            None => Ok(()),
        }
    }

    async fn let_go(&self, spec: &Spec) {
        if let Some(directories) = self.default_of(&spec.name, &spec.options) {
            directories.let_go(&spec.name).await;
        }
    }

    async fn holds_only(&self, held: Vec<VolumeName>) {
        if let Some(directories) = &self.directories {
            directories.holds_only(&held).await;
        }
    }

    async fn held_elsewhere(&self, spec: &Spec) -> Result<Elsewhere, Error> {
        match self.default_of(&spec.name, &spec.options) {
            Some(directories) => directories.held_elsewhere(&spec.name).await,
            None => Ok(Elsewhere::default()),
        }
    }

    async fn retire(&self, spec: &Spec) -> Result<Option<Moved>, Error> {
        // What a crash left mounted must not be in the way.
        self.mountpoints.detach(&spec.key).await?;
        match self.default_of(&spec.name, &spec.options) {
            Some(directories) => Ok(Some(directories.retire(&spec.name, self.on_remove).await?)),
            None => Ok(None),
        }
    }

    async fn reinstate(&self, retired: Option<Moved>) -> Result<(), Error> {
        match (retired, &self.directories) {
            (Some(moved), Some(directories)) => directories.reinstate(moved).await,
            _ => Ok(()),
        }
    }

    async fn close(&self) {
        if let Some(directories) = &self.directories {
            directories.close().await;
        }
    }

    fn discard(&self, retired: Option<Moved>) {
        if let (Some(moved), Some(directories)) = (retired, &self.directories) {
            directories.discard(moved);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_cannot_lead_the_driver_out_of_itself() {
        let share = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), share.path().join("link")).unwrap();
        let make = |path: &str| descend(share.path(), Path::new(path), true, Attributes::default());
        assert!(make("link").is_err());
        assert!(make("link/deeper").is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        make("a/b").unwrap();
        make("a/b").unwrap();
        assert!(share.path().join("a/b").is_dir());
        assert!(descend(share.path(), Path::new("a/c"), false, Attributes::default()).is_err());
    }
}
