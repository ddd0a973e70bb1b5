//! `docker exec`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::processes;
use super::session::{Session, Typing, hijack};
use crate::api::Api;
use crate::api::answer;
use crate::api::ask::Ask;
use crate::api::errors::Answer;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::{ExecSpec, Output, Process, Streams};

/// What a command that was not run ends with, as in moby's `ContainerExecStart`.
const NOT_FOUND: i32 = 127;
/// As [`NOT_FOUND`], for a command that may not be run.
const NOT_PERMITTED: i32 = 126;
/// How long one that ended can be asked about: moby's `execCommandGC` looks every five minutes.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// Commands that were asked for, by ID.
#[derive(Debug, Default)]
pub(in crate::api) struct Execs(Mutex<BTreeMap<String, Exec>>);

#[derive(Debug, Clone)]
struct Exec {
    container: String,
    spec: ExecSpec,
    attached: Attached,
    created: Instant,
    process: Option<Arc<dyn Process>>,
    was_started: bool,
    ended: Option<(Instant, i32)>,
}

/// What a client wants to be attached to.
#[derive(Debug, Clone, Copy)]
struct Attached {
    stdin: bool,
    stdout: bool,
    stderr: bool,
}

impl Execs {
    fn get(&self, id: &str) -> Result<Exec> {
        let execs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let exec = execs.get(id).cloned();
        exec.ok_or_else(|| Error::not_found(format!("No such exec instance: {id}")))
    }

    fn change<T>(&self, id: &str, change: impl FnOnce(&mut Exec) -> T) -> Result<T> {
        let mut execs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let exec = execs.get_mut(id).map(change);
        exec.ok_or_else(|| Error::not_found(format!("No such exec instance: {id}")))
    }

    /// Adds one, and forgets those that nobody can ask about any more: of containers that are
    /// gone, and those that ended, or can never start, a while ago.
    fn add(&self, api: &Api, id: &str, exec: Exec) {
        let mut execs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        execs.retain(|_, exec| {
            let Ok(container) = api.daemon.core.containers.get(&exec.container) else {
                return false;
            };
            match exec.ended {
                Some((ended, _)) => ended.elapsed() < REMEMBERED,
                None => container.state().running || exec.created.elapsed() < REMEMBERED,
            }
        });
        execs.insert(id.to_owned(), exec);
    }

