//! An answer with the questions that cases ask of it.

use std::sync::Arc;

use super::{CaseResult, Finding, Halt};
use crate::protocol::{Endpoint, Reading, Volume, read_as_docker};
use crate::wire::{Response, Sent, WireError};

/// What came back for one call, and what dockerd would make of it.
#[derive(Debug, Clone)]
pub struct Answer {
    endpoint: Endpoint,
    sent: Arc<Sent>,
    reading: Reading,
    ms: u64,
}

impl Answer {
    /// Reads what came back.
    #[must_use]
    pub fn new(endpoint: Endpoint, sent: Sent, ms: u64) -> Self {
        let reading = match &sent {
            Ok(response) => read_as_docker(endpoint, response),
            Err(error) => Reading {
                error: Some(format!("the plugin {error}")),
                ..Reading::default()
            },
        };
        Self {
            endpoint,
            sent: Arc::new(sent),
            reading,
            ms,
        }
    }

    /// The call.
    #[must_use]
    pub const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// How long the call took, in milliseconds.
    #[must_use]
    pub const fn ms(&self) -> u64 {
        self.ms
    }

    /// What dockerd understands.
    #[must_use]
    pub const fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The answer on the wire, if one came.
    #[must_use]
    pub fn response(&self) -> Option<&Response> {
        self.sent.as_ref().as_ref().ok()
    }

    /// Why no answer came.
    #[must_use]
    pub fn wire_error(&self) -> Option<&WireError> {
        self.sent.as_ref().as_ref().err()
    }

    /// Whether dockerd takes it for success.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.reading.error.is_none()
    }

    /// The failure as dockerd would report it.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.reading.error.as_deref()
    }

    /// Whether the plugin answered at all, and the answer tells of a failure. A connection that
    /// breaks or a call that hangs is no refusal.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.response().is_some() && !self.is_ok()
    }

    /// The volume of a successful Get.
    #[must_use]
    pub const fn volume(&self) -> Option<&Volume> {
        match &self.reading {
            Reading {
                error: None,
                volume: Some(volume),
                ..
            } => Some(volume),
            _ => None,
        }
    }

    /// The mountpoint of a successful Mount or Path.
    #[must_use]
    pub fn mountpoint(&self) -> &str {
        &self.reading.mountpoint
    }

    /// The names of a List, in its order; `null` entries are left out.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.reading
            .volumes
            .iter()
            .flatten()
            .map(|volume| volume.name.as_str())
            .collect()
    }

    /// The answer in a few words, for "got".
    #[must_use]
    pub fn describe(&self) -> String {
        let call = self.endpoint;
        match (self.response(), &self.reading.error) {
            (None, error) => error.clone().unwrap_or_default(),
            (Some(response), Some(_)) => {
                format!(
                    "{call} answered {} {}",
                    response.status,
                    excerpt(&response.text())
                )
            }
            (Some(response), None) => format!("{call} answered 200 {}", excerpt(&response.text())),
        }
    }

    /// Ends the case with a finding unless the call succeeded.
    ///
    /// # Errors
    /// A finding that expected `what`.
    pub fn expect_ok(&self, what: &str) -> CaseResult<&Self> {
        if self.is_ok() {
            Ok(self)
        } else {
            Err(self.unlike(what))
        }
    }

    /// Ends the case with a finding unless the plugin answered with a failure.
    ///
    /// # Errors
    /// A finding that expected `what`.
    pub fn expect_refusal(&self, what: &str) -> CaseResult<&Self> {
        if self.is_refusal() {
            Ok(self)
        } else {
            Err(self.unlike(what))
        }
    }

    /// Ends the case with a finding unless some answer came, good or bad.
    ///
    /// # Errors
    /// A finding that expected `what`.
    pub fn expect_answer(&self, what: &str) -> CaseResult<&Self> {
        if self.response().is_some() {
            Ok(self)
        } else {
            Err(self.unlike(what))
        }
    }

    /// Ends the case unless the call, a step on the way to the rule, succeeded.
    ///
    /// # Errors
    /// [`Halt::Setup`].
    pub fn step(&self, what: &str) -> CaseResult<&Self> {
        if self.is_ok() {
            Ok(self)
        } else {
            Err(Halt::setup(self, what))
        }
    }

    /// A finding that expected `what` and got this answer. If dockerd could not read the answer,
    /// the case about that explains it.
    #[must_use]
    pub fn finding(&self, what: &str) -> Finding {
        let finding = Finding::new(what, self.describe());
        match self.misread() {
            Some(case) => finding.because(case),
            None => finding,
        }
    }

    /// The case about the form of the answer, where the form alone makes it a failure.
    pub(crate) fn misread(&self) -> Option<&'static str> {
        let response = self.response()?;
        match response.status {
            200 => {}
            201..=299 => return Some("enc.exactly-200"),
            300..=399 => return Some("http.no-redirect"),
            _ => return None,
        }
        let why = self.error()?;
        let about = |part: &str| why.contains(part);
        if response.body.starts_with(b"\xef\xbb\xbf") {
            Some("enc.clean-json")
        } else if about("parsing time") || about("Go struct field CreatedAt") {
            Some("enc.created-at")
        } else if about("Go struct field Status") {
            Some("enc.status")
        } else if about("Go struct field Err") {
            Some("enc.err-type")
        } else if why == "EOF"
            || why == "unexpected EOF"
            || why.starts_with("invalid JSON:")
            || about("into Go value")
        {
            Some("enc.object")
        } else {
            None
        }
    }

    fn unlike(&self, what: &str) -> Halt {
        self.finding(what).into()
    }
}

/// One line of at most 160 characters.
pub(super) fn excerpt(text: &str) -> String {
    let line = text.trim_end().replace('\n', "⏎");
    if line.is_empty() {
        return "with an empty body".to_owned();
    }
    if line.chars().count() <= 160 {
        return line;
    }
    let start: String = line.chars().take(157).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::Answer;
    use crate::protocol::Endpoint;
    use crate::wire::Response;

    fn explained(status: u16, body: &str) -> Vec<String> {
        let response = Response {
            status,
            headers: vec![],
            body: body.into(),
        };
        let answer = Answer::new(Endpoint::Get, Ok(response), 0);
        answer.finding("it is understood").explained_by
    }

    #[test]
    fn answers_that_dockerd_cannot_read_are_explained_by_their_form() {
        let volume = |field: &str| format!("{{\"Volume\":{{\"Name\":\"v\",{field}}}}}");
        for (status, body, case) in [
            (204, String::new(), "enc.exactly-200"),
            (307, String::new(), "http.no-redirect"),
            (200, String::new(), "enc.object"),
            (200, "[]".to_owned(), "enc.object"),
            (200, "\u{feff}{}".to_owned(), "enc.clean-json"),
            (200, "{\"Err\":{}}".to_owned(), "enc.err-type"),
            (200, volume("\"CreatedAt\":\"\""), "enc.created-at"),
            (200, volume("\"CreatedAt\":5"), "enc.created-at"),
            (200, volume("\"Status\":\"ok\""), "enc.status"),
        ] {
            assert_eq!(explained(status, &body), [case], "{body}");
        }
        assert_eq!(explained(500, "{\"Err\":\"boom\"}"), Vec::<String>::new());
        assert_eq!(explained(200, "{\"Err\":\"boom\"}"), Vec::<String>::new());
    }
}
