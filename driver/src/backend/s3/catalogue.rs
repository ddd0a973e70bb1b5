//! Which volumes the driver's bucket has, for every driver that uses it.
//!
//! A prefix exists in S3 for as long as there are objects under it, so a volume that is empty, or
//! was removed with its data kept, cannot be told from its prefix. Each volume has a marker, an
//! empty object of its name under `.volplug/volumes/`; Create puts it there and Remove takes it
//! away.

use std::{collections::BTreeSet, ffi::OsStr, path::Path, sync::Arc, time::Duration};

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
    StartError,
    backend::{Elsewhere, Presence, Provisioned, known::LastKnown},
    error::{Error, ErrorKind},
    host,
    http::{Answer, Client},
    types::VolumeName,
    volumes::Key,
};

const MARKERS: &str = ".volplug/volumes/";
/// Below it, an object of each host that holds a volume, in a prefix of the volume's name.
const HOLDERS: &str = ".volplug/holders/";
/// Signatures are used at once.
const VALID: Duration = Duration::from_secs(60);

/// The markers of one bucket.
#[derive(Debug)]
pub(super) struct Catalogue {
    server: Arc<Server>,
    known: Arc<LastKnown>,
    /// The name of this host among those that use the bucket.
    host: String,
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
        own: &Path,
    ) -> Result<Self, StartError> {
        let storage = format!("bucket {} of {}", place.bucket, place.url);
        Ok(Self {
            known: LastKnown::read(storage, own.join("known-volumes.json")),
            server: Arc::new(Server {
                client,
                keys,
                place,
            }),
            host: host::identity(own).map_err(|error| StartError::state(own, error))?,
        })
    }

    pub(super) async fn presence(&self, name: &VolumeName) -> Presence {
        let (server, key) = (Arc::clone(&self.server), Key::of(name));
        let marker = key.as_str().to_owned();
        let object = format!("{MARKERS}{}", key.as_str());
        let exists = async move { server.has(&object).await };
        self.known.presence(&marker, exists).await
    }

    pub(super) async fn inventory(&self) -> Option<Vec<VolumeName>> {
        let server = Arc::clone(&self.server);
        let markers = self
            .known
            .inventory(async move { server.list(MARKERS).await })
            .await?;
        let names = markers
            .iter()
            .filter_map(|marker| Key::name_of(OsStr::new(marker)));
        Some(names.collect())
    }

    /// Notes a volume; another driver may have noted it before.
    pub(super) async fn add(&self, key: &Key) -> Result<Provisioned, Error> {
        let marker = format!("{MARKERS}{}", key.as_str());
        let found = self.server.has(&marker).await?;
        if !found {
            self.server.put(&marker).await?;
        }
        self.known.changed(key.as_str(), true);
        Ok(if found {
            Provisioned::Found
        } else {
            Provisioned::Made
        })
    }

    pub(super) async fn remove(&self, key: &Key) -> Result<(), Error> {
        self.server
            .delete(&format!("{MARKERS}{}", key.as_str()))
            .await?;
        self.known.changed(key.as_str(), false);
        Ok(())
    }

    /// Notes in the bucket that this host holds the volume.
    pub(super) async fn hold(&self, key: &Key) -> Result<(), Error> {
        self.server.put(&self.note(key.as_str())).await
    }

    /// Undoes [`hold`](Self::hold). A server that does not answer is not waited for.
    pub(super) async fn let_go(&self, key: &Key, patience: Duration) {
        let (server, note) = (Arc::clone(&self.server), self.note(key.as_str()));
        let told = tokio::spawn(async move {
            if let Err(error) = server.delete(&note).await {
                tracing::warn!(%error, "the other hosts cannot be told that a volume is no longer mounted here");
            }
        });
        let _ = tokio::time::timeout(patience, told).await;
    }

    /// Undoes [`hold`](Self::hold) for all volumes but these.
    pub(super) async fn holds_only(&self, held: &[Key]) -> Result<(), Error> {
        for note in self.server.list(HOLDERS).await? {
            let Some((key, host)) = note.rsplit_once('/') else {
                continue;
            };
            if host == self.host && !held.iter().any(|held| held.as_str() == key) {
                self.server.delete(&self.note(key)).await?;
            }
        }
        Ok(())
    }

    /// Which other hosts hold the volume.
    pub(super) async fn held_elsewhere(&self, key: &Key) -> Result<Elsewhere, Error> {
        let notes = format!("{HOLDERS}{}/", key.as_str());
        let hosts = self.server.list(&notes).await?;
        Ok(Elsewhere {
            hosts: hosts
                .into_iter()
                .filter(|host| *host != self.host)
                .collect(),
            notes,
        })
    }

    /// The object that says that this host holds a volume.
    fn note(&self, key: &str) -> String {
        format!("{HOLDERS}{key}/{}", self.host)
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
    async fn has(&self, object: &str) -> Result<bool, Error> {
        let (bucket, keys) = self.signer().await?;
        let url = HeadObject::new(&bucket, Some(&keys), object).sign(VALID);
        let answer = self.send("HEAD", url.as_str()).await?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(self.refused(&answer)),
        }
    }

    async fn put(&self, object: &str) -> Result<(), Error> {
        let (bucket, keys) = self.signer().await?;
        let url = PutObject::new(&bucket, Some(&keys), object).sign(VALID);
        let answer = self.send("PUT", url.as_str()).await?;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(self.refused(&answer))
        }
    }

    async fn delete(&self, object: &str) -> Result<(), Error> {
        let (bucket, keys) = self.signer().await?;
        let url = DeleteObject::new(&bucket, Some(&keys), object).sign(VALID);
        let answer = self.send("DELETE", url.as_str()).await?;
        match answer.status {
            // Gone already is fine.
            200..=299 | 404 => Ok(()),
            _ => Err(self.refused(&answer)),
        }
    }

    async fn list(&self, start: &str) -> Result<BTreeSet<String>, Error> {
        let (bucket, keys) = self.signer().await?;
        let mut markers = BTreeSet::new();
        let mut next: Option<String> = None;
        loop {
            let mut list = ListObjectsV2::new(&bucket, Some(&keys));
            list.with_prefix(start.to_owned());
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
                .filter_map(|object| object.key.strip_prefix(start));
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
