//! Plays a recording against a plugin, and compares.
//!
//! Calls are sent one after the other in the order in which they arrived, with the recorded headers.
//! Volumes get names of the replay's own, so that nothing that the plugin has is touched. Answers
//! that the recorded plugin was told to give are not expected of another one: these calls are left
//! out.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::answers::{Differences, Said, compare};
use super::format::{Call, Recording, SentRequest, SentResponse, Step};
use super::matching::Matching;
use crate::protocol::Endpoint;
use crate::runner::{Interrupt, take_back};
use crate::suite::{Ledger, NameMaker};
use crate::target::Target;
use crate::wire::{Connection, Request, Sent, WireError};

/// What became of a recording.
#[derive(Debug, Default, Serialize)]
pub struct Replay {
    /// The calls that were sent and compared.
    pub calls: Vec<Replayed>,
    /// Calls that were not sent, since the recorded plugin was told what to answer.
    pub left_out: usize,
    /// What could not be done as it was recorded.
    pub notes: Vec<String>,
    /// Whether the user ended it early.
    pub interrupted: bool,
}

/// A call that was sent again.
#[derive(Debug, Serialize)]
pub struct Replayed {
    /// The command during which it was recorded.
    pub step: String,
    /// Its number in the recording.
    pub seq: u64,
    /// The path.
    pub path: String,
    /// The body that was sent.
    pub sent: String,
    /// The recorded answer.
    pub recorded: SentResponse,
    /// The plugin's answer.
    pub got: SentResponse,
    /// How they differ.
    #[serde(flatten)]
    pub found: Differences,
}

impl Replay {
    /// The calls whose answers differ; with `strict` also those that only a reader would notice.
    pub fn differing(&self, strict: bool) -> impl Iterator<Item = &Replayed> {
        let differs = move |call: &&Replayed| {
            !call.found.differences.is_empty() || (strict && !call.found.remarks.is_empty())
        };
        self.calls.iter().filter(differs)
    }
}

/// Plays the calls to `plugin` of a recording. What it made is taken back, also when `interrupt`
/// ends it early.
///
/// # Errors
/// A sentence where the replay could not go on.
pub async fn replay(
    target: &Arc<Target>,
    recording: &Recording,
    plugin: &str,
    interrupt: Interrupt,
) -> Result<Replay, String> {
    let mut player = Player {
        target,
        names: target.naming.for_case("replay"),
        ledger: Ledger::default(),
        matching: Matching::default(),
        connection: None,
        done: Replay::default(),
    };
    let ended = tokio::select! {
        ended = player.play(recording, plugin) => ended.map(|()| false),
        () = interrupt => Ok(true),
    };
    let taken = take_back(target, &player.ledger, "replay").await;
    player.done.notes.extend(taken.left_behind);
    player.done.interrupted = ended?;
    Ok(player.done)
}

struct Player<'a> {
    target: &'a Arc<Target>,
    names: NameMaker,
    ledger: Ledger,
    matching: Matching,
    connection: Option<Connection>,
    done: Replay,
}

