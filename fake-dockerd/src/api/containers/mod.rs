//! `/containers` and `/exec`.
//!
//! [`create`] reads what is asked for, [`show`] is inspect, [`list`] is list, [`stream`] is what a
//! client follows (attach, logs, wait) over a [`session`], [`exec`] runs commands, [`processes`]
//! looks at what runs; the short ones are here.

pub(super) mod create;
pub(super) mod exec;
pub(super) mod list;
pub(super) mod processes;
mod session;
pub(super) mod show;
pub(super) mod stream;

use serde_json::json;

use super::Api;
use super::answer;
use super::ask::Ask;
use super::errors::{Answer, Failure};
use super::timestamps;
use crate::containers::{ContainerInfo, RemoveOptions};
use crate::error::Error;
use crate::labels;

/// `POST /containers/{name}/{action}`, where there is nothing to say in the answer.
pub(super) async fn act(api: &Api, ask: &Ask, name: &str, action: &str) -> Answer {
    let daemon = &api.daemon;
    match action {
        "start" => daemon.container_start(name).await?,
        "stop" => daemon.container_stop(name, ask.number("t")?).await?,
        "restart" => daemon.container_restart(name, ask.number("t")?).await?,
        "kill" => {
            daemon
                .container_kill(name, Some(ask.value("signal")))
                .await?
        }
        "pause" => daemon.container_pause(name).await?,
        "unpause" => daemon.container_unpause(name).await?,
        "rename" => rename(api, name, ask.value("name")).await?,
        _ => return Err(Failure::not_served(&ask.command())),
    }
    Ok(answer::done())
}

async fn rename(api: &Api, name: &str, new: &str) -> Result<(), Error> {
    if new.is_empty() {
        return Err(Error::invalid("Neither old nor new names may be empty"));
    }
    api.daemon.container_rename(name, new).await
}

/// `DELETE /containers/{name}`.
pub(super) async fn remove(api: &Api, ask: &Ask, name: &str) -> Answer {
    if ask.flag("link") {
        return Err(no_link(api, name).into());
    }
    let options = RemoveOptions {
        force: ask.flag("force"),
        volumes: ask.flag("v"),
    };
    api.daemon.container_remove(name, options).await?;
    Ok(answer::done())
}

/// What moby's `rmLink` says where there are no links: a container's own name is none.
fn no_link(api: &Api, name: &str) -> Error {
    let link = name.trim_start_matches('/').rsplit_once('/');
    Error::system(match link {
        None => match api.daemon.core.containers.get(name) {
            Ok(_) => "Conflict, cannot remove the default link name of the container".to_owned(),
            Err(error) => return error,
        },
        Some((parent, _)) => {
            format!("Cannot get parent /{parent} for link name /{name}")
        }
    })
}

/// `POST /containers/prune`.
pub(super) async fn prune(api: &Api, ask: &Ask) -> Answer {
    let filters = ask.filters(&["until", "label", "label!"])?;
    let until = timestamps::until(&filters)?;
    let wanted = move |info: &ContainerInfo| {
        let labels = Some(&info.asked.labels);
        until.is_none_or(|until| info.created < until)
            && labels::match_all(filters.get("label"), labels)
            && !labels::spared(filters.get("label!"), labels)
    };
    let (removed, reclaimed) = api.daemon.container_prune_if(wanted).await?;
    let body = json!({ "ContainersDeleted": removed, "SpaceReclaimed": reclaimed });
    Ok(answer::ok(&body))
}
