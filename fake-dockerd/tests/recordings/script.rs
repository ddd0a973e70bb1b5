//! What the plugin has to be asked, and what it answers.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::compare::Ids;
use super::format::{Call, Recording, Response};
use super::setup::Setup;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) plugin: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// What to do with it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) response: Response,
    /// Seconds of the engine's time.
    pub(crate) delay: f64,
}

#[derive(Debug)]
struct Expected {
    command: usize,
    call: usize,
    used: bool,
}

/// Where a replay is not as it was recorded, and how.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// The number of the command.
    pub(crate) step: usize,
    pub(crate) text: String,
}

/// The recorded calls, which are used up by those that arrive.
#[derive(Debug)]
pub(crate) struct Script {
    recording: Arc<Recording>,
    setup: Arc<Setup>,
    expected: Vec<Expected>,
    current: usize,
    ids: Ids,
    /// Which calls arrived, in order.
    arrived: Vec<usize>,
    pub(crate) difference: Option<Difference>,
}

impl Script {
    pub(crate) fn new(recording: Arc<Recording>, setup: Arc<Setup>) -> Self {
        let mut expected = Vec::new();
        for (command, step) in recording.commands.iter().enumerate() {
            for call in 0..step.calls.len() {
                expected.push(Expected {
                    command,
                    call,
                    used: false,
                });
            }
        }
        Self {
            recording,
            setup,
            expected,
            current: 0,
            ids: Ids::default(),
            arrived: Vec::new(),
            difference: None,
        }
    }

    /// A recorded text with the IDs of the replay.
    pub(crate) fn played(&self, recorded: &str) -> String {
        self.ids.played(recorded)
    }

    pub(crate) fn begin(&mut self, command: usize) {
        self.current = command;
    }

    /// How many calls of the current command have not arrived.
    pub(crate) fn outstanding(&self) -> usize {
        let of_current = self.of(self.current);
        self.expected[of_current]
            .iter()
            .filter(|call| !call.used)
            .count()
    }

    fn of(&self, command: usize) -> Range<usize> {
        let start = self.expected.partition_point(|call| call.command < command);
        let end = self
            .expected
            .partition_point(|call| call.command <= command);
        start..end
    }

    fn call(&self, index: usize) -> &Call {
        let Expected { command, call, .. } = self.expected[index];
        &self.recording.commands[command].calls[call]
    }

    pub(crate) fn fail(&mut self, text: String) {
        let step = self.recording.commands[self.current].argv.join(" ");
        let step: String = step.chars().take(120).collect();
        self.difference.get_or_insert(Difference {
            step: self.current,
            text: format!("at `{step}`: {text}"),
        });
    }

    /// Finds the recorded call that this is. What an engine does in the background may come
    /// earlier than recorded, but not later.
    pub(crate) fn answer(&mut self, arrived: &Arrived) -> Reply {
        let until = self
            .of((self.current + 1).min(self.recording.commands.len() - 1))
            .end;
        let start = self.of(self.current).start;
        for index in start..until {
            if self.expected[index].used {
                continue;
            }
            let Expected { command, call, .. } = self.expected[index];
            let call = &self.recording.commands[command].calls[call];
            let same = call.plugin == arrived.plugin
                && call.path == arrived.path
                && self.ids.unify(&call.request.body, &arrived.body);
            if !same {
                continue;
            }
            self.expected[index].used = true;
            self.arrived.push(index);
            self.compare_head(index, arrived);
            let call = self.call(index);
            let mut response = call.response.clone().unwrap_or(Response {
                hang: true,
                ..Response::default()
            });
            let body = self.setup.played(&self.ids.played(&response.body));
            response.body = self.setup.with_mountpoint(body);
            let delay = call
                .fault
                .as_ref()
                .and_then(|fault| fault["delay"].as_f64());
            return Reply {
                response,
                delay: delay.unwrap_or(0.0),
            };
        }
        self.fail(format!(
            "{} {} {} was not recorded; expected: {}",
            arrived.plugin,
            arrived.path,
            arrived.body.trim_end(),
            self.missing()
        ));
        Reply {
            response: Response {
                status: Some(500),
                reason: "Unexpected".to_owned(),
                body: "not recorded".to_owned(),
                headers: vec![("Content-Length".to_owned(), "12".to_owned())],
                ..Response::default()
            },
            delay: 0.0,
        }
    }

