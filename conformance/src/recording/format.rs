//! The format of a recording; `fixtures/recordings/README.md` describes it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The command of a step whose calls were recorded without knowing which command led to them.
pub const RECORDED: &str = "@recorded";

/// What passed between an engine and its plugins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The engine's version; empty where it is not known.
    #[serde(default)]
    pub engine: String,
    /// The version of the docker CLI; empty where none was used.
    #[serde(default)]
    pub cli: String,
    /// What the recording is called.
    pub scenario: String,
    /// Remarks.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What was done, in order.
    pub commands: Vec<Step>,
    /// The plugin's volumes at the end, where they are known.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub plugin_final_state: Value,
}

/// A command, and what was said while it ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// `docker …`, a step that begins with `@`, or [`RECORDED`].
    pub argv: Vec<String>,
    /// The exit status.
    pub exit: Option<i32>,
    /// What the command printed.
    pub stdout: String,
    /// What it printed as errors.
    pub stderr: String,
    /// Warnings and errors of the engine meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub daemon_log: Vec<String>,
    /// When it began, in seconds since the recording did.
    pub t_start: f64,
    /// How long it took, in seconds.
    pub duration: f64,
    /// Commands that ran at once, where the step is `@parallel`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_none")]
    pub parallel: Vec<Step>,
    /// Connections that opened and closed, and what was no call.
    pub wire_events: Vec<Value>,
    /// The calls that arrived while it ran.
    pub calls: Vec<Call>,
}

/// A call and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The plugin's name.
    pub plugin: String,
    /// The order in which calls arrived.
    pub seq: u64,
    /// The number of the connection.
    pub conn: u64,
    /// Which request on this connection it is, from 1.
    pub conn_req: u64,
    /// When it arrived, in seconds since the step began.
    pub t: f64,
    /// How long the whole answer took, in seconds; not in recordings of other recorders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<f64>,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub http_version: String,
    /// What was sent.
    pub request: SentRequest,
    /// What came back.
    pub response: SentResponse,
    /// What the recorded plugin was told to do wrong for this call, if anything.
    #[serde(default)]
    pub fault: Value,
}

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SentRequest {
    /// Names and values in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

/// An answer, or why there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SentResponse {
    /// The status; none where there was no whole answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The reason phrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Names and values in the order sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body as text, without the framing of chunks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The plugin hung up without a whole answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub closed: bool,
    /// The engine hung up before there was a whole answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hang: bool,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// A sentence with the file and what is wrong with it.
    pub fn read(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{shown} cannot be read: {error}"))?;
        Self::parse(&text).map_err(|why| format!("{shown} is no recording: {why}"))
    }

    /// Reads a recording from its text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut recording: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for step in &mut recording.commands {
            step.calls.sort_by_key(|call| call.seq);
        }
        Ok(recording)
    }

    /// Whether a text that is JSON looks like a recording, and not like another file of ours.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        #[derive(Deserialize)]
        struct Looks {
            #[expect(dead_code, reason = "only its being there counts")]
            commands: Vec<serde::de::IgnoredAny>,
            /// Lines of a file of regressions say what they are; recordings do not.
            schema: Option<serde::de::IgnoredAny>,
        }
        serde_json::from_str::<Looks>(text).is_ok_and(|looks| looks.schema.is_none())
    }

    /// All calls, each with the index of the step in which it arrived.
    pub fn calls(&self) -> impl Iterator<Item = (usize, &Call)> {
        let numbered = self.commands.iter().enumerate();
        numbered.flat_map(|(at, step)| step.calls.iter().map(move |call| (at, call)))
    }
}

impl Call {
    /// The request's body as JSON; null where it is none.
    #[must_use]
    pub fn sent(&self) -> Value {
        serde_json::from_str(&self.request.body).unwrap_or_default()
    }

    /// The volume that the call is about.
    #[must_use]
    pub fn volume(&self) -> Option<String> {
        self.member("Name")
    }

    /// The mount ID it was about.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.member("ID")
    }

    fn member(&self, key: &str) -> Option<String> {
        self.sent().get(key)?.as_str().map(str::to_owned)
    }

    /// Whether the recorded plugin was told to answer something else than it would have. A delay or
    /// another content type changes no answer.
    #[must_use]
    pub fn is_scripted(&self) -> bool {
        ["status", "err", "body", "json", "close", "hang", "apply"]
            .iter()
            .any(|key| self.fault.get(key).is_some_and(|value| !value.is_null()))
    }

    /// Whether the recorded plugin did what it was asked to, whatever it answered.
    #[must_use]
    pub fn was_done(&self) -> bool {
        !self.is_scripted() || self.fault.get("apply") == Some(&Value::Bool(true))
    }
}

fn or_none<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Step>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
