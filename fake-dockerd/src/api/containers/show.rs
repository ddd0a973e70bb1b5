//! Containers as `docker inspect` and `docker ps` show them.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::Api;
use crate::api::answer;
use crate::api::ask::{Ask, Filters};
use crate::api::errors::Answer;
use crate::api::images;
use crate::containers::{ContainerInfo, Status};
use crate::error::Result;
use crate::profile::Profile;

/// Go's zero time.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `GET /containers/{name}/json`.
pub(in crate::api) async fn inspect(api: &Api, name: &str) -> Answer {
    let info = api.daemon.container_inspect(name).await?;
    let execs = api.execs.of(&info.id);
    let profile = api.daemon.engine().profile();
    Ok(answer::ok(&inspected(&info, &execs, profile)))
}

fn inspected(info: &ContainerInfo, execs: &[String], profile: &Profile) -> Value {
    let asked = &info.asked;
    let mut config = asked.api.clone();
    // What was asked for comes in one object, and is shown in two.
    let mut host_config = config
        .as_object_mut()
        .and_then(|config| config.remove("HostConfig"))
        .unwrap_or_else(|| json!({}));
    if let Some(config) = config.as_object_mut() {
        config.remove("NetworkingConfig");
        if config.get("Volumes") == Some(&json!({})) {
            // What is empty is left out when a container's configuration is read from disk.
            config.insert("Volumes".to_owned(), Value::Null);
        }
    }
    if let Some(host_config) = host_config.as_object_mut()
        && matches!(asked.network.as_str(), "" | "default")
    {
        host_config.insert("NetworkMode".to_owned(), json!(profile.default_network));
    }
    let (path, args) = match asked.command.split_first() {
        Some((path, args)) => (path.as_str(), args),
        None => ("", [].as_slice()),
    };
    let time = |time: Option<Timestamp>| time.map_or(NEVER.to_owned(), |time| time.to_string());
    let state = &info.state;
    json!({
        "Id": info.id,
        "Created": info.created.to_string(),
        "Path": path,
        "Args": args,
        "State": {
            "Status": state.status().name(),
            "Running": state.running,
            "Paused": state.paused,
            "Restarting": state.restarting,
            "OOMKilled": false,
            "Dead": state.dead,
            "Pid": info.pid.unwrap_or(0),
            "ExitCode": state.exit_code,
            "Error": state.error,
            "StartedAt": time(state.started_at),
            "FinishedAt": time(state.finished_at),
        },
        "Image": images::id(&asked.image),
        "Name": format!("/{}", info.name),
        "RestartCount": info.restart_count,
        "LogPath": info.log_path.display().to_string(),
        "Driver": "none",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": (!execs.is_empty()).then_some(execs),
        "HostConfig": host_config,
        "Mounts": info.mounts,
        "Config": config,
        "NetworkSettings": { "Networks": {}, "Ports": {} },
    })
}

/// `GET /containers/json`.
pub(in crate::api) fn list(api: &Api, ask: &Ask) -> Answer {
    let filters = ask.filters(&[
        "ancestor", "exited", "id", "label", "name", "network", "status", "volume",
    ])?;
    let limit = ask
        .number("limit")?
        .and_then(|limit| usize::try_from(limit).ok());
    let all = ask.flag("all") || limit.is_some() || !filters.get("status").is_empty();
    let mut shown = Vec::new();
    for info in api.daemon.container_list() {
        if (all || info.state.running) && matches(&info, &filters)? {
            shown.push(listed(&info));
        }
    }
    if let Some(limit) = limit.filter(|limit| *limit > 0) {
        shown.truncate(limit);
    }
    Ok(answer::ok(&shown))
}

fn matches(info: &ContainerInfo, filters: &Filters) -> Result<bool> {
    let labels = filters.get("label").iter().all(|wanted| {
        let (key, value) = match wanted.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (wanted.as_str(), None),
        };
        let has = info.asked.labels.get(key);
        has.is_some_and(|has| value.is_none_or(|value| has == value))
    });
    let any = |key: &str, matches: &dyn Fn(&str) -> bool| {
        let wanted = filters.get(key);
        wanted.is_empty() || wanted.iter().any(|wanted| matches(wanted))
    };
    let volume = |wanted: &str| {
        let mut mounts = info.mounts.iter();
        mounts.any(|mount| mount.name == wanted || mount.destination == wanted)
    };
    Ok(labels
        && any("id", &|wanted| info.id.starts_with(wanted))
        && any("name", &|wanted| name_matches(&info.name, wanted))
        && any("status", &|wanted| info.state.status().name() == wanted)
        && any("ancestor", &|wanted| {
            images::id(&info.asked.image) == images::id(wanted)
        })
        && any("exited", &|wanted| {
            info.state.status() == Status::Exited && info.state.exit_code.to_string() == wanted
        })
        && any("network", &|wanted| network(info) == wanted)
        && any("volume", &volume))
}

/// Go matches with and without the slash in front.
fn name_matches(name: &str, wanted: &str) -> bool {
    let slashed = format!("/{name}");
    name == wanted
        || regex_lite::Regex::new(wanted)
            .is_ok_and(|wanted| wanted.is_match(name) || wanted.is_match(&slashed))
}

fn network(info: &ContainerInfo) -> &str {
    match info.asked.network.as_str() {
        "" | "default" => "bridge",
        network => network,
    }
}

/// A container in a list.
pub(in crate::api) fn listed(info: &ContainerInfo) -> Value {
    let asked = &info.asked;
    json!({
        "Id": info.id,
        "Names": [format!("/{}", info.name)],
        "Image": asked.image,
        "ImageID": images::id(&asked.image),
        "Command": asked.command.join(" "),
        "Created": info.created.as_second(),
        "Ports": [],
        "Labels": asked.labels,
        "State": info.state.status().name(),
        "Status": status(info, Timestamp::now()),
        "HostConfig": { "NetworkMode": network(info) },
        "NetworkSettings": { "Networks": {} },
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

/// As Go's `units.HumanDuration`, up to days.
fn human(seconds: i64) -> String {
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..MINUTE => format!("{seconds} seconds"),
        _ if seconds < 2 * MINUTE => "About a minute".to_owned(),
        _ if seconds < HOUR => format!("{} minutes", seconds / MINUTE),
        _ if seconds < 2 * HOUR => "About an hour".to_owned(),
        _ if seconds < 2 * DAY => format!("{} hours", seconds / HOUR),
        _ => format!("{} days", seconds / DAY),
    }
}
