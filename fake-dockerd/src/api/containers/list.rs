//! Containers as `docker ps` shows and picks them.
//!
//! Follows moby's `daemon/list.go`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::show::networks;
use crate::api::Api;
use crate::api::answer;
use crate::api::ask::{Ask, Filters};
use crate::api::errors::Answer;
use crate::containers::{ContainerInfo, Status};
use crate::error::Result;
use crate::images::reference;
use crate::labels;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
const MONTH: i64 = 30 * DAY;
const YEAR: i64 = 365 * DAY;
/// What moby picks containers by.
const FILTERS: [&str; 15] = [
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];
/// In moby's order, which its texts show.
const STATES: [&str; 7] = [
    "created",
    "running",
    "paused",
    "restarting",
    "removing",
    "exited",
    "dead",
];
const HEALTHS: [&str; 4] = ["none", "starting", "healthy", "unhealthy"];

/// `GET /containers/json`.
pub(in crate::api) fn list(api: &Api, ask: &Ask) -> Answer {
    let filters = ask.filters(&FILTERS)?;
    let limit = ask.number("limit")?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0);
    let picked = Picked::new(api, ask, &filters)?;
    let all = ask.flag("all") || limit.is_some() || !filters.get("status").is_empty();
    let mut shown = api.daemon.container_list();
    shown.retain(|info| (all || info.state.running) && picked.has(api, info));
    shown.truncate(limit.unwrap_or(usize::MAX));
    let with_size = ask.flag("size");
    let shown = shown.iter().map(|info| match with_size {
        true => listed_with_size(api, info),
        false => listed(api, info),
    });
    Ok(answer::ok(&shown.collect::<Vec<_>>()))
}

/// Filters, looked at once.
struct Picked<'a> {
    filters: &'a Filters,
    ancestors: Vec<String>,
    networks: Vec<String>,
    exited: Vec<i32>,
    is_task: Option<bool>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
}

impl<'a> Picked<'a> {
    fn new(api: &Api, ask: &Ask, filters: &'a Filters) -> Result<Self> {
        let texts = ask.profile;
        let exited = filters.get("exited").iter();
        let exited = exited.map(|code| code.parse().map_err(|_| texts.no_exit_code(code)));
        let exited = exited.collect::<Result<_>>()?;
        let unknown = |key: &str, known: &[&str]| {
            let mut wanted = filters.get(key).iter();
            wanted
                .find(|wanted| !known.contains(&wanted.as_str()))
                .cloned()
        };
        if let Some(state) = unknown("status", &STATES) {
            return Err(texts.no_choice("status", "state", &state, &STATES));
        }
        let is_task = ask.switch(filters, "is-task")?;
        if let Some(health) = unknown("health", &HEALTHS) {
            return Err(texts.no_choice("health", "health", &health, &HEALTHS));
        }
        let created = |key: &str| -> Result<Option<Timestamp>> {
            let containers = &api.daemon.core.containers;
            let name = filters.get(key).first();
            let found = name.map(|name| containers.get(name)).transpose()?;
            Ok(found.map(|container| container.created))
        };
        let core = &api.daemon.core;
        let ancestors = filters.get("ancestor").iter();
        let networks = filters.get("network").iter();
        Ok(Self {
            filters,
            ancestors: ancestors.map(|name| core.images.get(name).id).collect(),
            networks: networks
                .map(|name| {
                    core.networks
                        .find(name)
                        .map_or(name.clone(), |found| found.name)
                })
                .collect(),
            exited,
            is_task,
            before: created("before")?,
            since: created("since")?,
        })
    }

    fn has(&self, api: &Api, info: &ContainerInfo) -> bool {
        let any = |key: &str, matches: &dyn Fn(&str) -> bool| {
            let wanted = self.filters.get(key);
            wanted.is_empty() || wanted.iter().any(|wanted| matches(wanted))
        };
        let state = &info.state;
        let attached = || api.daemon.core.networks.of(&info.id);
        labels::match_all(self.filters.get("label"), Some(&info.asked.labels))
            && any("id", &|wanted| info.id.starts_with(wanted))
            && any("name", &|wanted| name_matches(&info.name, wanted))
            && any("status", &|wanted| state.status().name() == wanted)
            && any("volume", &|wanted| mounts(info, wanted))
            // Nothing checks health, publishes ports or is a swarm's task here.
            && any("health", &|wanted| wanted == "none")
            && self.is_task != Some(true)
            && any("isolation", &|_| false)
            && any("publish", &|_| false)
            && any("expose", &|wanted| exposes(info, wanted))
            && (self.ancestors.is_empty()
                || self.ancestors.contains(&info.asked.image_id)
                || any("ancestor", &|wanted| {
                    reference::is_id(&info.asked.image_id, wanted)
                }))
            && (self.networks.is_empty()
                || self.networks.iter().any(|name| attached().contains_key(name)))
            && (self.exited.is_empty()
                || state.finished_at.is_some()
                    && !state.running
                    && self.exited.contains(&state.exit_code))
            && self.before.is_none_or(|before| info.created < before)
            && self.since.is_none_or(|since| info.created > since)
    }
}

