//! The format of a recording; `fixtures/recordings/README.md` explains it.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(crate) struct Recording {
    pub(crate) scenario: String,
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Command {
    pub(crate) argv: Vec<String>,
    pub(crate) exit: Option<i32>,
    /// Seconds; nothing for one of several that ran at once.
    #[serde(default)]
    pub(crate) duration: f64,
    #[serde(default)]
    pub(crate) stdout: String,
    #[serde(default)]
    pub(crate) stderr: String,
    #[serde(default)]
    pub(crate) calls: Vec<Call>,
    #[serde(default)]
    pub(crate) parallel: Option<Vec<Command>>,
    #[serde(default)]
    pub(crate) http_status: Option<u16>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Call {
    pub(crate) plugin: String,
    /// Seconds since the command began.
    pub(crate) t: f64,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) request: Request,
    pub(crate) response: Option<Response>,
    #[serde(default)]
    pub(crate) fault: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Response {
    pub(crate) status: Option<u16>,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// The plugin hung up without an answer.
    pub(crate) closed: bool,
    /// The plugin did not answer.
    pub(crate) hang: bool,
}
