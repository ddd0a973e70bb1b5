//! `POST /containers/create`: from Docker's words to [`ContainerCreate`].

use std::collections::{BTreeMap, BTreeSet};

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Api;
use crate::api::answer;
use crate::api::ask::Ask;
use crate::api::errors::Answer;
use crate::containers::{ContainerCreate, MountSpec, RestartPolicy};
use crate::error::{Error, Result};
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
    let raw: Value = ask.json().await?;
    let asked = container(ask.value("name"), raw)?;
    let created = api.daemon.container_create(asked).await?;
    let body = json!({ "Id": created.id, "Warnings": created.warnings });
    Ok(answer::json(StatusCode::CREATED, &body))
}

fn container(name: &str, raw: Value) -> Result<ContainerCreate> {
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

fn keys(map: BTreeMap<String, Value>) -> BTreeSet<String> {
    map.into_keys().collect()
}