fn mounts(info: &ContainerInfo, wanted: &str) -> bool {
    let mut mounts = info.mounts.iter();
    mounts.any(|mount| {
        [&mount.name, &mount.destination].contains(&&wanted.to_owned())
            || mount.r#type == "bind" && mount.source == wanted
    })
}

fn exposes(info: &ContainerInfo, wanted: &str) -> bool {
    let exposed = info.asked.api.get("ExposedPorts");
    let wanted = match wanted.split_once('/') {
        Some(_) => wanted.to_owned(),
        None => format!("{wanted}/tcp"),
    };
    exposed.is_some_and(|exposed| exposed.get(&wanted).is_some())
}

/// Go matches with and without the slash in front.
fn name_matches(name: &str, wanted: &str) -> bool {
    let slashed = format!("/{name}");
    name == wanted
        || regex_lite::Regex::new(wanted)
            .is_ok_and(|wanted| wanted.is_match(name) || wanted.is_match(&slashed))
}

/// The network that it was created for.
fn network(info: &ContainerInfo) -> &str {
    match info.asked.network.as_str() {
        "" | "default" => "bridge",
        network => network,
    }
}

/// A container in a list, with the bytes that it wrote, and those with its image.
pub(in crate::api) fn listed_with_size(api: &Api, info: &ContainerInfo) -> Value {
    let core = &api.daemon.core;
    let image = &info.asked.image;
    let written = core.written(&info.id, image);
    let mut shown = listed(api, info);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("SizeRw".to_owned(), json!(written));
        let whole = core.images.get(image).size + written;
        fields.insert("SizeRootFs".to_owned(), json!(whole));
    }
    shown
}

/// A container in a list.
pub(in crate::api) fn listed(api: &Api, info: &ContainerInfo) -> Value {
    let asked = &info.asked;
    json!({
        "Id": info.id,
        "Names": [format!("/{}", info.name)],
        "Image": asked.image,
        "ImageID": asked.image_id,
        "Command": asked.command.join(" "),
        "Created": info.created.as_second(),
        "Ports": [],
        "Labels": asked.labels,
        "State": info.state.status().name(),
        "Status": status(info, Timestamp::now()),
        "HostConfig": { "NetworkMode": network(info) },
        "NetworkSettings": { "Networks": networks(api, info) },
        "Mounts": info.mounts,
    })
}

/// "Up 5 minutes", "Exited (0) 2 days ago".
fn status(info: &ContainerInfo, now: Timestamp) -> String {
    let state = &info.state;
    let since = |time: Option<Timestamp>| {
        let seconds = time.map_or(0, |time| now.as_second() - time.as_second());
        human(seconds)
    };
    let code = state.exit_code;
    match state.status() {
        Status::Created => "Created".to_owned(),
        Status::Running => format!("Up {}", since(state.started_at)),
        Status::Paused => format!("Up {} (Paused)", since(state.started_at)),
        Status::Restarting => {
            let ago = since(state.finished_at);
            format!("Restarting ({code}) {ago} ago")
        }
        Status::Removing => "Removal In Progress".to_owned(),
        Status::Dead => "Dead".to_owned(),
        Status::Exited => format!("Exited ({code}) {} ago", since(state.finished_at)),
    }
}

/// As Go's `units.HumanDuration`.
fn human(seconds: i64) -> String {
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..MINUTE => format!("{seconds} seconds"),
        _ if seconds < 2 * MINUTE => "About a minute".to_owned(),
        _ if seconds < HOUR => format!("{} minutes", seconds / MINUTE),
        _ if seconds < 2 * HOUR => "About an hour".to_owned(),
        _ if seconds < 2 * DAY => format!("{} hours", seconds / HOUR),
        _ if seconds < 2 * WEEK => format!("{} days", seconds / DAY),
        _ if seconds < 2 * MONTH => format!("{} weeks", seconds / WEEK),
        _ if seconds < 2 * YEAR => format!("{} months", seconds / MONTH),
        _ => format!("{} years", seconds / YEAR),
    }
}
