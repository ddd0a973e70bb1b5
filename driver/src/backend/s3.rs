//! Volumes in S3, mounted with `s3fs`.
//!
//! A volume is a bucket, or what lies under a prefix of one. A wrong key or a missing bucket is
//! found at Create, by a signed request of the driver's own, for `s3fs` reports success before it
//! has asked. Keys reach `s3fs` in a file that is gone when it has started. Remove deletes
//! no data. The volumes of the driver's own bucket are seen by every driver that has it.

mod catalogue;
mod check;
mod keys;
mod place;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Map, Value};
use tokio::time::timeout;

use super::{
    Backend, BackendConfig, DataOnRemove, Elsewhere, Found, Presence, Provisioned, Site, Spec,
    local::unique,
    mounted::{Mountpoints, PatienceArgs},
};
use crate::{
    StartError,
    error::{Error, ErrorKind},
    http::{Client, Roots, metadata::Metadata},
    mount::{helper::Helper, options::MountOptions, point, secrets::PrivateFile},
    types::{Options, VolumeName},
    volumes::Key,
};
use catalogue::Catalogue;
use keys::{KeySources, Keys};
use place::Place;

/// `volplug-driver s3`
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct S3Args {
    /// The bucket for volumes that name none: each is a prefix of it. Without it, a volume is the
    /// bucket of its own name
    #[arg(long, value_name = "NAME", env = "VOLPLUG_BUCKET", value_parser = place::parse_bucket)]
    pub bucket: Option<String>,

    /// The server, where it is not Amazon's
    #[arg(long, value_name = "URL", env = "VOLPLUG_URL", value_parser = place::parse_url)]
    pub url: Option<String>,

    /// The region
    #[arg(long, env = "VOLPLUG_REGION", default_value = "us-east-1", value_parser = place::parse_region)]
    pub region: String,

    /// Put the bucket into the path of URLs, not into the name of the host [default: true with
    /// --url]
    #[arg(long, env = "VOLPLUG_PATH_STYLE", num_args = 0..=1, default_missing_value = "true")]
    pub path_style: Option<bool>,

    /// The keys, as one line ACCESS_KEY:SECRET_KEY; the environment's AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY otherwise
    #[arg(long, value_name = "FILE", env = "VOLPLUG_KEY_FILE")]
    pub key_file: Option<PathBuf>,

    /// Use the keys of this instance's role: its name, or auto
    #[arg(long, value_name = "ROLE", env = "VOLPLUG_IAM_ROLE", value_parser = place::parse_role)]
    pub iam_role: Option<String>,

    /// The instance's metadata service
    #[arg(long, value_name = "URL", env = "VOLPLUG_METADATA_URL", default_value = crate::http::metadata::DEFAULT_URL, hide = true)]
    pub metadata_url: String,

    /// s3fs options for every volume, in place of these
    #[arg(
        long,
        value_name = "LIST",
        env = "VOLPLUG_MOUNT_OPTIONS",
        default_value = "allow_other,mp_umask=022,connect_timeout=5,readwrite_timeout=20,retries=2"
    )]
    pub mount_options: String,

    /// Time limits
    #[command(flatten)]
    pub patience: PatienceArgs,
}

/// The S3 backend.
#[derive(Debug)]
pub struct S3 {
    defaults: place::Defaults,
    keys: Arc<KeySources>,
    /// The volumes of the driver's own bucket.
    catalogue: Option<Catalogue>,
    mount_options: MountOptions,
    mountpoints: Mountpoints,
    private: PathBuf,
    client: Client,
}

impl BackendConfig for S3Args {
    type Backend = S3;

    fn open(&self, site: &Site<'_>) -> Result<(S3, Vec<Found>), StartError> {
        let patience = self.patience.patience();
        let defaults = place::Defaults {
            bucket: self.bucket.clone(),
            url: self.url.clone(),
            region: self.region.clone(),
            path_style: self.path_style,
        };
        let keys = Arc::new(KeySources {
            file: self.key_file.clone(),
            role: self.iam_role.clone(),
            metadata: Metadata::new(&self.metadata_url, false),
        });
        let client = Client::new(patience.mount, Roots::System);
        let catalogue = match defaults.bucket() {
            None => None,
            Some(place) => {
                let (client, keys) = (client.clone(), Arc::clone(&keys));
                Some(Catalogue::new(client, keys, place, site.root.own())?)
            }
        };
        let storage = S3 {
            defaults,
            keys,
            catalogue,
            mount_options: MountOptions::trusted(&self.mount_options),
            mountpoints: Mountpoints::new(site.root.own().join("mnt"), patience),
            private: site.root.own().join("private"),
            client,
        };
        Ok((storage, Vec::new()))
    }
}

