//! `/events`, followed live. What happened before is not kept.

use bytes::Bytes;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Duration, sleep};

use super::Api;
use super::answer;
use super::ask::{Ask, Filters};
use super::errors::{Answer, Failure};
use crate::events::Event;

/// Events that a client may be behind.
const AHEAD: usize = 64;

/// `GET /events`.
pub(super) fn follow(api: &Api, ask: &Ask) -> Answer {
    if !ask.value("since").is_empty() {
        return Err(Failure::not_served("GET /events with since"));
    }
    let filters = ask.filters(&["type", "event", "container", "volume", "label", "image"])?;
    if !filters.get("label").is_empty() {
        return Err(Failure::not_served("GET /events with the filter label"));
    }
    let until = ask.number("until")?;
    let mut events = api.daemon.events();
    let (sender, body) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let end = async {
            match until {
                Some(until) => {
                    let left = until - jiff::Timestamp::now().as_second();
                    sleep(Duration::from_secs(u64::try_from(left).unwrap_or(0))).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::pin!(end);
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = &mut end => break,
                () = sender.closed() => break,
            };
            match event {
                Ok(event) if matches(&event, &filters) => {
                    if sender.send(line(&event)).await.is_err() {
                        break;
                    }
                }
                // A slow client loses some, as with dockerd.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
    });
    Ok(answer::stream(body, "application/json"))
}

fn matches(event: &Event, filters: &Filters) -> bool {
    let attribute = |key: &str| event.attributes.get(key).map_or("", String::as_str);
    let is_of = |kind: &str| {
        let wanted = filters.get(kind);
        let one = |wanted: &String| {
            event.kind == kind && (event.id.starts_with(wanted) || attribute("name") == wanted)
        };
        wanted.is_empty() || wanted.iter().any(one)
    };
    filters.allows("type", &event.kind)
        && filters.allows("event", &event.action)
        && filters.allows("image", attribute("image"))
        && is_of("container")
        && is_of("volume")
}

fn line(event: &Event) -> Bytes {
    let value = json!({
        "Type": event.kind,
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "local",
        "time": event.time.as_secs(),
        "timeNano": u64::try_from(event.time.as_nanos()).unwrap_or(u64::MAX),
    });
    Bytes::from(format!("{value}\n"))
}
