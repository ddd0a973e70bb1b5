//! The metadata service of an EC2 instance: version 2, which asks for a token first, and version
//! 1 only where that is allowed.

use std::time::Duration;

use super::{Client, request};
use crate::error::{Error, ErrorKind};

/// Where every instance finds it.
pub(crate) const DEFAULT_URL: &str = "http://169.254.169.254";

/// It is a hop away; what takes longer is not there.
const LIMIT: Duration = Duration::from_secs(2);
const SERVICE: &str = "the metadata service of this instance";

/// The service at one address.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    client: Client,
    url: String,
    allow_v1: bool,
}

impl Metadata {
    pub(crate) fn new(url: &str, allow_v1: bool) -> Self {
        Self {
            client: Client::direct(LIMIT),
            url: url.trim_end_matches('/').to_owned(),
            allow_v1,
        }
    }

    /// What stands under `latest/meta-data/`.
    pub(crate) async fn get(&self, path: &str) -> Result<String, Error> {
        let url = format!("{}/latest/meta-data/{path}", self.url);
        let token = self.token().await?;
        let headers: Vec<_> = token
            .as_deref()
            .map(|token| ("X-aws-ec2-metadata-token", token))
            .into_iter()
            .collect();
        let answer = self
            .client
            .call(SERVICE, request("GET", &url, &headers, String::new())?)
            .await?;
        match answer.status {
            200 => Ok(answer.body.trim().to_owned()),
            status => Err(refused(status)),
        }
    }

    /// `None`: go on without one.
    async fn token(&self) -> Result<Option<String>, Error> {
        let url = format!("{}/latest/api/token", self.url);
        let lifetime = [("X-aws-ec2-metadata-token-ttl-seconds", "60")];
        let answer = self
            .client
            .call(SERVICE, request("PUT", &url, &lifetime, String::new())?)
            .await;
        match answer {
            Ok(answer) if answer.status == 200 => Ok(Some(answer.body.trim().to_owned())),
            _ if self.allow_v1 => Ok(None),
            Ok(answer) => Err(refused(answer.status)),
            Err(error) => Err(error),
        }
    }
}

fn refused(status: u16) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("{SERVICE} answers with status {status}"),
    )
}
