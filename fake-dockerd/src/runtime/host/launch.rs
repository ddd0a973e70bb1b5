//! Starting a host process with its streams.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::terminal::{Control, Terminal};
use crate::runtime::{Output, Streams};

/// How much is read at once.
const CHUNK: usize = 32 << 10;
/// How long output is waited for once the process is over: what it left running may hold a pipe
/// open. dockerd waits as long.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// The streams that a process writes to: a daemon that takes the process over has others.
#[derive(Debug, Clone)]
pub(super) struct Outlet(Arc<Mutex<Arc<Streams>>>);

impl Outlet {
    pub(super) fn new(streams: Arc<Streams>) -> Self {
        Self(Arc::new(Mutex::new(streams)))
    }

    pub(super) fn redirect(&self, streams: Arc<Streams>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = streams;
    }

    fn streams(&self) -> Arc<Streams> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A process with its streams.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) child: Child,
    /// What the size of its terminal is set with.
    pub(super) control: Option<Control>,
    terminal: Option<(Receiver, Sender)>,
    outputs: JoinSet<()>,
    input: Option<AbortHandle>,
}

/// Starts `command`; its streams flow from [`Launched::connect`] on. With a terminal, `setsid` has
/// to be what makes it the controlling one.
///
/// The process dies with the thread that starts it, so that this must not be called from one that
/// tokio keeps for blocking work.
pub(super) fn launch(mut command: Command, tty: bool, stdin: bool) -> io::Result<Launched> {
    let mut terminal = None;
    let mut control = None;
    if tty {
        let (ours, theirs) = Terminal::open()?;
        command
            .stdin(theirs.try_clone()?)
            .stdout(theirs.try_clone()?)
            .stderr(theirs);
        terminal = Some((ours.reader, ours.writer));
        control = Some(ours.control);
    } else {
        let input = if stdin { Stdio::piped() } else { Stdio::null() };
        command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C at the daemon's terminal is the daemon's business.
        command.process_group(0);
    }
    Ok(Launched {
        child: tokio::process::Command::from(command).spawn()?,
        control,
        terminal,
        outputs: JoinSet::new(),
        input: None,
    })
}

impl Launched {
    /// Lets output flow to `outlet` and, with `stdin`, what is typed there to the process.
    pub(super) fn connect(&mut self, stdin: bool, outlet: &Outlet) {
        let mut keyboard = None;
        if let Some((screen, keys)) = self.terminal.take() {
            let printing = print(screen, Output::Stdout, outlet.clone());
            self.outputs.spawn(printing);
            keyboard = Some(keys);
        }
        if let Some(stdout) = self.child.stdout.take() {
            let printing = print(stdout, Output::Stdout, outlet.clone());
            self.outputs.spawn(printing);
        }
        if let Some(stderr) = self.child.stderr.take() {
            let printing = print(stderr, Output::Stderr, outlet.clone());
            self.outputs.spawn(printing);
        }
        let typed = stdin.then(|| outlet.streams().take_input()).flatten();
        let Some(typed) = typed else {
            return;
        };
        let typing = match (keyboard, self.child.stdin.take()) {
            (Some(keyboard), _) => tokio::spawn(type_in(typed, keyboard)),
            (None, Some(stdin)) => tokio::spawn(type_in(typed, stdin)),
            (None, None) => return,
        };
        self.input = Some(typing.abort_handle());
    }

    /// What a process that was never connected said before it ended, at most `limit` bytes.
    pub(super) async fn last_words(&mut self, limit: u64) -> String {
        let mut said = Vec::new();
        if let Some(stderr) = &mut self.child.stderr {
            // What was read until an error is what there is.
            let _ = stderr.take(limit).read_to_end(&mut said).await;
        } else if let Some((screen, _)) = &mut self.terminal {
            let _ = screen.take(limit).read_to_end(&mut said).await;
        }
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// Waits for the rest of the output of a process that is over.
    pub(super) async fn drain(&mut self) {
        let rest = async { while self.outputs.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_OUTPUT, rest).await.is_err() {
            tracing::debug!("output is still open behind the end of its process");
        }
    }
}

/// Passes on what is typed, to the process's input or its terminal; at the end the input closes.
async fn type_in(mut typed: mpsc::Receiver<Bytes>, mut to: impl AsyncWrite + Unpin) {
    while let Some(bytes) = typed.recv().await {
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if let Some(input) = &self.input {
            input.abort();
        }
    }
}

async fn print(mut from: impl AsyncRead + Unpin, output: Output, outlet: Outlet) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
        outlet.streams().write(output, bytes).await;
    }
}
