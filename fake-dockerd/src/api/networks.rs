//! `/networks`: names. No container can reach another through them.

use hyper::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Api;
use super::answer;
use super::ask::Ask;
use super::errors::Answer;
use super::timestamps;
use crate::containers::ContainerInfo;
use crate::error::{Error, Result};
use crate::labels;
use crate::networks::Network;
use crate::volumes::Pairs;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct CreateRequest {
    name: String,
    driver: Option<String>,
    scope: Option<String>,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: Option<bool>,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: Option<bool>,
    #[serde(rename = "IPAM")]
    ipam: Option<Value>,
    internal: bool,
    attachable: bool,
    ingress: bool,
    options: Option<Pairs>,
    labels: Option<Pairs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ConnectRequest {
    container: String,
    endpoint_config: Option<Map<String, Value>>,
}

/// `GET /networks`.
pub(super) fn list(api: &Api, ask: &Ask) -> Answer {
    let filters = ask.filters(&["name", "id", "driver", "scope", "type", "label", "dangling"])?;
    let dangling = ask.switch(&filters, "dangling")?;
    let part = |key: &str, of: &str| {
        let wanted = filters.get(key);
        wanted.is_empty() || wanted.iter().any(|part| of.contains(part.as_str()))
    };
    let mut shown = api.daemon.core.networks.all();
    shown.retain(|network| {
        let kind = if network.is_built_in() {
            "builtin"
        } else {
            "custom"
        };
        part("name", &network.name)
            && part("id", &network.id)
            && filters.allows("driver", &network.driver)
            && filters.allows("scope", &network.scope)
            && filters.allows("type", kind)
            && labels::match_all(filters.get("label"), Some(&network.labels))
            && dangling.is_none_or(|dangling| {
                let unused = !network.is_built_in() && members(api, network).is_empty();
                unused == dangling
            })
    });
    Ok(answer::ok(&shown))
}

/// `GET /networks/{name}`.
pub(super) fn inspect(api: &Api, name: &str) -> Answer {
    let network = api.daemon.core.networks.find(name)?;
    let running = members(api, &network);
    let running = running.iter().filter(|one| one.state.running);
    let containers: Map<String, Value> = running
        .map(|one| {
            let endpoint = json!({
                "Name": one.name,
                "EndpointID": "",
                "MacAddress": "",
                "IPv4Address": "",
                "IPv6Address": "",
            });
            (one.id.clone(), endpoint)
        })
        .collect();
    let mut shown = json!(network);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("Containers".to_owned(), containers.into());
    }
    Ok(answer::ok(&shown))
}

/// The containers that are to be on a network.
fn members(api: &Api, network: &Network) -> Vec<ContainerInfo> {
    let networks = &api.daemon.core.networks;
    let mut all = api.daemon.container_list();
    all.retain(|one| networks.of(&one.id).contains_key(&network.name));
    all
}

/// `POST /networks/create`.
pub(super) async fn create(api: &Api, mut ask: Ask) -> Answer {
    let asked: CreateRequest = ask.json().await?;
    let defaults = Network::default();
    let driver = asked.driver.filter(|driver| !driver.is_empty());
    if asked.ingress || driver.as_deref() == Some("overlay") {
        return Err(super::swarm::not_a_manager().into());
    }
    let network = Network {
        id: api.daemon.core.random.id(),
        name: asked.name,
        created: Timestamp::now(),
        driver: driver.unwrap_or(defaults.driver),
        scope: asked
            .scope
            .filter(|s| !s.is_empty())
            .unwrap_or(defaults.scope),
        enable_ipv4: asked.enable_ipv4.unwrap_or(true),
        enable_ipv6: asked.enable_ipv6.unwrap_or(false),
        ipam: asked.ipam.unwrap_or(defaults.ipam),
        internal: asked.internal,
        attachable: asked.attachable,
        options: asked.options.unwrap_or_default(),
        labels: asked.labels.unwrap_or_default(),
        ..Network::default()
    };
    let (id, name, driver) = (
        network.id.clone(),
        network.name.clone(),
        network.driver.clone(),
    );
    api.daemon.core.networks.create(network)?;
    event(api, "create", &id, &name, &driver, None);
    let body = json!({ "Id": id, "Warning": "" });
    Ok(answer::json(StatusCode::CREATED, &body))
}

