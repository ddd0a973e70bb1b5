//! What a client follows: attach, logs and wait.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;

use super::session::{Session, Typing, content_type, frame, hijack};
use crate::api::Api;
use crate::api::answer;
use crate::api::ask::Ask;
use crate::api::errors::Answer;
use crate::containers::WaitCondition;
use crate::containers::container::Container;
use crate::containers::log::{LogEntry, LogReader};
use crate::error::{Error, Result};
use crate::runtime::{Chunk, Output};

/// How many lines of a log a client may be behind before reading waits.
const BEHIND: usize = 16;

/// `POST /containers/{name}/wait`. The answer begins at once, so that the client knows that the
/// wait has begun before it starts the container.
pub(in crate::api) fn wait(api: &Api, ask: &Ask, name: &str) -> Answer {
    let condition = match ask.value("condition") {
        "" | "not-running" => WaitCondition::NotRunning,
        "next-exit" => WaitCondition::NextExit,
        "removed" => WaitCondition::Removed,
        other => return Err(Error::invalid(format!("invalid condition: {other:?}")).into()),
    };
    let end = api.daemon.container_wait(name, condition)?;
    let (sender, body) = mpsc::channel(1);
    tokio::spawn(async move {
        let end = tokio::select! {
            end = end => end,
            () = sender.closed() => return,
        };
        let mut value = json!({ "StatusCode": end.exit_code });
        if !end.error.is_empty()
            && let Some(fields) = value.as_object_mut()
        {
            fields.insert("Error".to_owned(), json!({ "Message": end.error }));
        }
        // A client that is gone does not want to know.
        let _ = sender.send(Bytes::from(format!("{value}\n"))).await;
    });
    Ok(answer::stream(body, "application/json"))
}

/// Which lines of a log are asked for.
#[derive(Debug)]
struct Wanted {
    stdout: bool,
    stderr: bool,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    timestamps: bool,
}

impl Wanted {
    fn of(ask: &Ask) -> Result<Self> {
        let wanted = Self {
            stdout: ask.flag("stdout"),
            stderr: ask.flag("stderr"),
            since: time(ask.value("since"))?,
            until: time(ask.value("until"))?,
            timestamps: ask.flag("timestamps"),
        };
        if wanted.stdout || wanted.stderr {
            return Ok(wanted);
        }
        let text = "Bad parameters: you must choose at least one stream";
        Err(Error::invalid(text))
    }

    fn is_behind(&self, entry: &LogEntry) -> bool {
        self.until.is_some_and(|until| entry.time > until)
    }

    /// What is sent of a line.
    fn chunk(&self, entry: LogEntry) -> Option<Chunk> {
        let output = if entry.stream == "stderr" {
            Output::Stderr
        } else {
            Output::Stdout
        };
        let is_wanted = match output {
            Output::Stdout => self.stdout,
            Output::Stderr => self.stderr,
        };
        if !is_wanted || self.since.is_some_and(|since| entry.time < since) {
            return None;
        }
        let text = if self.timestamps {
            format!("{:.9} {}", entry.time, entry.log)
        } else {
            entry.log
        };
        Some(Chunk {
            output,
            bytes: text.into(),
        })
    }
}

/// Seconds since 1970, perhaps with a fraction; 0 and nothing are no limit.
fn time(text: &str) -> Result<Option<Timestamp>> {
    if matches!(text, "" | "0") {
        return Ok(None);
    }
    let invalid = || Error::invalid(format!("invalid timestamp: {text:?}"));
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds = format!("{fraction:0<9}");
    let nanoseconds = nanoseconds.get(..9).ok_or_else(invalid)?;
    let seconds = seconds.parse().map_err(|_| invalid())?;
    let nanoseconds = nanoseconds.parse().map_err(|_| invalid())?;
    let time = Timestamp::new(seconds, nanoseconds).map_err(|_| invalid())?;
    Ok(Some(time))
}

