//! Asking the S3 server itself whether a bucket can be used.

use std::time::Duration;

use rusty_s3::{
    Bucket, S3Action as _, UrlStyle,
    actions::{CreateBucket, ListObjectsV2},
};

use super::{keys::Keys, place::Place};
use crate::{
    error::{Error, ErrorKind},
    http::{Answer, Client, request},
};

/// Signatures are used at once.
const VALID: Duration = Duration::from_secs(60);

/// Makes sure that the keys may list the bucket, and makes it where the volume says so.
pub(super) async fn find_or_make(client: &Client, place: &Place, keys: &Keys) -> Result<(), Error> {
    let answer = list(client, place, keys).await?;
    if answer.status == 200 {
        return Ok(());
    }
    let refusal = Refusal::read(&answer);
    if place.create && refusal.code == "NoSuchBucket" {
        return make(client, place, keys).await;
    }
    Err(refusal.about(place))
}

/// Only asks.
pub(super) async fn ask(client: &Client, place: &Place, keys: &Keys) -> Result<(), Error> {
    let answer = list(client, place, keys).await?;
    if answer.status == 200 {
        Ok(())
    } else {
        Err(Refusal::read(&answer).about(place))
    }
}

async fn list(client: &Client, place: &Place, keys: &Keys) -> Result<Answer, Error> {
    let (bucket, credentials) = (bucket(place)?, keys.credentials());
    let mut list = ListObjectsV2::new(&bucket, Some(&credentials));
    list.with_max_keys(1);
    if let Some(prefix) = &place.prefix {
        list.with_prefix(format!("{prefix}/"));
    }
    send(client, "GET", list.sign(VALID).as_str(), place).await
}

async fn make(client: &Client, place: &Place, keys: &Keys) -> Result<(), Error> {
    let (bucket, credentials) = (bucket(place)?, keys.credentials());
    let url = CreateBucket::new(&bucket, &credentials).sign(VALID);
    let answer = send(client, "PUT", url.as_str(), place).await?;
    let refusal = Refusal::read(&answer);
    match answer.status {
        200 => Ok(()),
        // Somebody was faster.
        409 if refusal.code == "BucketAlreadyOwnedByYou" => Ok(()),
        _ => Err(refusal.about(place)),
    }
}

pub(super) async fn send(
    client: &Client,
    method: &str,
    url: &str,
    place: &Place,
) -> Result<Answer, Error> {
    let service = format!("the S3 server {}", place.url);
    client
        .call(&service, request(method, url, &[], String::new())?)
        .await
}

pub(super) fn bucket(place: &Place) -> Result<Bucket, Error> {
    let style = if place.path_style {
        UrlStyle::Path
    } else {
        UrlStyle::VirtualHost
    };
    let url = place
        .url
        .parse()
        .map_err(|problem| Error::invalid_option("url", problem))?;
    Bucket::new(url, style, place.bucket.clone(), place.region.clone())
        .map_err(|problem| Error::invalid_option("url", problem))
}

/// Why the server refused, in its own words.
pub(super) struct Refusal {
    status: u16,
    code: String,
    message: String,
}

impl Refusal {
    pub(super) fn read(answer: &Answer) -> Self {
        let text = |tag: &str| {
            let (_, rest) = answer.body.split_once(&format!("<{tag}>"))?;
            let (text, _) = rest.split_once('<')?;
            let plain = text
                .replace("&quot;", "\"")
                .replace("&apos;", "'")
                .replace("&amp;", "&");
            Some(
                plain
                    .chars()
                    .filter(|char| !char.is_control())
                    .take(200)
                    .collect(),
            )
        };
        Self {
            status: answer.status,
            code: text("Code").unwrap_or_default(),
            message: text("Message").unwrap_or_default(),
        }
    }

    pub(super) fn about(&self, place: &Place) -> Error {
        let Self {
            status,
            code,
            message,
        } = self;
        let bucket = &place.bucket;
        let hint = match code.as_str() {
            "NoSuchBucket" => "; -o create=true makes it",
            _ => "",
        };
        let reason = match (code.as_str(), message.as_str()) {
            ("", _) => format!("status {status}"),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        };
        Error::new(
            ErrorKind::Unavailable,
            format!("bucket {bucket} cannot be used, the server says {reason}{hint}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_the_server_is_told() {
        let body = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\n<Message>Keys &amp; such</Message></Error>";
        let refusal = Refusal::read(&Answer {
            status: 403,
            body: body.into(),
        });
        assert_eq!(
            (refusal.code.as_str(), refusal.message.as_str()),
            ("SignatureDoesNotMatch", "Keys & such")
        );
        let refusal = Refusal::read(&Answer {
            status: 502,
            body: "<html>".into(),
        });
        assert_eq!(refusal.code, "");
    }
}
