//! `/volumes`.

use hyper::StatusCode;
use serde::Deserialize;

use super::Api;
use super::answer;
use super::ask::{Ask, Version};
use super::errors::Answer;
use crate::error::{Error, Result};
use crate::volumes::{Pairs, PruneFilters, VolumeCreate, VolumeFilters};

/// From this version on `volume prune` takes anonymous volumes only, unless told otherwise.
const PRUNES_ANONYMOUS: Version = Version(1, 42);

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct CreateRequest {
    name: Option<String>,
    driver: Option<String>,
    driver_opts: Option<Pairs>,
    labels: Option<Pairs>,
}

/// `GET /volumes`.
pub(super) async fn list(api: &Api, ask: &Ask) -> Answer {
    let filters = ask.filters(&["dangling", "driver", "label", "name"])?;
    let filters = VolumeFilters {
        name: filters.list("name"),
        driver: filters.list("driver"),
        label: filters.list("label"),
        dangling: ask.switch(&filters, "dangling")?,
    };
    Ok(answer::ok(&api.daemon.volume_list(filters).await?))
}

/// `POST /volumes/create`.
pub(super) async fn create(api: &Api, mut ask: Ask) -> Answer {
    let asked: CreateRequest = ask.json().await?;
    let asked = VolumeCreate {
        name: asked.name.unwrap_or_default(),
        driver: asked.driver.unwrap_or_default(),
        options: asked.driver_opts,
        labels: asked.labels,
    };
    let volume = api.daemon.volume_create(asked).await?;
    Ok(answer::json(StatusCode::CREATED, &volume))
}

/// `GET /volumes/{name}`.
pub(super) async fn inspect(api: &Api, name: &str) -> Answer {
    Ok(answer::ok(&api.daemon.volume_inspect(name).await?))
}

/// `DELETE /volumes/{name}`.
pub(super) async fn remove(api: &Api, ask: &Ask, name: &str) -> Answer {
    api.daemon.volume_remove(name, ask.flag("force")).await?;
    Ok(answer::done())
}

/// `POST /volumes/prune`.
pub(super) async fn prune(api: &Api, ask: &Ask) -> Answer {
    let known: &[&str] = match ask.profile.prunes_anonymous_only {
        true => &["all", "label", "label!"],
        false => &["label", "label!"],
    };
    let filters = ask.filters(known)?;
    let all = prunes_all(filters.get("all"))?;
    let filters = PruneFilters {
        label: filters.list("label"),
        label_not: filters.list("label!"),
        all: all || ask.version < PRUNES_ANONYMOUS,
    };
    Ok(answer::ok(&api.daemon.volume_prune(filters).await?))
}

/// moby's `withPrune`, which takes whatever Go's `strconv.ParseBool` does.
fn prunes_all(values: &[String]) -> Result<bool> {
    let [value] = values else {
        return match values {
            [] => Ok(false),
            several => Err(Error::invalid(format!(
                "invalid filter 'all=[{}]': only one value is expected",
                several.join(" ")
            ))),
        };
    };
    match value.as_str() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        other => Err(Error::invalid(format!(
            "invalid filter 'all': strconv.ParseBool: parsing {other:?}: invalid syntax"
        ))),
    }
}
