//! Events, as `docker events` shows them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// How many events a slow reader may be behind before it loses some, as in moby.
const BUFFERED: usize = 1024;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `volume` or `container`.
    pub kind: String,
    /// `create`, `mount`, `die` …
    pub action: String,
    /// The volume's name, or the container's ID.
    pub id: String,
    /// The driver, the container, the exit code …
    pub attributes: BTreeMap<String, String>,
    /// Since 1970.
    pub time: Duration,
}

/// Where events are told.
#[derive(Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BUFFERED),
        }
    }
}

impl Events {
    /// Every event from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// Tells what happened to a volume.
    pub(crate) fn volume<'a>(
        &self,
        name: &str,
        action: &str,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        self.tell("volume", name, action, attributes);
    }

    /// Tells what happened to a container.
    pub(crate) fn container<'a>(
        &self,
        id: &str,
        action: &str,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        self.tell("container", id, action, attributes);
    }

    fn tell<'a>(
        &self,
        kind: &str,
        id: &str,
        action: &str,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let event = Event {
            kind: kind.to_owned(),
            action: action.to_owned(),
            id: id.to_owned(),
            attributes: attributes
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        };
        // Nobody listens most of the time.
        let _ = self.sender.send(event);
    }
}
