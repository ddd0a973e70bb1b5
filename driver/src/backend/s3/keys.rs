//! The keys of a volume: from a file that it names, the driver's file or environment, or the role
//! of the instance.

use std::{
    env,
    path::{Path, PathBuf},
};

use rusty_s3::Credentials;

use crate::{
    error::{Error, ErrorKind},
    http::metadata::Metadata,
    mount::secrets::{self, Secret},
};

/// Keys, found.
#[derive(Debug)]
pub(super) enum Keys {
    /// An access key and its secret.
    Pair { access: String, secret: Secret },
    /// Keys of a role, which expire; s3fs fetches its own.
    Role { name: String, current: Credentials },
}

impl Keys {
    /// The file that s3fs reads.
    pub(super) fn as_file(&self) -> String {
        match self {
            Self::Pair { access, secret } => format!("{access}:{}\n", secret.expose()),
            Self::Role { .. } => String::new(),
        }
    }

    /// For signing.
    pub(super) fn credentials(&self) -> Credentials {
        match self {
            Self::Pair { access, secret } => Credentials::new(access, secret.expose()),
            Self::Role { current, .. } => current.clone(),
        }
    }
}

/// Where the driver looks for keys.
#[derive(Debug)]
pub(super) struct KeySources {
    pub(super) file: Option<PathBuf>,
    pub(super) role: Option<String>,
    pub(super) metadata: Metadata,
}

impl KeySources {
    /// The keys for a volume, which may name a file of its own.
    pub(super) async fn find(&self, own_file: Option<&Path>) -> Result<Keys, Error> {
        if let Some(path) = own_file {
            return read(path).map_err(|problem| Error::invalid_option("key-file", problem));
        }
        if let Some(path) = &self.file {
            return read(path).map_err(|problem| Error::internal("use the key file", problem));
        }
        if let (Ok(access), Ok(secret)) = (
            env::var("AWS_ACCESS_KEY_ID"),
            env::var("AWS_SECRET_ACCESS_KEY"),
        ) {
            return parse(&format!("{access}:{secret}")).ok_or_else(|| {
                Error::internal("use the keys in the environment", "they are no keys")
            });
        }
        match &self.role {
            Some(role) => self.of_role(role).await,
            None => Err(Error::invalid_option(
                "key-file",
                "missing, and the driver has no keys: start it with --key-file, --iam-role or \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in its environment",
            )),
        }
    }

    async fn of_role(&self, role: &str) -> Result<Keys, Error> {
        const ROLES: &str = "iam/security-credentials";
        let name = match role {
            "auto" => self.metadata.get(&format!("{ROLES}/")).await?,
            name => name.to_owned(),
        };
        let name = name.lines().next().unwrap_or_default().to_owned();
        let name = super::place::parse_role(&name).map_err(|problem| {
            Error::new(
                ErrorKind::Unavailable,
                format!("the role of this instance is not known: {problem}"),
            )
        })?;
        let answer = self.metadata.get(&format!("{ROLES}/{name}")).await?;
        let found =
            rusty_s3::credentials::Ec2SecurityCredentialsMetadataResponse::deserialize(&answer)
                .map_err(|_| {
                    Error::new(
                        ErrorKind::Unavailable,
                        "the metadata service gave no keys".to_owned(),
                    )
                })?;
        Ok(Keys::Role {
            name,
            current: found.into_credentials(),
        })
    }
}

fn read(path: &Path) -> Result<Keys, String> {
    let line = secrets::read_line(path)?;
    parse(line.expose())
        .ok_or_else(|| format!("{} does not hold ACCESS_KEY:SECRET_KEY", path.display()))
}

/// `ACCESS_KEY:SECRET_KEY`; s3fs takes no line break and no second colon.
fn parse(line: &str) -> Option<Keys> {
    let (access, secret) = line.trim().split_once(':')?;
    let good = |text: &str| {
        !text.is_empty()
            && !text.contains(':')
            && !text
                .chars()
                .any(|char| char.is_control() || char.is_whitespace())
    };
    (good(access) && good(secret)).then(|| Keys::Pair {
        access: access.to_owned(),
        secret: Secret::new(secret),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_one_line_of_two() {
        let keys = parse("AKIA123:se/cr+et,\"x\n").unwrap();
        assert_eq!(keys.as_file(), "AKIA123:se/cr+et,\"x\n");
        assert!(!format!("{keys:?}").contains("se/cr+et"));
        for bad in ["", "AKIA", ":s", "a:", "a:b:c", "a:b c"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
