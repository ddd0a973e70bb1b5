//! What was sent and what came back, kept for the report.

use serde::{Deserialize, Serialize};

use crate::wire::{Request, Sent};

/// How much of a body a report keeps.
const SHOWN_BODY: usize = 4096;

/// One request and its answer as a report shows them. Secrets are masked before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// What the case did just before: "killed the plugin", "wrote a file".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// Whether it was the second host's plugin that was called.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub peer: bool,
    /// What was sent.
    pub request: RecordedRequest,
    /// What came back; `None` if nothing whole did.
    pub response: Option<RecordedResponse>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Whether dockerd takes it for a failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// The request of an [`Exchange`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// The method.
    pub method: String,
    /// The target.
    pub path: String,
    /// Header names and values in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body as text, cut at 4 KiB.
    pub body: String,
    /// How many bytes the body had.
    pub body_bytes: usize,
}

/// The answer of an [`Exchange`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedResponse {
    /// The status code.
    pub status: u16,
    /// Header names and values in the order received.
    pub headers: Vec<(String, String)>,
    /// The body as text, cut at 4 KiB.
    pub body: String,
    /// How many bytes the body had.
    pub body_bytes: usize,
}

impl RecordedResponse {
    /// Whether the report has only the start of the body.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.body_bytes > SHOWN_BODY
    }
}

impl Exchange {
    /// Records an exchange, with each of `secrets` masked wherever it stands.
    #[must_use]
    pub fn record(request: &Request, sent: &Sent, ms: u64, secrets: &[String]) -> Self {
        let mask = |text: String| {
            secrets
                .iter()
                .fold(text, |text, secret| text.replace(secret.as_str(), "***"))
        };
        let headers = |headers: &[(String, String)]| {
            headers
                .iter()
                .map(|(name, value)| (name.clone(), mask(value.clone())))
                .collect()
        };
        Self {
            before: Vec::new(),
            peer: false,
            request: RecordedRequest {
                method: request.method.clone(),
                path: mask(request.path.clone()),
                headers: headers(&request.headers),
                body: mask(shown(&request.body)),
                body_bytes: request.body.len(),
            },
            response: sent.as_ref().ok().map(|response| RecordedResponse {
                status: response.status,
                headers: headers(&response.headers),
                body: mask(shown(&response.body)),
                body_bytes: response.body.len(),
            }),
            error: sent.as_ref().err().map(|error| mask(error.to_string())),
            ms,
            failed: sent.is_err(),
        }
    }
}

/// The start of a body as text.
fn shown(body: &[u8]) -> String {
    match body.get(..SHOWN_BODY) {
        Some(start) if body.len() > SHOWN_BODY => {
            format!("{}… ({} bytes)", String::from_utf8_lossy(start), body.len())
        }
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}
