//! Calls that a Docker engine in this process made, taken into the case's memory.

use fake_dockerd::PluginCall;
use serde_json::Value;

use super::Cx;
use crate::protocol::Endpoint;
use crate::suite::{Answer, CaseResult, Exchange};
use crate::wire::{Request, Response, Sent, WireError};

/// One call of an engine's, understood.
#[derive(Debug, Clone)]
pub struct EngineCall {
    /// What was called.
    pub endpoint: Endpoint,
    /// The volume; empty where the call names none.
    pub name: String,
    /// The mount ID; empty where the call has none.
    pub id: String,
    /// What came back, as dockerd reads it.
    pub answer: Answer,
}

/// How the engine words that it ended in the middle of a call.
const GIVEN_UP: &str = "given up by the engine";

/// How Go words a time limit.
const TIMED_OUT: [&str; 2] = ["context deadline exceeded", "Timeout"];

impl Cx {
    /// Ends the case where a call that every engine makes is known to go unanswered.
    ///
    /// # Errors
    /// [`Halt::Skip`](crate::suite::Halt::Skip).
    pub fn engine_usable(&self) -> CaseResult {
        Endpoint::ALL
            .into_iter()
            // No engine ever sends Path.
            .filter(|endpoint| *endpoint != Endpoint::Path)
            .try_for_each(|endpoint| self.usable(endpoint))
    }

    /// Keeps a call that the engine made: in the transcript, and among what has to be taken back.
    /// `None` for one that is no call of the protocol, or that the engine did not see the end of.
    pub fn keep_engine_call(&self, call: &PluginCall) -> Option<EngineCall> {
        let request = Request {
            method: call.method.clone(),
            path: call.path.clone(),
            headers: call.headers.clone(),
            body: call.request.clone().into_bytes(),
        };
        let sent = self.outcome(call);
        let mut exchange = Exchange::record(&request, &sent, call.ms, &self.target.secrets());
        let Some(endpoint) = Endpoint::from_path(&call.path) else {
            self.ledger.exchange(exchange);
            return None;
        };
        if sent.is_ok() {
            self.waited(endpoint, call.ms);
        }
        let answer = Answer::new(endpoint, sent, call.ms);
        exchange.failed = !answer.is_ok();
        self.ledger.exchange(exchange);
        let body: Value = serde_json::from_str(&call.request).unwrap_or_default();
        let field = |name| {
            let text = body.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let call = EngineCall {
            endpoint,
            name: field("Name"),
            id: field("ID"),
            answer,
        };
        self.remember(&call);
        Some(call)
    }

    /// Tells the runner that a call of the engine's went unanswered.
    pub fn engine_worry(&self, call: &EngineCall) {
        if let Some(error) = call.answer.wire_error() {
            self.worry(call.endpoint, error);
        }
    }

    fn outcome(&self, call: &PluginCall) -> Sent {
        match (call.status, &call.error) {
            (Some(status), None) => Ok(Response {
                status,
                headers: call.response_headers.clone(),
                body: call.response.clone().into_bytes(),
            }),
            (_, Some(text)) if text == GIVEN_UP => Err(WireError::Timeout(self.limit)),
            (_, Some(text)) if TIMED_OUT.iter().any(|word| text.contains(word)) => {
                Err(WireError::Timeout(self.limit))
            }
            (_, Some(text)) => Err(WireError::Io(std::io::Error::other(text.clone()))),
            (None, None) => Err(WireError::Closed),
        }
    }

    fn remember(&self, call: &EngineCall) {
        // A retry has an empty body: it names nothing.
        if call.name.is_empty() {
            return;
        }
        let done = call.answer.is_ok();
        // What went unanswered may have been carried out.
        let maybe = done || call.answer.wire_error().is_some();
        match call.endpoint {
            Endpoint::Create => self.ledger.created(&call.name),
            Endpoint::Mount if maybe => self.ledger.mounted(&call.name, &call.id),
            Endpoint::Unmount if done => self.ledger.unmounted_on(self.host, &call.name, &call.id),
            Endpoint::Remove if done => self.ledger.removed(&call.name),
            _ => {}
        }
    }
}
