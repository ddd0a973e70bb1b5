//! Containers as `docker inspect` shows them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::api::answer;
use crate::api::errors::Answer;
use crate::containers::ContainerInfo;

/// Go's zero time.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// `GET /containers/{name}/json`.
pub(in crate::api) async fn inspect(api: &Api, name: &str) -> Answer {
    let info = api.daemon.container_inspect(name).await?;
    let execs = api.execs.of(&info.id);
    Ok(answer::ok(&inspected(api, &info, &execs)))
}

fn inspected(api: &Api, info: &ContainerInfo, execs: &[String]) -> Value {
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
    if let Some(host_config) = host_config.as_object_mut() {
        if matches!(asked.network.as_str(), "" | "default") {
            let default = api.daemon.engine().profile().default_network;
            host_config.insert("NetworkMode".to_owned(), json!(default));
        }
        let log = host_config.get("LogConfig").and_then(|log| log.get("Type"));
        if log.and_then(Value::as_str).unwrap_or_default().is_empty() {
            // docker-py looks there before it reads a log.
            let default = json!({ "Type": "json-file", "Config": {} });
            host_config.insert("LogConfig".to_owned(), default);
        }
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
        "Image": asked.image_id,
        "Name": format!("/{}", info.name),
        "RestartCount": info.restart_count,
        "LogPath": info.log_path.display().to_string(),
        "Driver": crate::api::system::STORAGE,
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": (!execs.is_empty()).then_some(execs),
        "HostConfig": host_config,
        "Mounts": info.mounts,
        "Config": config,
        "NetworkSettings": { "Networks": networks(api, info), "Ports": {} },
    })
}

/// What it asked of its networks; nobody gives it an address.
pub(super) fn networks(api: &Api, info: &ContainerInfo) -> Map<String, Value> {
    let networks = &api.daemon.core.networks;
    let endpoints = networks.of(&info.id).into_iter();
    let shown = endpoints.map(|(name, settings)| {
        let id = networks.find(&name).map(|network| network.id);
        let asked = |key: &str| settings.get(key).cloned().unwrap_or_default();
        let endpoint = json!({
            "IPAMConfig": asked("IPAMConfig"),
            "Links": asked("Links"),
            "Aliases": asked("Aliases"),
            "DriverOpts": asked("DriverOpts"),
            "NetworkID": id.unwrap_or_default(),
            "EndpointID": "",
            "Gateway": "",
            "IPAddress": "",
            "IPPrefixLen": 0,
            "IPv6Gateway": "",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "MacAddress": "",
        });
        (name, endpoint)
    });
    shown.collect()
}
