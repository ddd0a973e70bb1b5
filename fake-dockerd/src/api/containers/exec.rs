//! `docker exec`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::stream::hijack;
use crate::api::Api;
use crate::api::answer;
use crate::api::ask::Ask;
use crate::api::errors::Answer;
use crate::error::{Error, Result};

/// Commands that were asked for, by ID.
#[derive(Debug, Default)]
pub(in crate::api) struct Execs(Mutex<BTreeMap<String, Exec>>);

#[derive(Debug, Clone)]
struct Exec {
    container: String,
    command: Vec<String>,
    tty: bool,
    running: bool,
    exit_code: Option<i32>,
}

impl Execs {
    fn get(&self, id: &str) -> Result<Exec> {
        let execs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let exec = execs.get(id).cloned();
        exec.ok_or_else(|| Error::not_found(format!("No such exec instance: {id}")))
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Exec)) {
        let mut execs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exec) = execs.get_mut(id) {
            change(exec);
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct CreateRequest {
    cmd: Option<Vec<String>>,
    tty: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct StartRequest {
    detach: Option<bool>,
}

/// `POST /containers/{name}/exec`.
pub(in crate::api) async fn create(api: &Api, mut ask: Ask, name: &str) -> Answer {
    let asked: CreateRequest = ask.json().await?;
    let command = asked.cmd.unwrap_or_default();
    if command.is_empty() {
        return Err(Error::invalid("no exec command specified").into());
    }
    let info = api.daemon.container_inspect(name).await?;
    if !info.state.running {
        let text = format!("container {} is not running", info.id);
        return Err(Error::conflict(text).into());
    }
    let id = api.daemon.core.random.id();
    let exec = Exec {
        container: info.id,
        command,
        tty: asked.tty.unwrap_or(false),
        running: false,
        exit_code: None,
    };
    let mut execs = api.execs.0.lock().unwrap_or_else(PoisonError::into_inner);
    execs.insert(id.clone(), exec);
    Ok(answer::json(StatusCode::CREATED, &json!({ "Id": id })))
}

/// `POST /exec/{id}/start`.
pub(in crate::api) async fn start(api: &Arc<Api>, mut ask: Ask, id: &str) -> Answer {
    let asked: StartRequest = ask.json().await?;
    let exec = api.execs.get(id)?;
    if exec.running || exec.exit_code.is_some() {
        let text = format!("Error: Exec command {id} is already running or has ended");
        return Err(Error::conflict(text).into());
    }
    api.execs.change(id, |exec| exec.running = true);
    let (ended, end) = oneshot::channel::<()>();
    let (running, id) = (Arc::clone(api), id.to_owned());
    crate::trace::spawn(async move {
        let daemon = &running.daemon;
        let run = daemon.container_exec(&exec.container, exec.command).await;
        let code = run.unwrap_or_else(|error| {
            tracing::error!("exec {id}: {error}");
            // What a shell says of a command that it does not find.
            127
        });
        running.execs.change(&id, |exec| {
            exec.running = false;
            exec.exit_code = Some(code);
        });
        // Nobody waits for a detached one.
        let _ = ended.send(());
    });
    if asked.detach.unwrap_or(false) {
        return Ok(answer::empty(StatusCode::OK));
    }
    Ok(hijack(ask, exec.tty, async {
        let _ = end.await;
    }))
}

/// `GET /exec/{id}/json`.
pub(in crate::api) fn inspect(api: &Api, id: &str) -> Answer {
    let exec = api.execs.get(id)?;
    let (entrypoint, arguments) = match exec.command.split_first() {
        Some((entrypoint, arguments)) => (entrypoint.as_str(), arguments),
        None => ("", [].as_slice()),
    };
    Ok(answer::ok(&json!({
        "ID": id,
        "Running": exec.running,
        "ExitCode": exec.exit_code,
        "ProcessConfig": {
            "tty": exec.tty,
            "entrypoint": entrypoint,
            "arguments": arguments,
            "privileged": false,
        },
        "OpenStdin": false,
        "OpenStderr": true,
        "OpenStdout": true,
        "CanRemove": false,
        "ContainerID": exec.container,
        "DetachKeys": "",
        "Pid": 0,
    })))
}
