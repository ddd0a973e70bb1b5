//! Where in S3 a volume is, from its name, its options and the driver's defaults.

use std::path::PathBuf;

use crate::{
    backend::options::{Given, PassThrough},
    error::{Error, Quoted},
    mount::options::{MountOptions, check_value},
    types::{Options, VolumeName},
    volumes::Key,
};

/// Options of s3fs that cannot reach other files of the host, or other servers.
const THROUGH: PassThrough = PassThrough {
    prefix: "s3fs-",
    values: &[
        "connect_timeout",
        "default_acl",
        "gid",
        "list_object_max_keys",
        "max_dirty_data",
        "max_stat_cache_size",
        "mp_umask",
        "multipart_size",
        "multireq_max",
        "parallel_count",
        "readwrite_timeout",
        "retries",
        "stat_cache_expire",
        "storage_class",
        "uid",
        "umask",
    ],
    flags: &[
        "compat_dir",
        "complement_stat",
        "enable_noobj_cache",
        "noatime",
        "nocopyapi",
        "nodev",
        "noexec",
        "nomixupload",
        "nomultipart",
        "norenameapi",
        "noxmlns",
        "nosuid",
        "sigv2",
        "sigv4",
    ],
};

const ACCEPTED: [&str; 8] = [
    "bucket",
    "create",
    "key-file",
    "path-style",
    "prefix",
    "region",
    "ro",
    "url",
];

/// What a volume need not say.
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) bucket: Option<String>,
    pub(super) url: Option<String>,
    pub(super) region: String,
    pub(super) path_style: Option<bool>,
}

/// A bucket, or a prefix of one, and how to reach it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) bucket: String,
    /// Without slashes at either end.
    pub(super) prefix: Option<String>,
    pub(super) url: String,
    pub(super) region: String,
    pub(super) path_style: bool,
    pub(super) key_file: Option<PathBuf>,
    /// Whether it is one of the driver's own bucket, under its own name.
    pub(super) is_ours: bool,
    /// Whether a missing bucket is made.
    pub(super) create: bool,
    /// For s3fs.
    pub(super) options: MountOptions,
}

impl Place {
    pub(super) fn of(
        name: &VolumeName,
        options: &Options,
        defaults: &Defaults,
    ) -> Result<Self, Error> {
        let given = Given::check(options, &ACCEPTED, Some(&THROUGH))?;
        let parsed = |key: &str, parse: fn(&str) -> Result<String, String>| {
            let value = given.text(key)?;
            value
                .map(parse)
                .transpose()
                .map_err(|problem| Error::invalid_option(key, problem))
        };
        let elsewhere = [
            "bucket",
            "key-file",
            "path-style",
            "prefix",
            "region",
            "url",
        ];
        let is_ours =
            defaults.bucket.is_some() && !elsewhere.iter().any(|key| options.contains_key(*key));
        let mut prefix = parsed("prefix", parse_prefix)?;
        let bucket = match (parsed("bucket", parse_bucket)?, &defaults.bucket) {
            (Some(bucket), _) => bucket,
            (None, Some(bucket)) => {
                // The volumes of one bucket lie side by side, each under its name.
                prefix.get_or_insert_with(|| Key::of(name).as_str().to_owned());
                bucket.clone()
            }
            (None, None) => parse_bucket(name).map_err(|_| {
                Error::invalid_option(
                    "bucket",
                    "missing; say -o bucket=…, name the volume after its bucket, or start volplug-driver s3 with --bucket",
                )
            })?,
        };
        let region = parsed("region", parse_region)?.unwrap_or_else(|| defaults.region.clone());
        let own_url = parsed("url", parse_url)?.or_else(|| defaults.url.clone());
        let path_style = given
            .flag("path-style")?
            .or(defaults.path_style)
            .unwrap_or(own_url.is_some());
        let mut mount = given.mount_options()?;
        given.pass_through(&THROUGH, &mut mount)?;
        let key_file = given.text("key-file")?.map(PathBuf::from);
        if key_file.as_ref().is_some_and(|path| !path.is_absolute()) {
            return Err(Error::invalid_option(
                "key-file",
                "expected an absolute path",
            ));
        }
        Ok(Self {
            bucket,
            prefix,
            url: own_url.unwrap_or_else(|| amazon(&region)),
            region,
            path_style,
            key_file,
            is_ours,
            create: given.flag("create")?.unwrap_or(false),
            options: mount,
        })
    }

    /// `bucket/prefix`, for messages.
    pub(super) fn shown(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("{}/{prefix}", self.bucket),
            None => self.bucket.clone(),
        }
    }
}

impl Defaults {
    /// The driver's own bucket.
    pub(super) fn bucket(&self) -> Option<Place> {
        let bucket = self.bucket.clone()?;
        Some(Place {
            bucket,
            prefix: None,
            url: self.url.clone().unwrap_or_else(|| amazon(&self.region)),
            region: self.region.clone(),
            path_style: self.path_style.unwrap_or(self.url.is_some()),
            key_file: None,
            is_ours: true,
            create: false,
            options: MountOptions::default(),
        })
    }
}

fn amazon(region: &str) -> String {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://s3.{region}.{domain}")
}

/// The rules of Amazon for names of buckets.
pub(super) fn parse_bucket(text: &str) -> Result<String, String> {
    let fits = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
    };
    let edge = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let bytes = text.as_bytes();
    let good = (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(fits)
        && edge(bytes.first())
        && edge(bytes.last())
        && !text.contains("..");
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{} is no name of a bucket: 3 to 63 of a-z 0-9 . -, a letter or digit at either end",
            Quoted(text)
        ))
    }
}

fn parse_prefix(text: &str) -> Result<String, String> {
    // s3fs takes everything behind the colon as it is, but blanks and commas have bitten others.
    check_value(text)?;
    let prefix = text.trim_matches('/');
    if prefix.is_empty()
        || prefix
            .split('/')
            .any(|part| matches!(part, "" | "." | ".."))
        || prefix.contains(':')
    {
        return Err(format!("{} is no prefix such as data/app", Quoted(text)));
    }
    Ok(prefix.to_owned())
}

/// `http://` or `https://`, a host, a port perhaps, and nothing else.
pub(super) fn parse_url(text: &str) -> Result<String, String> {
    let expected = || {
        format!(
            "{} is no URL such as https://minio.example:9000",
            Quoted(text)
        )
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(expected)?;
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let fits = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    if !matches!(scheme, "http" | "https") || host.is_empty() || !host.bytes().all(fits) {
        // A user and password in a URL would end up in arguments.
        return Err(if host.contains('@') {
            "a user name cannot be part of the URL".to_owned()
        } else {
            expected()
        });
    }
    Ok(format!("{scheme}://{host}"))
}

pub(super) fn parse_region(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !text.is_empty() && text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{} is no region such as eu-central-1",
            Quoted(text)
        ))
    }
}

pub(super) fn parse_role(text: &str) -> Result<String, String> {
    check_value(text)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+=.@_-".contains(&byte);
    if text.bytes().all(fits) {
        Ok(text.to_owned())
    } else {
        Err(format!("{} is no name of a role", Quoted(text)))
    }
}
