//! Volumes of a Quobyte cluster: made through its API, used through one mount of all of them.
//!
//! Quobyte's client shows every volume as a directory of a single mount, which the driver makes
//! with `mount.quobyte`, or finds made by somebody else. Nothing is mounted for a volume, so
//! nothing is unmounted either. Volumes made by others are seen as they appear.

mod api;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use super::{
    Backend, BackendConfig, DataOnRemove, Found, Presence, Provisioned, Site, Spec,
    directories::{Directories, Mounter, Naming},
    mounted::PatienceArgs,
    options::Given,
};
use crate::{
    StartError,
    error::{Error, ErrorKind},
    http::{Client, Roots},
    mount::{
        Patience,
        bounded::within,
        helper::Helper,
        options::{MountOptions, check_value},
        secrets,
    },
    types::{Options, VolumeName},
};
use api::{Api, NewVolume};

const ACCEPTED: [&str; 5] = ["configuration", "group", "mode", "tenant", "user"];
/// How often the shared mount is asked whether a new volume has appeared.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a call waits for the API.
const API_LIMIT: Duration = Duration::from_secs(20);

/// `volplug-driver quobyte`
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct QuobyteArgs {
    /// Where all volumes are mounted, by this driver or by somebody else
    #[arg(
        long,
        value_name = "DIR",
        env = "VOLPLUG_MOUNT_PATH",
        default_value = "/run/docker/quobyte/mnt"
    )]
    pub mount_path: PathBuf,

    /// The registry that the client is mounted from; without it, the driver waits for somebody
    /// else to mount
    #[arg(long, value_name = "HOST[:PORT][,…]", env = "VOLPLUG_REGISTRY", value_parser = parse_registry)]
    pub registry: Option<String>,

    /// Options for the client
    #[arg(
        long,
        value_name = "LIST",
        env = "VOLPLUG_MOUNT_OPTIONS",
        default_value = "user_xattr"
    )]
    pub mount_options: String,

    /// The API; https, or http on a trusted network
    #[arg(
        long,
        value_name = "URL",
        env = "VOLPLUG_API_URL",
        default_value = "https://localhost:7860"
    )]
    pub api_url: String,

    /// Trust this certificate authority for the API, and no other
    #[arg(long, value_name = "FILE", env = "VOLPLUG_API_CA")]
    pub api_ca: Option<PathBuf>,

    /// The user of the API
    #[arg(long, env = "VOLPLUG_API_USER", default_value = "root")]
    pub api_user: String,

    /// The password of that user, in the first line of a file
    #[arg(long, value_name = "FILE", env = "VOLPLUG_API_PASSWORD_FILE")]
    pub api_password_file: Option<PathBuf>,

    /// The tenant of new volumes, where a volume names none
    #[arg(long, env = "VOLPLUG_TENANT")]
    pub tenant: Option<String>,

    /// The configuration of new volumes, where a volume names none
    #[arg(long, env = "VOLPLUG_VOLUME_CONFIGURATION")]
    pub configuration: Option<String>,

    /// Use every volume as this user, whoever a container runs as; the client must be mounted with
    /// --allow-usermapping-in-volumename
    #[arg(long, value_name = "USER#GROUP", env = "VOLPLUG_FIXED_USER", value_parser = parse_fixed_user)]
    pub fixed_user: Option<String>,

    /// Time limits
    #[command(flatten)]
    pub patience: PatienceArgs,
}

/// The Quobyte backend.
#[derive(Debug)]
pub struct Quobyte {
    directories: Directories<SharedMount>,
    mount_path: PathBuf,
    api: Api,
    defaults: Defaults,
    fixed_user: Option<String>,
    patience: Patience,
}

#[derive(Debug)]
struct Defaults {
    tenant: Option<String>,
    configuration: Option<String>,
}

/// The mount of all volumes.
#[derive(Debug)]
struct SharedMount {
    registry: Option<String>,
    options: MountOptions,
    fixed_user: bool,
}

impl Mounter for SharedMount {
    fn storage(&self) -> String {
        match &self.registry {
            Some(registry) => format!("the Quobyte of {registry}"),
            None => "Quobyte".to_owned(),
        }
    }

