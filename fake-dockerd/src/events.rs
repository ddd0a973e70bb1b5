//! Events, as `docker events` shows them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// How many events a slow reader may be behind before it loses some, as in moby.
const BUFFERED: usize = 1024;
/// How many past events are kept (`eventsLimit` of moby's `daemon/events`).
const KEPT: usize = 256;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `volume`, `container`, `image` or `network`.
    pub kind: String,
    /// `create`, `mount`, `die` …
    pub action: String,
    /// The volume's name, or the ID of anything else.
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
    past: Mutex<VecDeque<Event>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            sender: broadcast::Sender::new(BUFFERED),
            past: Mutex::default(),
        }
    }
}

impl Events {
    /// Every event from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// The last events of this daemon's life, the oldest first, and every event from then on.
    pub(crate) fn past(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        (past.iter().cloned().collect(), self.sender.subscribe())
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

    /// Tells what happened to something of `kind`.
    pub(crate) fn tell<'a>(
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
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.len() == KEPT {
            past.pop_front();
        }
        past.push_back(event.clone());
        // Nobody listens most of the time. Sent under the lock: who asks for the past gets every
        // event once.
        let _ = self.sender.send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::{Events, KEPT};

    #[test]
    fn the_last_events_are_kept() {
        let events = Events::default();
        for number in 0..=KEPT {
            events.volume(&number.to_string(), "create", []);
        }
        let (past, mut live) = events.past();
        assert_eq!(past.len(), KEPT);
        assert_eq!(past[0].id, "1");
        assert!(live.try_recv().is_err());
        events.volume("v", "destroy", []);
        assert_eq!(live.try_recv().unwrap().id, "v");
    }
}