/// `GET /containers/{name}/logs`.
pub(in crate::api) async fn logs(api: &Api, ask: &Ask, name: &str) -> Answer {
    let container = api.daemon.core.containers.get(name)?;
    let wanted = Wanted::of(ask)?;
    // Whatever is no number, like "all", asks for everything, as in moby.
    let tail = ask.value("tail").parse().ok();
    let reader = container.log.read(tail, ask.flag("follow"));
    let reader = reader.map_err(|error| Error::system(error.to_string()))?;
    let tty = container.asked.switch("Tty");
    let (sender, body) = mpsc::channel(BEHIND);
    tokio::spawn(async move {
        let gone = sender.clone();
        tokio::select! {
            () = send_log(reader, wanted, tty, sender) => {}
            () = gone.closed() => {}
        }
    });
    Ok(answer::stream(body, content_type(ask, tty)))
}

async fn send_log(mut reader: LogReader, wanted: Wanted, tty: bool, sender: mpsc::Sender<Bytes>) {
    loop {
        let reading = tokio::task::spawn_blocking(move || {
            let entries = reader.next();
            (reader, entries)
        });
        let Ok((back, entries)) = reading.await else {
            return;
        };
        reader = back;
        let entries = entries.unwrap_or_else(|error| {
            tracing::error!("a log cannot be read: {error}");
            Vec::new()
        });
        let is_empty = entries.is_empty();
        for entry in entries {
            if wanted.is_behind(&entry) {
                return;
            }
            let Some(chunk) = wanted.chunk(entry) else {
                continue;
            };
            let bytes = if tty {
                chunk.bytes
            } else {
                frame(chunk.output, &chunk.bytes)
            };
            if sender.send(bytes).await.is_err() {
                return;
            }
        }
        if is_empty && !reader.has_more().await {
            return;
        }
    }
}

/// `POST /containers/{name}/attach`.
pub(in crate::api) async fn attach(api: &Api, ask: Ask, name: &str) -> Answer {
    let container = api.daemon.core.containers.get(name)?;
    if container.state().paused {
        let text = "You cannot attach to a paused container, unpause it first";
        return Err(Error::conflict(text).into());
    }
    let tty = container.asked.switch("Tty");
    let session = Session {
        output: attached(&container, &ask)?,
        input: typing(&container, &ask),
        tty,
    };
    api.daemon.core.container_event(&container, "attach", None);
    Ok(hijack(ask, session))
}

/// What is printed: what was before, what comes, or both.
fn attached(container: &Container, ask: &Ask) -> Result<mpsc::Receiver<Chunk>> {
    let live = if ask.flag("stream") {
        let (stdout, stderr) = (ask.flag("stdout"), ask.flag("stderr"));
        Some(container.streams.attach(stdout, stderr))
    } else {
        None
    };
    let (sender, receiver) = mpsc::channel(BEHIND);
    match (ask.flag("logs"), live) {
        (false, Some(live)) => return Ok(live),
        (false, None) => {}
        (true, live) => {
            let wanted = Wanted::of(ask)?;
            let reader = container.log.read(None, false);
            let reader = reader.map_err(|error| Error::system(error.to_string()))?;
            tokio::spawn(replay(reader, wanted, live, sender));
        }
    }
    Ok(receiver)
}

async fn replay(
    mut reader: LogReader,
    wanted: Wanted,
    live: Option<mpsc::Receiver<Chunk>>,
    sender: mpsc::Sender<Chunk>,
) {
    loop {
        let entries = reader.next().unwrap_or_default();
        if entries.is_empty() {
            break;
        }
        for chunk in entries.into_iter().filter_map(|entry| wanted.chunk(entry)) {
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    }
    let Some(mut live) = live else {
        return;
    };
    while let Some(chunk) = live.recv().await {
        if sender.send(chunk).await.is_err() {
            return;
        }
    }
}

fn typing(container: &Container, ask: &Ask) -> Option<Typing> {
    let asked = &container.asked;
    let types = ask.flag("stream") && ask.flag("stdin") && asked.switch("OpenStdin");
    types.then(|| Typing {
        streams: Arc::clone(&container.streams),
        closes: asked.switch("StdinOnce") && !asked.switch("Tty"),
    })
}