/// `DELETE /networks/{name}`.
pub(super) fn remove(api: &Api, name: &str) -> Answer {
    let network = api.daemon.core.networks.find(name)?;
    remove_one(api, &network)?;
    Ok(answer::done())
}

fn remove_one(api: &Api, network: &Network) -> Result<()> {
    let members = members(api, network);
    let active = members.iter().filter(|one| one.state.running);
    let active: Vec<String> = active
        .map(|one| {
            let id = one.id.get(..12).unwrap_or(&one.id);
            format!("name:{:?} id:{id:?}", one.name)
        })
        .collect();
    let tells = api.daemon.engine().profile().names_active_endpoints;
    api.daemon.core.networks.remove(network, &active, tells)?;
    let Network {
        id, name, driver, ..
    } = network;
    event(api, "destroy", id, name, driver, None);
    Ok(())
}

/// `POST /networks/{name}/connect`.
pub(super) async fn connect(api: &Api, mut ask: Ask, name: &str) -> Answer {
    let asked: ConnectRequest = ask.json().await?;
    let container = api.daemon.container_inspect(&asked.container).await?;
    let networks = &api.daemon.core.networks;
    let network = networks.find(name)?;
    let mut endpoints = networks.of(&container.id);
    if endpoints.contains_key(&network.name) {
        return Err(Error::forbidden(format!(
            "endpoint with name {} already exists in network {}",
            container.name, network.name
        ))
        .into());
    }
    if network.name == "host" || endpoints.contains_key("host") {
        return Err(Error::forbidden(
            "container cannot be connected to host network or disconnected from it",
        )
        .into());
    }
    let settings = asked.endpoint_config.map(Value::Object).unwrap_or_default();
    endpoints.insert(network.name.clone(), settings);
    networks.attach(&container.id, endpoints)?;
    let Network {
        id, name, driver, ..
    } = &network;
    event(api, "connect", id, name, driver, Some(&container.id));
    Ok(answer::empty(StatusCode::OK))
}

/// `POST /networks/{name}/disconnect`.
pub(super) async fn disconnect(api: &Api, mut ask: Ask, name: &str) -> Answer {
    let asked: ConnectRequest = ask.json().await?;
    let container = api.daemon.container_inspect(&asked.container).await?;
    let networks = &api.daemon.core.networks;
    let network = networks.find(name)?;
    let mut endpoints = networks.of(&container.id);
    if endpoints.remove(&network.name).is_none() {
        return Err(Error::forbidden(format!(
            "container {} is not connected to network {}",
            container.id, network.name
        ))
        .into());
    }
    networks.attach(&container.id, endpoints)?;
    let Network {
        id, name, driver, ..
    } = &network;
    event(api, "disconnect", id, name, driver, Some(&container.id));
    Ok(answer::empty(StatusCode::OK))
}

/// `POST /networks/prune`.
pub(super) fn prune(api: &Api, ask: &Ask) -> Answer {
    let filters = ask.filters(&["until", "label", "label!"])?;
    let until = timestamps::until(&filters)?;
    let mut deleted = Vec::new();
    for network in api.daemon.core.networks.all() {
        let labels = Some(&network.labels);
        let wanted = !network.is_built_in()
            && until.is_none_or(|until| network.created < until)
            && labels::match_all(filters.get("label"), labels)
            && !labels::spared(filters.get("label!"), labels)
            && members(api, &network).is_empty();
        if wanted {
            remove_one(api, &network)?;
            deleted.push(network.name);
        }
    }
    Ok(answer::ok(&json!({ "NetworksDeleted": deleted })))
}

fn event(api: &Api, action: &str, id: &str, name: &str, driver: &str, container: Option<&str>) {
    let container = container.map(|container| ("container", container));
    let attributes = [("name", name), ("type", driver)];
    let attributes = attributes.into_iter().chain(container);
    let events = &api.daemon.core.events;
    events.tell("network", id, action, attributes);
}
