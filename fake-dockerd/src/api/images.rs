//! `/images`: names, and nothing behind them.
//!
//! A container can be created from any reference. Whether a reference can be *inspected* is another
//! matter, since `docker inspect NAME` asks for an image before it asks for a volume: it can if it
//! was pulled, if a container is made from it, or if it has a tag or a slash.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::Api;
use super::answer;
use super::ask::Ask;
use super::errors::{Answer, Failure};
use crate::error::Error;

/// Go's zero time: nothing was ever built.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The ID of an image: a digest of its name, there being nothing else.
pub(super) fn id(reference: &str) -> String {
    let digest = Sha256::digest(full(reference).as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A reference with its tag, and without the registry that goes without saying.
fn full(reference: &str) -> String {
    let reference = reference.strip_prefix("docker.io/").unwrap_or(reference);
    let reference = reference.strip_prefix("library/").unwrap_or(reference);
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains(':') || last.contains('@') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

/// The images that were pulled or that containers are made from.
pub(super) fn known(api: &Api) -> BTreeSet<String> {
    let pulled = api.pulled.lock().unwrap_or_else(PoisonError::into_inner);
    let mut known = pulled.clone();
    drop(pulled);
    let containers = api.daemon.container_list();
    known.extend(containers.iter().map(|one| full(&one.asked.image)));
    known
}

/// `GET /images/json`.
pub(super) fn list(api: &Api) -> Answer {
    let images: Vec<Value> = known(api)
        .iter()
        .map(|name| {
            json!({
                "Id": id(name),
                "ParentId": "",
                "RepoTags": [name],
                "RepoDigests": [],
                "Created": 0,
                "Size": 0,
                "SharedSize": -1,
                "Labels": {},
                "Containers": -1,
            })
        })
        .collect();
    Ok(answer::ok(&images))
}

/// `GET /images/{name}/json`.
pub(super) fn inspect(api: &Api, name: &str) -> Answer {
    let known = known(api);
    let by_id = known.iter().find(|image| {
        let id = id(image);
        id == name || id.strip_prefix("sha256:") == Some(name)
    });
    let reference = full(by_id.map_or(name, String::as_str));
    if !known.contains(&reference) && !name.contains([':', '/']) {
        return Err(Error::not_found(format!("No such image: {name}")).into());
    }
    Ok(answer::ok(&json!({
        "Id": id(&reference),
        "RepoTags": [reference],
        "RepoDigests": [],
        "Parent": "",
        "Comment": "",
        "Created": NEVER,
        "DockerVersion": "",
        "Author": "",
        "Config": { "Env": [], "Cmd": null, "Entrypoint": null, "Volumes": null, "Labels": null },
        "Architecture": super::system::go_architecture(),
        "Os": "linux",
        "Size": 0,
        "RootFS": { "Type": "layers" },
        "Metadata": { "LastTagTime": NEVER },
    })))
}

/// `POST /images/create`: a pull, which says that it is none.
pub(super) fn pull(api: &Api, ask: &Ask) -> Answer {
    let from = ask.value("fromImage");
    if from.is_empty() {
        return Err(Failure::not_served(
            "POST /images/create without fromImage (import)",
        ));
    }
    let tag = ask.value("tag");
    let reference = match tag {
        "" => full(from),
        digest if digest.contains(':') => full(&format!("{from}@{digest}")),
        tag => full(&format!("{from}:{tag}")),
    };
    let mut pulled = api.pulled.lock().unwrap_or_else(PoisonError::into_inner);
    pulled.insert(reference.clone());
    drop(pulled);
    let line = json!({
        "status": format!("fake-dockerd: images are names; nothing is pulled for {reference}"),
    });
    let (sender, body) = mpsc::channel(1);
    // There is room for the one line.
    let _ = sender.try_send(Bytes::from(format!("{line}\r\n")));
    Ok(answer::stream(body, "application/json"))
}

/// `DELETE /images/{name}`: forgets a name that was pulled.
pub(super) fn remove(api: &Api, name: &str) -> Answer {
    let reference = full(name);
    let users = api.daemon.container_list();
    if let Some(user) = users.iter().find(|one| full(&one.asked.image) == reference) {
        return Err(Error::conflict(format!(
            "conflict: unable to remove repository reference {name:?} (must force) - container {} \
             is using its referenced image",
            user.id.get(..12).unwrap_or(&user.id)
        ))
        .into());
    }
    let mut pulled = api.pulled.lock().unwrap_or_else(PoisonError::into_inner);
    if pulled.remove(&reference) {
        Ok(answer::json(
            StatusCode::OK,
            &json!([{ "Untagged": reference }]),
        ))
    } else {
        Err(Error::not_found(format!("No such image: {reference}")).into())
    }
}