    async fn mount(&self, point: &Path, limit: Duration) -> Result<(), Error> {
        let Some(registry) = &self.registry else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "nothing is mounted at {}: start the Quobyte client, or the driver with --registry",
                    point.display()
                ),
            ));
        };
        self.helper(registry, point).run(limit).await.map(drop)
    }
}

impl SharedMount {
    /// `mount.quobyte REGISTRY/ POINT -o OPTIONS`.
    fn helper(&self, registry: &str, point: &Path) -> Helper {
        let mut helper = Helper::new("mount.quobyte", "quobyte-client");
        if self.fixed_user {
            helper = helper.arg("--allow-usermapping-in-volumename");
        }
        helper
            .arg(format!("{registry}/"))
            .arg(point)
            .arg("-o")
            .arg(self.options.to_string())
    }
}

impl BackendConfig for QuobyteArgs {
    type Backend = Quobyte;

    fn open(&self, site: &Site<'_>) -> Result<(Quobyte, Vec<Found>), StartError> {
        let refused = |option: &str, problem: String| StartError::option(option, problem);
        let mount_path = std::path::absolute(&self.mount_path)
            .map_err(|error| refused("--mount-path", error.to_string()))?;
        if mount_path.to_str().is_none() {
            return Err(refused(
                "--mount-path",
                "the path is not valid UTF-8".to_owned(),
            ));
        }
        let roots = match &self.api_ca {
            Some(path) => Roots::read(path).map_err(|problem| refused("--api-ca", problem))?,
            None => Roots::System,
        };
        let password = self
            .api_password_file
            .as_deref()
            .map(secrets::read_line)
            .transpose()
            .map_err(|problem| refused("--api-password-file", problem))?;
        if !self.api_url.starts_with("https://") && !self.api_url.starts_with("http://") {
            return Err(refused(
                "--api-url",
                "expected a URL such as https://quobyte.example:7860".to_owned(),
            ));
        }
        let patience = self.patience.patience();
        let shared = SharedMount {
            registry: self.registry.clone(),
            options: MountOptions::trusted(&self.mount_options),
            fixed_user: self.fixed_user.is_some(),
        };
        let storage = Quobyte {
            directories: Directories::new(
                shared,
                mount_path.clone(),
                site.root.own(),
                Naming::Plain,
                patience,
            )?,
            mount_path,
            api: Api::new(
                Client::new(API_LIMIT, roots),
                &self.api_url,
                &self.api_user,
                password,
            ),
            defaults: Defaults {
                tenant: self.tenant.clone(),
                configuration: self.configuration.clone(),
            },
            fixed_user: self.fixed_user.clone(),
            patience,
        };
        Ok((storage, Vec::new()))
    }
}

impl Quobyte {
    fn tenant<'a>(&'a self, given: &Given<'a>) -> Result<Option<&'a str>, Error> {
        Ok(given.text("tenant")?.or(self.defaults.tenant.as_deref()))
    }