    fn compare_head(&mut self, index: usize, arrived: &Arrived) {
        let call = self.call(index);
        let (path, method) = (&call.path, &call.method);
        let theirs = &call.request.headers;
        let ours: Vec<(String, String)> = arrived
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), self.setup.recorded(value)))
            .collect();
        if *theirs != ours || *method != arrived.method {
            let text = format!(
                "{path}: {} {ours:?} instead of {method} {theirs:?}",
                arrived.method
            );
            self.fail(text);
        }
    }

    /// The volumes that are mounted under more than one ID.
    fn mounted_twice(&self, calls: &[usize]) -> HashSet<String> {
        let mut mounts: HashMap<String, HashSet<String>> = HashMap::new();
        for index in calls {
            if let (Some(volume), Some(id)) = about(self.call(*index)) {
                mounts.entry(volume).or_default().insert(id);
            }
        }
        let twice = mounts.into_iter().filter(|(_, ids)| ids.len() > 1);
        twice.map(|(volume, _)| volume).collect()
    }

    fn missing(&self) -> String {
        let of_current = self.of(self.current);
        let missing: Vec<String> = of_current
            .filter(|index| !self.expected[*index].used)
            .map(|index| self.call(index))
            .map(|call| format!("{} {}", call.path, call.request.body.trim_end()))
            .collect();
        if missing.is_empty() {
            "nothing more".to_owned()
        } else {
            missing.join(", ")
        }
    }

    /// Ends a command: all its calls have arrived, in an order that the engine may take.
    pub(crate) fn end(&mut self) {
        if self.outstanding() > 0 {
            self.fail(format!("not sent: {}", self.missing()));
        }
        let command = self.current;
        let parallel = self.recording.commands[command].parallel.is_some();
        if parallel || self.recording.commands[command].argv[0] == "@dockerd-start" {
            // What runs at once comes as it comes.
            return;
        }
        let arrived: Vec<usize> = self
            .arrived
            .iter()
            .copied()
            .filter(|index| self.expected[*index].command == command)
            .collect();
        let twice = self.mounted_twice(&arrived);
        for (position, later) in arrived.iter().enumerate() {
            for earlier in &arrived[..position] {
                let ordered = in_order(self.call(*later), self.call(*earlier), &twice);
                if earlier > later && ordered {
                    let (first, second) = (self.call(*later), self.call(*earlier));
                    let text = format!(
                        "{} {} was sent after {} {}",
                        first.path,
                        first.request.body.trim_end(),
                        second.path,
                        second.request.body.trim_end()
                    );
                    self.fail(text);
                    return;
                }
            }
        }
    }
}

/// The volume and the mount ID that a call is about.
fn about(call: &Call) -> (Option<String>, Option<String>) {
    let body: serde_json::Value = serde_json::from_str(&call.request.body).unwrap_or_default();
    let field = |name: &str| body[name].as_str().map(str::to_owned);
    (field("Name"), field("ID"))
}

/// Whether two calls always come in the order in which they were recorded. Those about different
/// volumes, or a volume that the command mounts twice, come in the order of a Go map.
fn in_order(first: &Call, second: &Call, twice: &HashSet<String>) -> bool {
    if first.plugin != second.plugin {
        return false;
    }
    match (about(first).0, about(second).0) {
        (Some(first), Some(second)) => first == second && !twice.contains(&first),
        _ => true,
    }
}