impl S3 {
    /// The markers, if the volume has one.
    fn catalogue_of(&self, name: &VolumeName, options: &Options) -> Option<&Catalogue> {
        let ours = Place::of(name, options, &self.defaults).is_ok_and(|place| place.is_ours);
        self.catalogue.as_ref().filter(|_| ours)
    }

    async fn mount(&self, place: &Place, point: &Path) -> Result<(), Error> {
        let keys = self.keys.find(place.key_file.as_deref()).await?;
        let file = match &keys {
            Keys::Pair { .. } => {
                let file = PrivateFile::write(&self.private, &unique(), &keys.as_file());
                Some(file.map_err(|cause| Error::internal("write the keys for s3fs", cause))?)
            }
            Keys::Role { .. } => None,
        };
        let limit = self.mountpoints.patience().mount;
        let mut helper = helper(
            place,
            &self.mount_options,
            &keys,
            file.as_ref().map(PrivateFile::path),
            point,
        );
        if let Keys::Pair { secret, .. } = &keys {
            helper = helper.hiding(secret.expose());
        }
        helper.run(limit).await?;
        // It goes on in the background and gives up there, without a word to us.
        match point::verify(point, limit).await {
            Ok(()) => Ok(()),
            Err(error) => {
                // The server's own reason, if it has one and tells it now.
                let asked = check::ask(&self.client, place, &keys);
                let told = timeout(self.mountpoints.patience().call, asked).await;
                let reason = told.ok().and_then(Result::err);
                Err(Error::new(
                    ErrorKind::Unavailable,
                    match reason {
                        Some(reason) => format!("s3fs gave up: {reason}"),
                        None => format!("s3fs gave up; the system log has its reason ({error})"),
                    },
                ))
            }
        }
    }
}

impl Backend for S3 {
    /// The marker that was taken away.
    type Retired = Option<Key>;

    fn name(&self) -> &'static str {
        "s3"
    }

    fn data_on_remove(&self, _spec: &Spec) -> DataOnRemove {
        DataOnRemove::Kept
    }

    fn mountpoint(&self, name: &VolumeName) -> PathBuf {
        self.mountpoints.of(name)
    }

    fn status(&self, spec: &Spec) -> Map<String, Value> {
        let mut status = self.mountpoints.status(&spec.key);
        if let Ok(place) = Place::of(&spec.name, &spec.options, &self.defaults) {
            status.insert("bucket".to_owned(), place.shown().into());
        }
        if let Some(catalogue) = self.catalogue_of(&spec.name, &spec.options) {
            status.extend(catalogue.status());
        }
        status
    }

    async fn provision(&self, spec: &Spec) -> Result<Provisioned, Error> {
        let place = Place::of(&spec.name, &spec.options, &self.defaults)?;
        let keys = self.keys.find(place.key_file.as_deref()).await?;
        check::find_or_make(&self.client, &place, &keys).await?;
        match &self.catalogue {
            Some(catalogue) if place.is_ours => catalogue.add(&spec.key).await,
            // What is in a bucket is never this Create's to take away.
            _ => Ok(Provisioned::Found),
        }
    }

    async fn health(&self) -> Result<(), Error> {
        match &self.catalogue {
            Some(catalogue) => catalogue.health().await,
            None => Ok(()),
        }
    }

    async fn presence(&self, name: &VolumeName, recorded: Option<&Options>) -> Presence {
        let none = Options::new();
        match self.catalogue_of(name, recorded.unwrap_or(&none)) {
            Some(catalogue) => catalogue.presence(name).await,
            None => Presence::AsRecorded,
        }
    }

    fn lives_on_storage(&self, name: &VolumeName, options: &Options) -> bool {
        self.catalogue_of(name, options).is_some() && Key::of(name).is_reversible()
    }

    async fn inventory(&self) -> Option<Vec<VolumeName>> {
        match &self.catalogue {
            Some(catalogue) => catalogue.inventory().await,
            None => None,
        }
    }

    async fn attach(&self, spec: &Spec) -> Result<(), Error> {
        let place = Place::of(&spec.name, &spec.options, &self.defaults)?;
        let point = self.mountpoints.at(&spec.key);
        self.mountpoints
            .attach(&spec.key, self.mount(&place, &point))
            .await
    }

    async fn detach(&self, spec: &Spec) -> Result<(), Error> {
        self.mountpoints.detach(&spec.key).await
    }

    async fn hold(&self, spec: &Spec) -> Result<(), Error> {
        match self.catalogue_of(&spec.name, &spec.options) {
            Some(catalogue) => catalogue.hold(&spec.key).await,
            None => Ok(()),
        }
    }

    async fn let_go(&self, spec: &Spec) {
        if let Some(catalogue) = self.catalogue_of(&spec.name, &spec.options) {
            let patience = self.mountpoints.patience().call;
            catalogue.let_go(&spec.key, patience).await;
        }
    }

    async fn holds_only(&self, held: Vec<VolumeName>) {
        let Some(catalogue) = &self.catalogue else {
            return;
        };
        let held: Vec<Key> = held.iter().map(Key::of).collect();
        if let Err(error) = catalogue.holds_only(&held).await {
            tracing::warn!(%error, "the other hosts cannot be told what is no longer mounted here");
        }
    }

    async fn held_elsewhere(&self, spec: &Spec) -> Result<Elsewhere, Error> {
        match self.catalogue_of(&spec.name, &spec.options) {
            Some(catalogue) => catalogue.held_elsewhere(&spec.key).await,
            None => Ok(Elsewhere::default()),
        }
    }

    async fn retire(&self, spec: &Spec) -> Result<Option<Key>, Error> {
        self.mountpoints.detach(&spec.key).await?;
        match self.catalogue_of(&spec.name, &spec.options) {
            Some(catalogue) => {
                catalogue.remove(&spec.key).await?;
                Ok(Some(spec.key.clone()))
            }
            None => Ok(None),
        }
    }

    async fn reinstate(&self, retired: Option<Key>) -> Result<(), Error> {
        match (retired, &self.catalogue) {
            (Some(key), Some(catalogue)) => catalogue.add(&key).await.map(drop),
            _ => Ok(()),
        }
    }

    fn discard(&self, _retired: Option<Key>) {}
}