    /// Waits until the shared mount shows what the API has done.
    async fn wait_until(&self, name: &VolumeName, there: bool) -> Result<(), Error> {
        let directory = self.directories.directory_of(name);
        let deadline = Instant::now() + self.patience.mount;
        loop {
            let directory = directory.clone();
            let seen = self
                .directories
                .visit(move |root| Ok(fs::symlink_metadata(root.join(&directory)).is_ok()))
                .await?;
            if seen == there {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let what = if there { "appear in" } else { "leave" };
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "the API has done its part, but the volume does not {what} {}",
                        self.mount_path.display()
                    ),
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Backend for Quobyte {
    type Retired = ();

    fn name(&self) -> &'static str {
        "quobyte"
    }

    fn data_on_remove(&self, _spec: &Spec) -> DataOnRemove {
        DataOnRemove::Deleted
    }

    fn mountpoint(&self, name: &VolumeName) -> PathBuf {
        let directory = self.directories.directory_of(name);
        match &self.fixed_user {
            Some(user) => self.mount_path.join(format!("{user}@{directory}")),
            None => self.mount_path.join(directory),
        }
    }

    fn status(&self, _spec: &Spec) -> Map<String, Value> {
        self.directories.status()
    }

    async fn health(&self) -> Result<(), Error> {
        self.directories.health().await
    }

    async fn presence(&self, name: &VolumeName, _recorded: Option<&Options>) -> Presence {
        self.directories.presence(name).await
    }

    fn lives_on_storage(&self, name: &VolumeName, _options: &Options) -> bool {
        self.directories.can_list(name)
    }

    async fn inventory(&self) -> Option<Vec<VolumeName>> {
        self.directories.inventory().await
    }

    async fn provision(&self, spec: &Spec) -> Result<Provisioned, Error> {
        let given = Given::check(&spec.options, &ACCEPTED, None)?;
        let volume = NewVolume {
            name: self.directories.directory_of(&spec.name),
            user: given.text("user")?.unwrap_or("root").to_owned(),
            group: given.text("group")?.unwrap_or("root").to_owned(),
            configuration: given
                .text("configuration")?
                .map(str::to_owned)
                .or_else(|| self.defaults.configuration.clone()),
            tenant: self.tenant(&given)?.map(str::to_owned),
            access_mode: given.mode("mode")?,
        };
        let made = self.api.create(&volume).await?;
        self.wait_until(&spec.name, true).await?;
        Ok(made)
    }

    async fn attach(&self, spec: &Spec) -> Result<(), Error> {
        self.directories.mounted().await?;
        let path = self.mountpoint(&spec.name);
        let looked = within(&self.mount_path, self.patience.call, move || {
            fs::metadata(path)
        })
        .await;
        match looked {
            Ok(Ok(metadata)) if metadata.is_dir() => Ok(()),
            Ok(Ok(_)) => Err(missing("it is no directory of the shared mount")),
            Ok(Err(cause)) => Err(missing(&format!(
                "the shared mount does not show it: {cause}"
            ))),
            Err(no_answer) => Err(missing(&no_answer.to_string())),
        }
    }

    async fn detach(&self, _spec: &Spec) -> Result<(), Error> {
        Ok(())
    }

    async fn retire(&self, spec: &Spec) -> Result<(), Error> {
        let given = Given::check(&spec.options, &ACCEPTED, None)?;
        let directory = self.directories.directory_of(&spec.name);
        // Quobyte has no way back from this; it comes before the volume is forgotten, since a
        // failure must leave the volume as it was.
        self.api.delete(&directory, self.tenant(&given)?).await?;
        self.wait_until(&spec.name, false).await
    }

    async fn reinstate(&self, _retired: ()) -> Result<(), Error> {
        Err(Error::internal(
            "bring the volume back",
            "Quobyte has deleted it",
        ))
    }

    fn discard(&self, _retired: ()) {}
}

fn missing(reason: &str) -> Error {
    Error::new(ErrorKind::Unavailable, reason.to_owned())
}

fn parse_registry(text: &str) -> Result<String, String> {
    let fits = |char: char| {
        char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_' | ':' | ',' | '[' | ']')
    };
    if !text.starts_with('-') && !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected HOST[:PORT][,HOST[:PORT]]".to_owned())
    }
}

fn parse_fixed_user(text: &str) -> Result<String, String> {
    match text.split_once('#') {
        Some((user, group))
            if ![user, group]
                .iter()
                .any(|part| part.is_empty() || part.contains(['/', '#', '@'])) =>
        {
            check_value(text)?;
            Ok(text.to_owned())
        }
        _ => Err("expected USER#GROUP".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_run() {
        let mut shared = SharedMount {
            registry: None,
            options: MountOptions::trusted("user_xattr"),
            fixed_user: false,
        };
        let argv = shared
            .helper("reg1:7861,reg2:7861", Path::new("/mnt"))
            .shown();
        assert_eq!(
            argv,
            [
                "mount.quobyte",
                "reg1:7861,reg2:7861/",
                "/mnt",
                "-o",
                "user_xattr"
            ]
        );
        shared.fixed_user = true;
        assert_eq!(
            shared.helper("r", Path::new("/mnt")).shown()[1],
            "--allow-usermapping-in-volumename"
        );
        assert!(parse_registry("-o x").is_err() && parse_registry("").is_err());
        assert!(
            parse_fixed_user("a#b").is_ok()
                && parse_fixed_user("a").is_err()
                && parse_fixed_user("../a#b").is_err()
        );
    }
}