    /// The IDs of a container's commands that have not ended.
    pub(super) fn of(&self, container: &str) -> Vec<String> {
        let execs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = execs
            .iter()
            .filter(|(_, exec)| exec.container == container && exec.ended.is_none());
        own.map(|(id, _)| id.clone()).collect()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct CreateRequest {
    cmd: Option<Vec<String>>,
    env: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    tty: Option<bool>,
    attach_stdin: Option<bool>,
    attach_stdout: Option<bool>,
    attach_stderr: Option<bool>,
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
        return Err(api.daemon.core.profile().not_running(&info.id).into());
    }
    if info.state.paused {
        // As the user calls it, and not by its ID: moby's `getActiveContainer`.
        let text = format!("Container {name} is paused, unpause the container before exec");
        return Err(Error::conflict(text).into());
    }
    let id = api.daemon.core.random.id();
    tell(api, &info.id, &id, &action("exec_create", &command), None);
    let exec = Exec {
        container: info.id,
        spec: ExecSpec {
            command,
            env: asked.env.unwrap_or_default(),
            user: asked.user.unwrap_or_default(),
            working_dir: asked.working_dir.unwrap_or_default(),
            tty: asked.tty.unwrap_or(false),
            stdin: asked.attach_stdin.unwrap_or(false),
            streams: Arc::new(Streams::default()),
        },
        attached: Attached {
            stdin: asked.attach_stdin.unwrap_or(false),
            stdout: asked.attach_stdout.unwrap_or(false),
            stderr: asked.attach_stderr.unwrap_or(false),
        },
        created: Instant::now(),
        process: None,
        was_started: false,
        ended: None,
    };
    api.execs.add(api, &id, exec);
    Ok(answer::json(StatusCode::CREATED, &json!({ "Id": id })))
}

/// `POST /exec/{id}/start`.
pub(in crate::api) async fn start(api: &Arc<Api>, mut ask: Ask, id: &str) -> Answer {
    let asked: StartRequest = ask.json().await?;
    let was_started = api
        .execs
        .change(id, |exec| std::mem::replace(&mut exec.was_started, true))?;
    if was_started {
        let text = format!("Error: Exec command {id} is already running");
        return Err(Error::conflict(text).into());
    }
    let exec = api.execs.get(id)?;
    let Attached {
        stdin,
        stdout,
        stderr,
    } = exec.attached;
    let detach = asked.detach.unwrap_or(false);
    let streams = Arc::clone(&exec.spec.streams);
    let session = (!detach).then(|| Session {
        output: streams.attach(stdout, stderr),
        input: stdin.then(|| Typing {
            streams: Arc::clone(&streams),
            closes: true,
        }),
        tty: exec.spec.tty,
    });
    let (own, id) = (Arc::clone(api), id.to_owned());
    let running = crate::trace::spawn(async move { run(&own, &id, exec).await });
    match session {
        // As moby does: an error is told in the stream, behind an answer that was good.
        Some(session) => Ok(hijack(ask, session)),
        None => {
            if let Ok(started) = running.await {
                started?;
            }
            Ok(answer::empty(StatusCode::OK))
        }
    }
}

/// Starts a command; its end is waited for in the background.
async fn run(api: &Arc<Api>, id: &str, exec: Exec) -> Result<()> {
    let streams = Arc::clone(&exec.spec.streams);
    tell(
        api,
        &exec.container,
        id,
        &action("exec_start", &exec.spec.command),
        None,
    );
    let daemon = api.daemon.clone();
    let started = daemon
        .container_exec_start(&exec.container, exec.spec)
        .await;
    let process = match started {
        Ok(process) => process,
        Err(error) => {
            let text = format!("{error}\r\n");
            streams.write(Output::Stdout, text.into()).await;
            let finds = api.daemon.core.profile().exec_finds_no_command;
            let code = if !finds || error.message().contains("permission denied") {
                NOT_PERMITTED
            } else {
                NOT_FOUND
            };
            end(api, id, &exec.container, &streams, code);
            return Err(error);
        }
    };
    api.execs
        .change(id, |exec| exec.process = Some(Arc::clone(&process)))?;
    let (api, id) = (Arc::clone(api), id.to_owned());
    crate::trace::spawn(async move {
        let code = process.wait().await;
        end(&api, &id, &exec.container, &streams, code);
    });
    Ok(())
}

fn end(api: &Api, id: &str, container: &str, streams: &Streams, code: i32) {
    let ended = api.execs.change(id, |exec| {
        exec.ended = Some((Instant::now(), code));
        exec.process = None;
    });
    if ended.is_ok() {
        tell(api, container, id, "exec_die", Some(code));
    }
    // The client asks for the exit code as soon as the stream ends.
    streams.end();
}

fn action(what: &str, command: &[String]) -> String {
    format!("{what}: {}", command.join(" "))
}

fn tell(api: &Api, container: &str, id: &str, action: &str, code: Option<i32>) {
    let core = &api.daemon.core;
    let Ok(container) = core.containers.get(container) else {
        return;
    };
    let (name, code) = (container.name(), code.map(|code| code.to_string()));
    let mut attributes = vec![
        ("name", name.as_str()),
        ("image", &container.asked.image),
        ("execID", id),
    ];
    attributes.extend(code.as_deref().map(|code| ("exitCode", code)));
    core.events.container(&container.id, action, attributes);
}

/// `POST /exec/{id}/resize`.
pub(in crate::api) fn resize(api: &Api, ask: &Ask, id: &str) -> Answer {
    let exec = api.execs.get(id)?;
    let (rows, columns) = processes::size(ask)?;
    if let Some(process) = exec.process {
        process.resize(rows, columns);
    }
    Ok(answer::empty(StatusCode::OK))
}

/// `GET /exec/{id}/json`.
pub(in crate::api) fn inspect(api: &Api, id: &str) -> Answer {
    let exec = api.execs.get(id)?;
    if api.daemon.core.containers.get(&exec.container).is_err() {
        let text = format!("No such exec instance: {id}");
        return Err(Error::new(ErrorKind::NotFound, text).into());
    }
    let (entrypoint, arguments) = match exec.spec.command.split_first() {
        Some((entrypoint, arguments)) => (entrypoint.as_str(), arguments),
        None => ("", [].as_slice()),
    };
    let pid = exec.process.as_ref().and_then(|process| process.pid());
    Ok(answer::ok(&json!({
        "ID": id,
        "Running": exec.was_started && exec.ended.is_none(),
        "ExitCode": exec.ended.map(|(_, code)| code),
        "ProcessConfig": {
            "tty": exec.spec.tty,
            "entrypoint": entrypoint,
            "arguments": arguments,
            "privileged": false,
            "user": exec.spec.user,
        },
        "OpenStdin": exec.attached.stdin,
        "OpenStderr": exec.attached.stderr,
        "OpenStdout": exec.attached.stdout,
        "CanRemove": false,
        "ContainerID": exec.container,
        "DetachKeys": "",
        "Pid": pid.unwrap_or(0),
    })))
}
