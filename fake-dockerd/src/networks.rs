//! Networks: names with options, and who asked to be on them. Nothing is connected to anything.
//!
//! Follows moby's `daemon/network.go`, as far as Compose and `docker run --network` ask.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::records::Records;
use crate::volumes::Pairs;

/// Networks that every engine has, with their drivers.
const BUILT_IN: [(&str, &str); 3] = [("bridge", "bridge"), ("host", "host"), ("none", "null")];
/// Drivers that come with an engine and that a user may name.
const DRIVERS: [&str; 4] = ["bridge", "ipvlan", "macvlan", "overlay"];

/// A network, with the names of the Engine API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) scope: String,
    pub(crate) driver: String,
    #[serde(rename = "EnableIPv4")]
    pub(crate) enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    pub(crate) enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    pub(crate) ipam: Value,
    pub(crate) internal: bool,
    pub(crate) attachable: bool,
    pub(crate) ingress: bool,
    pub(crate) config_from: Value,
    pub(crate) config_only: bool,
    pub(crate) options: Pairs,
    pub(crate) labels: Pairs,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            name: String::new(),
            id: String::new(),
            created: Timestamp::UNIX_EPOCH,
            scope: "local".to_owned(),
            driver: "bridge".to_owned(),
            enable_ipv4: true,
            enable_ipv6: false,
            ipam: json!({ "Driver": "default", "Options": null, "Config": [] }),
            internal: false,
            attachable: false,
            ingress: false,
            config_from: json!({ "Network": "" }),
            config_only: false,
            options: Pairs::new(),
            labels: Pairs::new(),
        }
    }
}

impl Network {
    /// Whether every engine has it.
    pub(crate) fn is_built_in(&self) -> bool {
        BUILT_IN.iter().any(|(name, _)| *name == self.name)
    }
}

/// What containers asked for, by the network's name (`EndpointSettings`).
pub(crate) type Endpoints = BTreeMap<String, Value>;

/// The networks of a daemon.
#[derive(Debug)]
pub(crate) struct Networks {
    records: Records,
    attached: Records,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    networks: BTreeMap<String, Network>,
    /// By container.
    attached: BTreeMap<String, Endpoints>,
}

