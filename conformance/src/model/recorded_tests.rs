//! Every recorded history is legal in the model. The plugin that was recorded could be told to
//! answer wrongly (`fault` of a call); such answers are not left out, they must be what they were
//! meant to be: an answer that the model objects to, or one that leaves open what was done.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Call, Model, Possible, Reply};
use crate::protocol::Endpoint;
use crate::suite::Answer;
use crate::wire::{Response, WireError};

/// Scenarios in which the plugin was started again without what it knew. In all others it was given
/// its state back.
const FORGETFUL: &[&str] = &["plugin-restart-lost-state", "plugin-restart-while-mounted"];

/// What was seen in one recording, or in all of them.
#[derive(Debug, Default)]
struct Tally {
    calls: usize,
    /// Answers that the plugin was told to give, and that are legal all the same.
    scripted: usize,
    /// Those that are not.
    recognised: usize,
    /// Answers that show that a plugin has forgotten what it should know, where it was to.
    forgotten: usize,
}

#[test]
fn every_recorded_history_is_legal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/recordings");
    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    let mut read = 0;
    for path in json_files(&root) {
        let recording: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        read += 1;
        let mut history = History::default();
        let scenario = recording["scenario"].as_str().unwrap();
        history.forgets = FORGETFUL.contains(&scenario);
        history.commands(&recording["commands"], &mut tally);
        let shown = path.strip_prefix(&root).unwrap().display().to_string();
        wrong.extend(
            history
                .wrong
                .into_iter()
                .map(|why| format!("{shown}: {why}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read >= 3 * 250, "only {read} recordings");
    assert!(
        tally.calls > 8000 && tally.recognised > 100 && tally.forgotten > 0,
        "{tally:?}"
    );
}

fn json_files(root: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .flat_map(|engine| std::fs::read_dir(engine).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    files
}

/// The plugins of one recording, as far as their answers tell.
#[derive(Default)]
struct History {
    plugins: HashMap<String, Possible>,
    /// Plugins that forget, as they would be if they remembered.
    remembering: HashMap<String, Possible>,
    /// Whether the scenario is about a plugin that forgets everything when it is started again.
    forgets: bool,
    wrong: Vec<String>,
}

impl History {
    fn commands(&mut self, commands: &Value, tally: &mut Tally) {
        for command in commands.as_array().into_iter().flatten() {
            self.step(command);
            let mut calls: Vec<&Value> =
                command["calls"].as_array().into_iter().flatten().collect();
            // A call that the plugin was told to delay is carried out when it is answered.
            let answered = |call: &Value| {
                call["t"].as_f64().unwrap_or_default()
                    + call["fault"]["delay"].as_f64().unwrap_or_default()
            };
            calls.sort_by(|a, b| answered(a).total_cmp(&answered(b)));
            for call in calls {
                self.call(call, tally);
            }
            self.commands(&command["parallel"], tally);
        }
    }

    /// What was done to a plugin behind the engine's back.
    fn step(&mut self, command: &Value) {
        let argv: Vec<&str> = command["argv"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let [what, plugin, rest @ ..] = argv.as_slice() else {
            return;
        };
        let possible = self.plugins.entry((*plugin).to_owned()).or_default();
        let name = rest.first().copied().unwrap_or_default();
        match *what {
            "@plugin-oob-create" => possible.unanswered(&create(name)),
            "@plugin-oob-delete" => possible.unanswered(&Call::Remove(name.into())),
            "@plugin-start" => {
                let mut remembering = std::mem::take(possible);
                remembering.restart();
                if self.forgets {
                    self.remembering.insert((*plugin).to_owned(), remembering);
                } else {
                    *possible = remembering;
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, recorded: &Value, tally: &mut Tally) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let Some(endpoint) = Endpoint::from_path(&text(&recorded["path"])) else {
            return;
        };
        let body = text(&recorded["request"]["body"]);
        // An engine repeats a call that broke off with an empty body: that is no call of this
        // protocol, and has a rule of its own (http.empty-body).
        if endpoint == Endpoint::Capabilities || (body.is_empty() && endpoint.names_a_volume()) {
            return;
        }
        tally.calls += 1;
        let call = understood(endpoint, &body);
        let answer = answer(endpoint, &recorded["response"]);
        let plugin = text(&recorded["plugin"]);
        if let (Some(reply), Some(due)) = (Reply::of(&answer), self.remembering.get_mut(&plugin)) {
            tally.forgotten += usize::from(due.step(&call, &reply).is_err());
        }
        let possible = self.plugins.entry(plugin).or_default();
        let judged = Reply::of(&answer).map(|reply| {
            let mut next = possible.clone();
            next.step(&call, &reply).map(|()| next)
        });
        let scripted = is_scripted(&recorded["fault"]);
        match judged {
            None if scripted => possible.unanswered(&call),
            None => self.wrong.push(format!("{call:?}: no answer")),
            Some(Ok(next)) if scripted => {
                // It says so, and may have done nothing.
                tally.scripted += 1;
                let before = std::mem::replace(possible, next);
                possible.or(before);
                possible.unanswered(&call);
            }
            Some(Err(_)) if scripted => {
                tally.recognised += 1;
                possible.unanswered(&call);
            }
            Some(Ok(next)) => *possible = next,
            Some(Err(violation)) => self.wrong.push(format!("{call:?}: {violation:?}")),
        }
    }
}

/// Whether the plugin was told to answer something else than it would have.
fn is_scripted(fault: &Value) -> bool {
    ["status", "err", "body", "json", "close", "hang", "apply"]
        .iter()
        .any(|key| !fault[key].is_null())
}

fn create(name: &str) -> Call {
    Call::Create {
        name: name.into(),
        opts: None,
        sound: true,
    }
}

fn understood(endpoint: Endpoint, body: &str) -> Call {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let name = body["Name"].as_str().unwrap_or_default().into();
    let id = || body["ID"].as_str().unwrap_or_default().into();
    match endpoint {
        Endpoint::Activate | Endpoint::Capabilities => Call::Activate,
        Endpoint::Create => Call::Create {
            name,
            opts: serde_json::from_value::<Option<BTreeMap<_, _>>>(body["Opts"].clone()).unwrap(),
            sound: true,
        },
        Endpoint::Get => Call::Get(name),
        Endpoint::List => Call::List,
        Endpoint::Path => Call::Path(name),
        Endpoint::Mount => Call::Mount(name, id()),
        Endpoint::Unmount => Call::Unmount(name, id()),
        Endpoint::Remove => Call::Remove(name),
    }
}

fn answer(endpoint: Endpoint, response: &Value) -> Answer {
    let sent = match response["status"].as_u64() {
        None => Err(WireError::Closed),
        Some(status) => Ok(Response {
            status: u16::try_from(status).unwrap(),
            headers: Vec::new(),
            body: response["body"].as_str().unwrap_or_default().into(),
        }),
    };
    Answer::new(endpoint, sent, 0)
}

impl Default for Possible {
    fn default() -> Self {
        Self::from(Model::default())
    }
}