/// `s3fs BUCKET[:/PREFIX] POINT -o OPTIONS`, see s3fs(1).
fn helper(
    place: &Place,
    defaults: &MountOptions,
    keys: &Keys,
    key_file: Option<&Path>,
    point: &Path,
) -> Helper {
    let mut options = defaults.clone();
    options.put("url", &place.url);
    options.put("endpoint", &place.region);
    if place.path_style {
        options.flag("use_path_request_style");
    }
    match (keys, key_file) {
        (Keys::Role { name, .. }, _) => options.put("iam_role", name),
        (Keys::Pair { .. }, Some(path)) => options.put("passwd_file", path.display()),
        (Keys::Pair { .. }, None) => {}
    }
    options.extend(&place.options);
    let source = match &place.prefix {
        Some(prefix) => format!("{}:/{prefix}", place.bucket),
        None => place.bucket.clone(),
    };
    Helper::new("s3fs", "s3fs")
        .arg(source)
        .arg(point)
        .arg("-o")
        .arg(options.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::secrets::Secret;

    fn place(name: &str, options: &[(&str, &str)]) -> Result<Place, String> {
        let defaults = place::Defaults {
            bucket: None,
            url: Some("http://127.0.0.1:5000".into()),
            region: "us-east-1".into(),
            path_style: None,
        };
        let options = options
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect();
        Place::of(&VolumeName::new(name).unwrap(), &options, &defaults)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_run() {
        let keys = Keys::Pair {
            access: "AK".into(),
            secret: Secret::new("SK,\"$"),
        };
        let options = [
            ("bucket", "data"),
            ("prefix", "/a/b/"),
            ("ro", ""),
            ("s3fs-umask", "022"),
        ];
        let argv = helper(
            &place("v", &options).unwrap(),
            &MountOptions::trusted("allow_other"),
            &keys,
            Some(Path::new("/k")),
            Path::new("/m"),
        );
        assert_eq!(
            argv.shown(),
            [
                "s3fs",
                "data:/a/b",
                "/m",
                "-o",
                "allow_other,url=http://127.0.0.1:5000,endpoint=us-east-1,use_path_request_style,passwd_file=/k,ro,umask=022"
            ]
        );
    }

    #[test]
    fn no_value_adds_an_option() {
        for (key, value) in [
            ("bucket", "a,uid=0"),
            ("bucket", "-obucket"),
            ("bucket", "../x"),
            ("bucket", "UPPER"),
            ("prefix", "a,uid=0"),
            ("prefix", "../x"),
            ("prefix", "a\nb"),
            ("url", "http://h/,uid=0"),
            ("url", "file:///etc"),
            ("url", "http://u:p@h/"),
            ("region", "x,uid=0"),
            ("s3fs-umask", "0,uid=0"),
            ("s3fs-passwd_file", "/etc/x"),
            ("s3fs-uid", "0,allow_other"),
            ("ro", "suid"),
            ("path-style", "x"),
            ("key-file", "relative"),
        ] {
            let mut options = vec![("bucket", "data")];
            options.retain(|(known, _)| *known != key);
            options.push((key, value));
            let error = place("v", &options).unwrap_err();
            assert!(
                error.contains(&format!("option \"{key}\"")),
                "{key}={value}: {error}"
            );
        }
        assert!(
            place("No-Bucket", &[])
                .unwrap_err()
                .contains("option \"bucket\"")
        );
        assert_eq!(place("my-bucket", &[]).unwrap().bucket, "my-bucket");
    }
}
