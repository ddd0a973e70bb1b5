//! Which volumes the driver's bucket has, for every driver that uses it.
//!
//! A prefix exists in S3 for as long as there are objects under it, so a volume that is empty, or
//! was removed with its data kept, cannot be told from its prefix. Each volume has a marker, an
//! empty object of its name under `.volplug/volumes/`; Create puts it there and Remove takes it
//! away.

use std::{collections::BTreeSet, ffi::OsStr, path::PathBuf, sync::Arc, time::Duration};

use rusty_s3::{
    Bucket, Credentials, S3Action as _,
    actions::{DeleteObject, HeadObject, ListObjectsV2, PutObject},
};
use serde_json::{Map, Value};

use super::{
    check::{self, Refusal},
    keys::KeySources,
    place::Place,
};
use crate::{
    backend::{Presence, Provisioned, known::LastKnown},
    error::{Error, ErrorKind},
    http::{Answer, Client},
    types::VolumeName,
    volumes::Key,
};

const MARKERS: &str = ".volplug/volumes/";
/// Signatures are used at once.
const VALID: Duration = Duration::from_secs(60);

/// The markers of one bucket.
#[derive(Debug)]
pub(super) struct Catalogue {
    server: Arc<Server>,
    known: Arc<LastKnown>,
}

#[derive(Debug)]
struct Server {
    client: Client,
    keys: Arc<KeySources>,
    /// The bucket; the prefix does not matter.
    place: Place,
}

impl Catalogue {
    pub(super) fn new(
        client: Client,
        keys: Arc<KeySources>,
        place: Place,
        known_file: PathBuf,
    ) -> Self {
        Self {
            server: Arc::new(Server {
                client,
                keys,
                place,
            }),
            known: LastKnown::read(known_file),
        }
    }

    pub(super) async fn presence(&self, name: &VolumeName) -> Presence {
        let (server, key) = (Arc::clone(&self.server), Key::of(name));
        let marker = key.as_str().to_owned();
        let exists = async move { server.has(key.as_str()).await };
        self.known.presence(&marker, exists).await
    }

    pub(super) async fn inventory(&self) -> Option<Vec<VolumeName>> {
        let server = Arc::clone(&self.server);
        let markers = self
            .known
            .inventory(async move { server.list().await })
            .await?;
        let names = markers
            .iter()
            .filter_map(|marker| Key::name_of(OsStr::new(marker)));
        Some(names.collect())
    }

    /// Notes a volume; another driver may have noted it before.
    pub(super) async fn add(&self, key: &Key) -> Result<Provisioned, Error> {
        let found = self.server.has(key.as_str()).await?;
        if !found {
            self.server.put(key.as_str()).await?;
        }
        self.known.changed(key.as_str(), true);
        Ok(if found {
            Provisioned::Found
        } else {
            Provisioned::Made
        })
    }

    pub(super) async fn remove(&self, key: &Key) -> Result<(), Error> {
        self.server.delete(key.as_str()).await?;
        self.known.changed(key.as_str(), false);
        Ok(())
    }

    /// Whether the bucket can be used.
    pub(super) async fn health(&self) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        let question = async move {
            let keys = server.keys.find(None).await?;
            check::ask(&server.client, &server.place, &keys).await
        };
        self.known.health(question).await
    }

    pub(super) fn status(&self) -> Map<String, Value> {
        self.known.status()
    }
}

impl Server {
    async fn has(&self, key: &str) -> Result<bool, Error> {
        let (bucket, keys) = self.signer().await?;
        let marker = format!("{MARKERS}{key}");
        let url = HeadObject::new(&bucket, Some(&keys), &marker).sign(VALID);
        let answer = self.send("HEAD", url.as_str()).await?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(self.refused(&answer)),
        }
    }

    async fn put(&self, key: &str) -> Result<(), Error> {
        let (bucket, keys) = self.signer().await?;
        let marker = format!("{MARKERS}{key}");
        let url = PutObject::new(&bucket, Some(&keys), &marker).sign(VALID);
        let answer = self.send("PUT", url.as_str()).await?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(self.refused(&answer))
        }
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let (bucket, keys) = self.signer().await?;
        let marker = format!("{MARKERS}{key}");
        let url = DeleteObject::new(&bucket, Some(&keys), &marker).sign(VALID);
        let answer = self.send("DELETE", url.as_str()).await?;
        match answer.status {
            // Gone already is fine.
            200..=299 | 404 => Ok(()),
            _ => Err(self.refused(&answer)),
        }
    }

    async fn list(&self) -> Result<BTreeSet<String>, Error> {
        let (bucket, keys) = self.signer().await?;
        let mut markers = BTreeSet::new();
        let mut next: Option<String> = None;
        loop {
            let mut list = ListObjectsV2::new(&bucket, Some(&keys));
            list.with_prefix(MARKERS);
            if let Some(token) = next.take() {
                list.with_continuation_token(token);
            }
            let answer = self.send("GET", list.sign(VALID).as_str()).await?;
            if answer.status != 200 {
                return Err(self.refused(&answer));
            }
            let page = ListObjectsV2::parse_response(&answer.body).map_err(|_| {
                Error::new(
                    ErrorKind::Unavailable,
                    "the S3 server's list of objects makes no sense".to_owned(),
                )
            })?;
            let keys = page
                .contents
                .iter()
                .filter_map(|object| object.key.strip_prefix(MARKERS));
            markers.extend(keys.map(str::to_owned));
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(markers);
            }
        }
    }

    async fn signer(&self) -> Result<(Bucket, Credentials), Error> {
        let keys = self.keys.find(None).await?;
        Ok((check::bucket(&self.place)?, keys.credentials()))
    }

    async fn send(&self, method: &str, url: &str) -> Result<Answer, Error> {
        check::send(&self.client, method, url, &self.place).await
    }

    fn refused(&self, answer: &Answer) -> Error {
        Refusal::read(answer).about(&self.place)
    }
}