impl Player<'_> {
    async fn play(&mut self, recording: &Recording, plugin: &str) -> Result<(), String> {
        for step in &recording.commands {
            self.step(step, plugin).await?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step, plugin: &str) -> Result<(), String> {
        let argv: Vec<&str> = step.argv.iter().map(String::as_str).collect();
        match argv.as_slice() {
            ["@plugin-oob-create", of, name, ..] if *of == plugin => {
                self.beside("/VolumeDriver.Create", name).await?;
            }
            ["@plugin-oob-delete", of, name, ..] if *of == plugin => {
                self.beside("/VolumeDriver.Remove", name).await?;
            }
            ["@plugin-kill", of, ..] if *of == plugin => self.stop().await,
            ["@plugin-start", of, ..] if *of == plugin => self.start().await?,
            _ => {}
        }
        let name = argv.join(" ");
        for call in step.calls.iter().filter(|call| call.plugin == plugin) {
            if call.is_scripted() {
                self.done.left_out += 1;
                if call.was_done() {
                    let request = self
                        .request(&call.method, &call.path, &call.request)
                        .await?;
                    // What it answers was recorded of a plugin that was told to answer otherwise.
                    let _ = self.send(&request).await?;
                }
            } else {
                self.call(&name, call).await?;
            }
        }
        Ok(())
    }

    async fn stop(&mut self) {
        if let Some(process) = &self.target.plugin {
            self.connection = None;
            process.kill().await;
        } else {
            let note = "the recorded plugin was killed; this one was not: give --exec";
            self.done.notes.push(note.to_owned());
        }
    }

    async fn start(&mut self) -> Result<(), String> {
        match &self.target.plugin {
            Some(process) if !process.is_running().await => process.start().await.map(drop),
            _ => Ok(()),
        }
    }

    /// What came about behind the recorded engine's back.
    async fn beside(&mut self, path: &str, name: &str) -> Result<(), String> {
        let body = serde_json::json!({"Name": name});
        let request = SentRequest {
            headers: Request::docker(path, "").headers,
            body: body.to_string(),
        };
        let request = self.request("POST", path, &request).await?;
        self.send(&request).await.map(drop)
    }

    async fn call(&mut self, step: &str, call: &Call) -> Result<(), String> {
        let request = self
            .request(&call.method, &call.path, &call.request)
            .await?;
        let got = answer(&self.send(&request).await?);
        let said = (Said::of(&call.response), Said::of(&got));
        let volume = call.volume().unwrap_or_default();
        let found = match Endpoint::from_path(&call.path) {
            Some(endpoint) => {
                self.remember(endpoint, &request, &said.1);
                compare(endpoint, &volume, (&said.0, &said.1), &mut self.matching)
            }
            None => Differences::default(),
        };
        self.done.calls.push(Replayed {
            step: step.to_owned(),
            seq: call.seq,
            path: call.path.clone(),
            sent: self.hide(&String::from_utf8_lossy(&request.body)),
            recorded: call.response.clone(),
            got: SentResponse {
                body: got.body.map(|body| self.hide(&body)),
                ..got
            },
            found,
        });
        Ok(())
    }

    /// A text without the values of secret options.
    fn hide(&self, text: &str) -> String {
        let secrets = self.target.secrets();
        secrets
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }

    /// The recorded request with a name of ours, and the user's options.
    async fn request(
        &mut self,
        method: &str,
        path: &str,
        recorded: &SentRequest,
    ) -> Result<Request, String> {
        let mut body: Value = serde_json::from_str(&recorded.body).unwrap_or_default();
        let mut text = recorded.body.clone();
        if let Some(theirs) = body
            .get("Name")
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
        {
            let anonymous =
                theirs.len() == 64 && theirs.bytes().all(|byte| byte.is_ascii_hexdigit());
            let names = &mut self.names;
            let ours = self
                .matching
                .name(theirs, || if anonymous { names.id() } else { names.name() });
            if path == Endpoint::Create.path() {
                self.prepare(&ours).await?;
                self.options(&mut body, &ours);
            }
            if let Some(name) = body.get_mut("Name") {
                *name = ours.into();
            }
            text = body.to_string() + "\n";
        }
        let mut request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: recorded.headers.clone(),
            body: text.into_bytes(),
        };
        // The body is sent in one piece, whatever it was.
        request
            .headers
            .retain(|(name, _)| !name.eq_ignore_ascii_case("Transfer-Encoding"));
        let length = request.body.len().to_string();
        Ok(request.header("Content-Length", &length))
    }

    fn options(&self, body: &mut Value, name: &str) {
        let Some(body) = body
            .as_object_mut()
            .filter(|_| !self.target.opts.is_empty())
        else {
            return;
        };
        // What the recorded ones were stays, under those that this plugin needs.
        let mut given = match body.remove("Opts") {
            Some(Value::Object(given)) => given,
            _ => Map::new(),
        };
        for (key, value) in &self.target.opts {
            given.insert(key.clone(), value.replace("{volume}", name).into());
        }
        body.insert("Opts".to_owned(), given.into());
    }

    async fn prepare(&self, name: &str) -> Result<(), String> {
        if let Some(command) = &self.target.prepare
            && !self.ledger.is_prepared(name)
        {
            let done = command.run_for(name, self.target.timeout).await;
            done.map_err(|why| format!("--prepare failed: {why}"))?;
            self.ledger.prepared(name);
        }
        Ok(())
    }

    /// Keeps what has to be taken back.
    fn remember(&self, endpoint: Endpoint, request: &Request, said: &Said) {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let member = |key| body.get(key).and_then(Value::as_str);
        let (Some(name), id) = (member("Name"), member("ID")) else {
            return;
        };
        let succeeded = matches!(said, Said::Success(_));
        match (endpoint, id) {
            (Endpoint::Create, _) => self.ledger.created(name),
            (Endpoint::Mount, Some(id)) if !matches!(said, Said::Failure(..)) => {
                self.ledger.mounted(name, id)
            }
            (Endpoint::Unmount, Some(id)) if succeeded => self.ledger.unmounted(name, id),
            (Endpoint::Remove, _) if succeeded => self.ledger.removed(name),
            _ => {}
        }
    }

    /// Over the connection that is there, or a new one where the plugin has closed it.
    async fn send(&mut self, request: &Request) -> Result<Sent, String> {
        let limit = self.target.timeout;
        if let Some(mut connection) = self.connection.take() {
            match connection.send(request, limit).await {
                Err(WireError::Closed | WireError::Io(_)) => {}
                sent => {
                    self.keep(connection, &sent);
                    return Ok(sent);
                }
            }
        }
        let mut connection = match Connection::open(&self.target.address, limit).await {
            Ok(connection) => connection,
            Err(error) => return Err(format!("the plugin cannot be reached any more: it {error}")),
        };
        let sent = connection.send(request, limit).await;
        self.keep(connection, &sent);
        Ok(sent)
    }

    fn keep(&mut self, connection: Connection, sent: &Sent) {
        if sent.is_ok() && !connection.ended() {
            self.connection = Some(connection);
        }
    }
}

fn answer(sent: &Sent) -> SentResponse {
    match sent {
        Ok(response) => SentResponse {
            status: Some(response.status),
            headers: response.headers.clone(),
            body: Some(String::from_utf8_lossy(&response.body).into_owned()),
            ..SentResponse::default()
        },
        Err(error) => SentResponse {
            hang: error.is_timeout(),
            closed: !error.is_timeout(),
            ..SentResponse::default()
        },
    }
}