impl Networks {
    /// Reads what the last daemon left.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let records = Records::open(&root.join("network-records"))?;
        let attached = Records::open(&root.join("network-endpoints"))?;
        let built_in = BUILT_IN.iter().map(|(name, driver)| {
            let digest = Sha256::digest(name.as_bytes());
            let network = Network {
                name: (*name).to_owned(),
                id: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
                driver: (*driver).to_owned(),
                ..Network::default()
            };
            ((*name).to_owned(), network)
        });
        let mut known = Known {
            networks: built_in.collect(),
            attached: attached.all()?.into_iter().collect(),
        };
        known.networks.extend(records.all()?);
        Ok(Self {
            records,
            attached,
            known: Mutex::new(known),
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Network> {
        self.known().networks.values().cloned().collect()
    }

    /// The network of that name, ID, or beginning of an ID.
    pub(crate) fn find(&self, name: &str) -> Result<Network> {
        let known = self.known();
        let by_id = || {
            let mut networks = known.networks.values();
            networks.find(|network| !name.is_empty() && network.id.starts_with(name))
        };
        let found = known.networks.get(name).or_else(by_id).cloned();
        found.ok_or_else(|| Error::not_found(format!("network {name} not found")))
    }

    /// Creates a network.
    pub(crate) fn create(&self, network: Network) -> Result<()> {
        let name = &network.name;
        if name.is_empty() {
            return Err(Error::invalid("invalid name: name is empty"));
        }
        if network.is_built_in() || name == "default" {
            return Err(Error::forbidden(format!(
                "operation is not permitted on predefined {name} network"
            )));
        }
        match network.driver.as_str() {
            driver @ ("host" | "null") => {
                return Err(Error::forbidden(format!(
                    "only one instance of \"{driver}\" network is allowed"
                )));
            }
            driver if !DRIVERS.contains(&driver) => {
                return Err(Error::not_found(format!("plugin \"{driver}\" not found")));
            }
            _ => {}
        }
        let mut known = self.known();
        if known.networks.contains_key(name) {
            return Err(Error::conflict(format!(
                "network with name {name} already exists"
            )));
        }
        self.records.put(name, &network).map_err(not_stored)?;
        known.networks.insert(name.clone(), network);
        Ok(())
    }

    /// Removes a network that no running container is on: `active` are those that are.
    pub(crate) fn remove(&self, network: &Network, active: &[String], tells: bool) -> Result<()> {
        let Network { name, id, .. } = network;
        if network.is_built_in() {
            return Err(Error::forbidden(format!(
                "{name} is a pre-defined network and cannot be removed"
            )));
        }
        if !active.is_empty() {
            let network = if tells {
                format!(
                    "network {name} has active endpoints ({})",
                    active.join(", ")
                )
            } else {
                format!("network {name} id {id} has active endpoints")
            };
            let text = format!("error while removing network: {network}");
            return Err(Error::forbidden(text));
        }
        let mut known = self.known();
        self.records.remove(name).map_err(not_stored)?;
        known.networks.remove(name);
        Ok(())
    }

    /// What a container asked for.
    pub(crate) fn of(&self, container: &str) -> Endpoints {
        let known = self.known();
        known.attached.get(container).cloned().unwrap_or_default()
    }

    /// Sets what a container asked for.
    pub(crate) fn attach(&self, container: &str, endpoints: Endpoints) -> Result<()> {
        let mut known = self.known();
        self.attached
            .put(container, &endpoints)
            .map_err(not_stored)?;
        known.attached.insert(container.to_owned(), endpoints);
        Ok(())
    }

    /// Forgets a container.
    pub(crate) fn forget(&self, container: &str) {
        let mut known = self.known();
        known.attached.remove(container);
        if let Err(error) = self.attached.remove(container) {
            tracing::error!(container, "endpoints not removed: {error}");
        }
    }

    /// The networks of a container that is created with `mode` and what else it asked for.
    pub(crate) fn asked(&self, mode: &str, configured: Option<&Map<String, Value>>) -> Endpoints {
        let mut endpoints = Endpoints::new();
        for (name, settings) in configured.into_iter().flatten() {
            endpoints.insert(self.name_of(name), settings.clone());
        }
        if !mode.starts_with("container:") {
            let mode = match mode {
                "" | "default" => "bridge",
                mode => mode,
            };
            endpoints.entry(self.name_of(mode)).or_default();
        }
        endpoints
    }

    fn name_of(&self, name: &str) -> String {
        self.find(name)
            .map_or_else(|_| name.to_owned(), |network| network.name)
    }
}

fn not_stored(error: io::Error) -> Error {
    Error::system(format!("the network could not be stored: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{Network, Networks};

    #[test]
    fn networks_outlive_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let own = Network {
            name: "own".to_owned(),
            id: "ab".repeat(32),
            ..Network::default()
        };
        let networks = Networks::open(root.path()).unwrap();
        networks.create(own.clone()).unwrap();
        assert_eq!(networks.create(own.clone()).unwrap_err().status(), 409);
        let endpoints = networks.asked("own", None);
        networks.attach("c", endpoints).unwrap();
        let networks = Networks::open(root.path()).unwrap();
        assert_eq!(networks.find("abab").unwrap(), own);
        assert_eq!(networks.of("c").into_keys().collect::<Vec<_>>(), ["own"]);
        let active = ["name:\"c\"".to_owned()];
        assert_eq!(
            networks.remove(&own, &active, true).unwrap_err().status(),
            403
        );
        networks.remove(&own, &[], true).unwrap();
        let bridge = networks.find("bridge").unwrap();
        assert_eq!(
            networks.remove(&bridge, &[], true).unwrap_err().status(),
            403
        );
        assert!(networks.find("own").is_err());
    }
}
