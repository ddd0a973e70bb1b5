//! `/networks`: those that every engine has. No container is on any of them.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::answer;
use super::ask::Ask;
use super::errors::Answer;
use crate::error::Error;

/// Names and drivers.
const NETWORKS: [(&str, &str); 3] = [("bridge", "bridge"), ("host", "host"), ("none", "null")];

/// `GET /networks`.
pub(super) fn list(ask: &Ask) -> Answer {
    let filters = ask.filters(&["name", "id", "driver", "scope", "type", "label", "dangling"])?;
    let shown = NETWORKS.iter().filter(|(name, driver)| {
        let names = filters.get("name");
        (names.is_empty() || names.iter().any(|part| name.contains(part.as_str())))
            && filters.allows("driver", driver)
            && filters.allows("id", &id(name))
            && filters.allows("scope", "local")
            && filters.allows("type", "builtin")
            && filters.get("label").is_empty()
            && filters.allows("dangling", "false")
    });
    let shown: Vec<Value> = shown.map(|(name, driver)| network(name, driver)).collect();
    Ok(answer::ok(&shown))
}

/// `GET /networks/{name}`.
pub(super) fn inspect(name: &str) -> Answer {
    let mut networks = NETWORKS.iter();
    match networks.find(|(network, _)| *network == name || id(network) == name) {
        Some((name, driver)) => Ok(answer::ok(&network(name, driver))),
        None => Err(Error::not_found(format!("network {name} not found")).into()),
    }
}

fn id(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn network(name: &str, driver: &str) -> Value {
    json!({
        "Name": name,
        "Id": id(name),
        "Created": "0001-01-01T00:00:00Z",
        "Scope": "local",
        "Driver": driver,
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": [] },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": {},
        "Options": {},
        "Labels": {},
    })
}
