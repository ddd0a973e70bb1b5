//! `/events`: the last ones and those to come.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Duration, sleep};

use super::Api;
use super::answer;
use super::ask::{Ask, Filters};
use super::errors::Answer;
use super::timestamps;
use crate::events::Event;
use crate::labels;

/// Events that a client may be behind.
const AHEAD: usize = 64;
/// What moby filters by. No event here comes from a builder, a swarm or another daemon.
const FILTERS: [&str; 14] = [
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];
/// Kinds that a filter of their name picks by the beginning of an ID or a name.
const KINDS: [&str; 9] = [
    "config",
    "container",
    "daemon",
    "network",
    "node",
    "plugin",
    "secret",
    "service",
    "volume",
];
/// Actions with more behind a colon (moby#25798).
const WITH_DETAILS: [&str; 3] = ["health_status", "exec_create", "exec_start"];

/// `GET /events`. With `until` in the past it ends with the last event that is known.
pub(super) fn follow(api: &Api, ask: &Ask) -> Answer {
    let filters = ask.filters(&FILTERS)?;
    let since = timestamps::given(ask.value("since"))?;
    let until = timestamps::given(ask.value("until"))?;
    let (past, mut events) = api.daemon.core.events.past();
    let (sender, body) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        // As moby, the past is told only if somebody asked since or until when.
        let asked = since.is_some() || until.is_some();
        let past = past.into_iter().filter(|event| {
            asked
                && since.is_none_or(|since| time(event) >= since)
                && until.is_none_or(|until| time(event) <= until)
                && matches(event, &filters)
        });
        for event in past {
            if sender.send(line(&event)).await.is_err() {
                return;
            }
        }
        let end = async {
            match until {
                Some(until) => {
                    let left = until.duration_since(Timestamp::now());
                    sleep(Duration::try_from(left).unwrap_or_default()).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::pin!(end);
        loop {
            let event = tokio::select! {
                biased;
                () = sender.closed() => break,
                () = &mut end => break,
                event = events.recv() => event,
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

fn time(event: &Event) -> Timestamp {
    let nanoseconds = i128::try_from(event.time.as_nanos()).unwrap_or(i128::MAX);
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX)
}

/// moby's `Filter.Include`.
fn matches(event: &Event, filters: &Filters) -> bool {
    let attribute = |key: &str| event.attributes.get(key).map_or("", String::as_str);
    let begins = |key: &str, texts: &[&str]| {
        let wanted = filters.get(key);
        let one = |wanted: &String| texts.iter().any(|text| text.starts_with(wanted.as_str()));
        wanted.is_empty() || wanted.iter().any(one)
    };
    let named = [event.id.as_str(), attribute("name")];
    let detailed = filters.get("event").iter().any(|event| {
        let mut actions = WITH_DETAILS.iter();
        actions.any(|action| event == action)
    });
    let is_action = if detailed {
        begins("event", &[&event.action])
    } else {
        filters.allows("event", &event.action)
    };
    let wanted_image = filters.get("image");
    let image = if event.kind == "image" {
        event.id.as_str()
    } else {
        attribute("image")
    };
    let without_tag = image.split_once(':').map_or(image, |(name, _)| name);
    is_action
        && filters.allows("type", &event.kind)
        && filters.allows("scope", "local")
        && KINDS.iter().all(|kind| begins(kind, &named))
        && (wanted_image.is_empty()
            || wanted_image
                .iter()
                .any(|wanted| [image, without_tag, attribute("name")].contains(&wanted.as_str())))
        && labels::match_all(filters.get("label"), Some(&event.attributes))
}

fn line(event: &Event) -> Bytes {
    let mut value = json!({
        "Type": event.kind,
        "Action": event.action,
        "Actor": { "ID": event.id, "Attributes": event.attributes },
        "scope": "local",
        "time": event.time.as_secs(),
        "timeNano": u64::try_from(event.time.as_nanos()).unwrap_or(u64::MAX),
    });
    // What clients from before API 1.22 read; moby still writes it.
    if let Some(fields) = value.as_object_mut()
        && ["container", "image"].contains(&event.kind.as_str())
    {
        fields.insert("status".to_owned(), json!(event.action));
        fields.insert("id".to_owned(), json!(event.id));
        if let Some(image) = event.attributes.get("image") {
            fields.insert("from".to_owned(), json!(image));
        }
    }
    Bytes::from(format!("{value}\n"))
}
