//! Every call to a plugin as data: what was sent, byte for byte, what came back, and which Docker
//! command was the cause.
//!
//! The command is carried by the task that serves it ([`attribute`]) and inherited by tasks that
//! the engine starts on its behalf, so that the Unmount at a container's end still belongs to the
//! command that started the container.

use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// One HTTP exchange with a plugin. A retry or a followed redirect is an exchange of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginCall {
    /// Counts the exchanges in the order in which they began, from 1.
    pub seq: u64,
    /// How long it took, in milliseconds of real time.
    pub ms: u64,
    /// The plugin's name.
    pub plugin: String,
    /// The command that caused it; empty where nobody asked (the daemon's start, for one).
    pub command: String,
    /// The HTTP method: `POST`, or `GET` behind a redirect.
    pub method: String,
    /// The path.
    pub path: String,
    /// The request's headers, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The request's body, as sent.
    pub request: String,
    /// The answer's status; none if there was no answer.
    pub status: Option<u16>,
    /// The answer's headers, in the order received.
    pub response_headers: Vec<(String, String)>,
    /// The answer's body, as far as it was read.
    pub response: String,
    /// What went wrong with the exchange itself, as Go words it.
    pub error: Option<String>,
}

tokio::task_local! {
    static COMMAND: Arc<str>;
}

/// Runs `future` as the work of `command`: plugin calls inside are recorded as caused by it.
pub async fn attribute<F: Future>(command: impl Into<Arc<str>>, future: F) -> F::Output {
    COMMAND.scope(command.into(), future).await
}

/// The command that the current task works for; empty if there is none.
#[must_use]
pub fn command() -> Arc<str> {
    COMMAND.try_with(Arc::clone).unwrap_or_else(|_| "".into())
}

/// Starts a task that goes on working for the current command.
pub(crate) fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(COMMAND.scope(command(), future))
}

/// Where exchanges are told: subscribers and a file of JSON lines.
#[derive(Debug, Default)]
pub(crate) struct Tracer {
    last: AtomicU64,
    subscribers: Mutex<Vec<UnboundedSender<Arc<PluginCall>>>>,
    file: Option<Mutex<File>>,
}

impl Tracer {
    /// A tracer that also appends to `file` and tells `listener`.
    pub(crate) fn new(
        file: Option<&Path>,
        listener: Option<UnboundedSender<Arc<PluginCall>>>,
    ) -> io::Result<Self> {
        let file = match file {
            Some(path) => Some(Mutex::new(
                OpenOptions::new().create(true).append(true).open(path)?,
            )),
            None => None,
        };
        Ok(Self {
            file,
            subscribers: Mutex::new(listener.into_iter().collect()),
            ..Self::default()
        })
    }

    /// Every exchange from now on.
    pub(crate) fn subscribe(&self) -> UnboundedReceiver<Arc<PluginCall>> {
        let (sender, receiver) = unbounded_channel();
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sender);
        receiver
    }

    /// Begins to record an exchange. It is told when the [`Recording`] is dropped.
    pub(crate) fn begin(self: &Arc<Self>, plugin: &str) -> Recording {
        Recording {
            tracer: Arc::clone(self),
            begun: Instant::now(),
            call: PluginCall {
                seq: self.last.fetch_add(1, Ordering::Relaxed) + 1,
                plugin: plugin.to_owned(),
                command: command().to_string(),
                error: Some("given up by the engine".to_owned()),
                ..PluginCall::default()
            },
        }
    }

    /// Whether anybody listens.
    fn is_heard(&self) -> bool {
        let subscribers = self.subscribers.lock();
        let subscribers = subscribers.unwrap_or_else(PoisonError::into_inner);
        self.file.is_some() || !subscribers.is_empty()
    }

    fn tell(&self, call: PluginCall) {
        if let Some(file) = &self.file
            && let Ok(mut line) = serde_json::to_vec(&call)
        {
            line.push(b'\n');
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // One write per line: lines stay whole even if several engines share the file.
            if let Err(error) = file.write_all(&line) {
                tracing::warn!(%error, "the trace cannot be written");
            }
        }
        let call = Arc::new(call);
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|subscriber| subscriber.send(Arc::clone(&call)).is_ok());
    }
}

/// An exchange under way. Dropping it tells what is known, also where the engine gives up in
/// the middle (a crash, for one).
#[derive(Debug)]
pub(crate) struct Recording {
    tracer: Arc<Tracer>,
    begun: Instant,
    pub(crate) call: PluginCall,
}

impl Recording {
    /// Keeps the body of the answer, which may be long, if anybody listens.
    pub(crate) fn answered(&mut self, body: &[u8]) {
        if self.tracer.is_heard() {
            self.call.response = String::from_utf8_lossy(body).into_owned();
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.call.ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.tracer.tell(std::mem::take(&mut self.call));
    }
}
