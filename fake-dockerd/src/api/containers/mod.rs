//! `/containers` and `/exec`.
//!
//! [`create`] reads what is asked for, [`show`] is inspect and list, [`stream`] is what a client
//! follows (attach, logs, wait) over a [`session`], [`exec`] runs commands, [`processes`] looks at
//! what runs; the short ones are here.

pub(super) mod create;
pub(super) mod exec;
pub(super) mod processes;
mod session;
pub(super) mod show;
pub(super) mod stream;

use serde_json::json;

use super::Api;
use super::answer;
use super::ask::Ask;
use super::errors::{Answer, Failure};
use crate::containers::RemoveOptions;
use crate::error::Error;

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
        return Err(Failure::not_served("DELETE /containers with link=1"));
    }
    let options = RemoveOptions {
        force: ask.flag("force"),
        volumes: ask.flag("v"),
    };
    api.daemon.container_remove(name, options).await?;
    Ok(answer::done())
}

/// `POST /containers/prune`. The library prunes whatever does not run.
pub(super) async fn prune(api: &Api, ask: &Ask) -> Answer {
    if !ask.value("filters").is_empty() && ask.value("filters") != "{}" {
        return Err(Failure::not_served("POST /containers/prune with filters"));
    }
    let removed = api.daemon.container_prune().await?;
    let body = json!({ "ContainersDeleted": removed, "SpaceReclaimed": 0 });
    Ok(answer::ok(&body))
}
