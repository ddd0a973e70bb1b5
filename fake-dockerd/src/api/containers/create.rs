//! `POST /containers/create`: from Docker's words to [`ContainerCreate`].

use std::collections::{BTreeMap, BTreeSet};

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::api::answer;
use crate::api::ask::Ask;
use crate::api::errors::Answer;
use crate::containers::{ContainerCreate, MountSpec, RestartPolicy};
use crate::error::{Error, Result};
use crate::images::ImageConfig;
use crate::volumes::Pairs;

/// What runs in an image that is only a name, unless a command is given.
const DEFAULT_COMMAND: &str = "sh";

/// A command is a list or, from old clients, one word.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    List(Vec<String>),
}

impl Words {
    fn list(words: Option<Self>) -> Vec<String> {
        match words {
            None => Vec::new(),
            Some(Self::One(word)) => vec![word],
            Some(Self::List(words)) => words,
        }
    }
}

/// What this engine looks at; Go writes `null` for whatever is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    image: Option<String>,
    cmd: Option<Words>,
    entrypoint: Option<Words>,
    env: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    volumes: Option<BTreeMap<String, Value>>,
    labels: Option<Pairs>,
    stop_signal: Option<String>,
    stop_timeout: Option<i64>,
    host_config: Option<HostConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfig {
    binds: Option<Vec<String>>,
    mounts: Option<Vec<MountSpec>>,
    volumes_from: Option<Vec<String>>,
    volume_driver: Option<String>,
    tmpfs: Option<BTreeMap<String, String>>,
    restart_policy: Option<Restart>,
    auto_remove: Option<bool>,
    readonly_rootfs: Option<bool>,
    network_mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Restart {
    name: Option<String>,
    maximum_retry_count: Option<u32>,
}

impl Restart {
    fn policy(&self) -> Result<RestartPolicy> {
        Ok(match self.name.as_deref().unwrap_or_default() {
            "" | "no" => RestartPolicy::No,
            "always" => RestartPolicy::Always,
            "unless-stopped" => RestartPolicy::UnlessStopped,
            "on-failure" => RestartPolicy::OnFailure(self.maximum_retry_count.unwrap_or(0)),
            other => {
                return Err(Error::invalid(format!(
                    "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', \
                     'on-failure', or 'unless-stopped'"
                )));
            }
        })
    }
}

/// `POST /containers/create`.
pub(in crate::api) async fn create(api: &Api, mut ask: Ask) -> Answer {
    let mut raw: Value = ask.json().await?;
    let image = raw.get("Image").and_then(Value::as_str).unwrap_or_default();
    let image = api.daemon.core.images.get(image);
    merge(&mut raw, &image.config);
    let asked = container(ask.value("name"), raw, image.has_content())?;
    let created = api.daemon.container_create(asked).await?;
    let body = json!({ "Id": created.id, "Warnings": created.warnings });
    Ok(answer::json(StatusCode::CREATED, &body))
}

fn container(name: &str, raw: Value, image_has_content: bool) -> Result<ContainerCreate> {
    let config: Config = serde_json::from_value(raw.clone())
        .map_err(|error| Error::invalid(format!("invalid JSON: {error}")))?;
    let host = config.host_config.unwrap_or_default();
    let image = config.image.unwrap_or_default();
    if image.is_empty() {
        return Err(Error::invalid("no image specified"));
    }
    let mut command = Words::list(config.entrypoint);
    command.extend(Words::list(config.cmd));
    if command.is_empty() {
        if image_has_content {
            return Err(Error::invalid("no command specified"));
        }
        command.push(DEFAULT_COMMAND.to_owned());
    }
    let auto_remove = host.auto_remove.unwrap_or(false);
    let restart = host.restart_policy.unwrap_or_default().policy()?;
    if auto_remove && restart != RestartPolicy::No {
        return Err(Error::invalid(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    Ok(ContainerCreate {
        name: name.to_owned(),
        image,
        image_id: String::new(),
        command,
        env: config.env.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        volumes: config.volumes.map(keys).unwrap_or_default(),
        binds: host.binds.unwrap_or_default(),
        mounts: host.mounts.unwrap_or_default(),
        volumes_from: host.volumes_from.unwrap_or_default(),
        volume_driver: host.volume_driver.unwrap_or_default(),
        tmpfs: host.tmpfs.unwrap_or_default(),
        restart,
        auto_remove,
        read_only: host.readonly_rootfs.unwrap_or(false),
        network: host.network_mode.unwrap_or_default(),
        labels: config.labels.unwrap_or_default(),
        // Whoever attaches does so before the start.
        detached: true,
        stop_signal: config.stop_signal,
        stop_timeout: config.stop_timeout,
        api: raw,
    })
}

/// Adds what the image says to what the client asked for (moby's `merge` in `daemon/commit.go`).
fn merge(asked: &mut Value, image: &ImageConfig) {
    let Some(asked) = asked.as_object_mut() else {
        return;
    };
    let is_empty = |asked: &Map<String, Value>, key: &str| match asked.get(key) {
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        None | Some(Value::Null) => true,
        Some(_) => false,
    };
    if is_empty(asked, "Entrypoint") {
        if is_empty(asked, "Cmd")
            && let Some(command) = &image.cmd
        {
            asked.insert("Cmd".to_owned(), json!(command));
        }
        // An empty list says that there is to be none.
        if asked.get("Entrypoint").is_none_or(Value::is_null)
            && let Some(entrypoint) = &image.entrypoint
        {
            asked.insert("Entrypoint".to_owned(), json!(entrypoint));
        }
    } else if asked.get("Entrypoint") == Some(&json!([""])) {
        asked.insert("Entrypoint".to_owned(), Value::Null);
    }
    for (key, text) in [
        ("User", &image.user),
        ("WorkingDir", &image.working_dir),
        ("StopSignal", &image.stop_signal),
    ] {
        if !text.is_empty() && is_empty(asked, key) {
            asked.insert(key.to_owned(), json!(text));
        }
    }
    for (key, more) in [
        ("ExposedPorts", json!(image.exposed_ports)),
        ("Volumes", json!(image.volumes)),
        ("Labels", json!(image.labels)),
    ] {
        let Value::Object(mut all) = more else {
            continue;
        };
        if let Some(Value::Object(own)) = asked.get(key) {
            all.extend(own.clone());
        }
        asked.insert(key.to_owned(), Value::Object(all));
    }
    if let Some(more) = &image.env {
        let own = asked.get("Env").and_then(Value::as_array);
        let mut all = own.cloned().unwrap_or_default();
        let name = |pair: &str| pair.split('=').next().map(str::to_owned);
        let named = all.iter().filter_map(|pair| name(pair.as_str()?));
        let named: BTreeSet<String> = named.collect();
        let more = more.iter();
        all.extend(
            more.filter(|pair| name(pair).is_some_and(|name| !named.contains(&name)))
                .map(|pair| json!(pair)),
        );
        asked.insert("Env".to_owned(), Value::Array(all));
    }
}

fn keys(map: BTreeMap<String, Value>) -> BTreeSet<String> {
    map.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::merge;
    use crate::images::ImageConfig;

    #[test]
    fn what_is_asked_for_goes_before_the_image() {
        let changes = [
            "ENTRYPOINT [\"/init\"]",
            "CMD [\"serve\"]",
            "ENV A=1 B=2",
            "VOLUME /data",
            "USER 5",
        ];
        let image = ImageConfig::of_changes(changes.into_iter()).unwrap();
        let merged = |mut asked| {
            merge(&mut asked, &image);
            asked
        };
        let plain = merged(json!({ "Env": ["A=3"], "User": "6", "Volumes": { "/own": {} } }));
        assert_eq!(plain["Env"], json!(["A=3", "B=2"]));
        assert_eq!(plain["User"], "6");
        assert_eq!(plain["Volumes"], json!({ "/data": {}, "/own": {} }));
        assert_eq!(
            (&plain["Entrypoint"], &plain["Cmd"]),
            (&json!(["/init"]), &json!(["serve"]))
        );
        let command = merged(json!({ "Cmd": ["x"] }));
        assert_eq!(
            (&command["Entrypoint"], &command["Cmd"]),
            (&json!(["/init"]), &json!(["x"]))
        );
        let entrypoint = merged(json!({ "Entrypoint": ["y"] }));
        assert_eq!(entrypoint.get("Cmd"), None);
        let none = merged(json!({ "Entrypoint": [""], "Cmd": ["z"] }));
        assert!(none["Entrypoint"].is_null());
    }
}
