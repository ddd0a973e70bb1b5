//! Standard input and output of a process, and who is attached to them.
//!
//! Follows moby's `container/stream`: output goes to the log and to every client that is attached;
//! a client that does not read holds the process up, as a full pipe would.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::containers::log::ContainerLog;

/// How many chunks a client may be behind before the process is held up.
const BEHIND: usize = 16;

/// One of the two outputs of a process. A terminal has the first one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Something that a process wrote.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Where to.
    pub output: Output,
    /// What.
    pub bytes: Bytes,
}

/// The streams of a container or of a command beside it, across restarts of its process.
#[derive(Debug, Default)]
pub struct Streams {
    clients: Mutex<Vec<Client>>,
    input: Mutex<Input>,
    log: Option<Arc<ContainerLog>>,
}

#[derive(Debug)]
struct Client {
    stdout: bool,
    stderr: bool,
    sender: mpsc::Sender<Chunk>,
}

/// What is typed, also before there is a process that reads it.
#[derive(Debug)]
struct Input {
    sender: Option<mpsc::Sender<Bytes>>,
    receiver: Option<mpsc::Receiver<Bytes>>,
}

impl Default for Input {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(BEHIND);
        Self {
            sender: Some(sender),
            receiver: Some(receiver),
        }
    }
}

impl Streams {
    /// Streams that are logged.
    pub(crate) fn logged(log: Arc<ContainerLog>) -> Self {
        Self {
            log: Some(log),
            ..Self::default()
        }
    }

    /// Takes what the process wrote; waits for clients that are too far behind.
    pub async fn write(&self, output: Output, bytes: Bytes) {
        if let Some(log) = &self.log {
            log.write(output, &bytes);
        }
        let wanting: Vec<_> = {
            let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            let wanting = clients.iter().filter(|client| client.wants(output));
            wanting.map(|client| client.sender.clone()).collect()
        };
        let mut is_gone = false;
        for client in wanting {
            let bytes = bytes.clone();
            is_gone |= client.send(Chunk { output, bytes }).await.is_err();
        }
        if is_gone {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.retain(|client| !client.sender.is_closed());
        }
    }

    /// What is typed for a process that was just started; it ends where its input is closed.
    pub fn take_input(&self) -> Option<mpsc::Receiver<Bytes>> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        input.receiver.take()
    }

    /// Attaches a client to what is written from now on.
    pub(crate) fn attach(&self, stdout: bool, stderr: bool) -> mpsc::Receiver<Chunk> {
        let (sender, receiver) = mpsc::channel(BEHIND);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.push(Client {
            stdout,
            stderr,
            sender,
        });
        receiver
    }

    /// Whether anybody is attached.
    pub(crate) fn is_attached(&self) -> bool {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.iter().any(|client| !client.sender.is_closed())
    }

    /// Where a client types to; nothing if the input was closed.
    pub(crate) fn input(&self) -> Option<mpsc::Sender<Bytes>> {
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        input.sender.clone()
    }

    /// Closes the input once whoever types has let go of it.
    pub(crate) fn close_input(&self) {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        input.sender = None;
    }

    /// A process is about to write.
    pub(crate) fn begin(&self) {
        if let Some(log) = &self.log {
            log.begin();
        }
    }

    /// The process is over: clients are told so, and the next one gets an input of its own.
    pub(crate) fn end(&self) {
        if let Some(log) = &self.log {
            log.end();
        }
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.clear();
        drop(clients);
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        *input = Input::default();
    }
}

impl Client {
    const fn wants(&self, output: Output) -> bool {
        match output {
            Output::Stdout => self.stdout,
            Output::Stderr => self.stderr,
        }
    }
}
