//! Starting a host process with its streams.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::kept;
use super::terminal::{Control, Terminal};
use crate::runtime::{Output, Streams};

/// How much is read at once.
const CHUNK: usize = 32 << 10;
/// How long output is waited for once the process is over: what it left running may hold a pipe
/// open. dockerd waits as long.
const LAST_OUTPUT: Duration = Duration::from_secs(2);

/// The streams that a process writes to: a daemon that takes the process over has others, and at
/// first none.
#[derive(Debug, Clone, Default)]
pub(super) struct Outlet(Arc<watch::Sender<Option<Arc<Streams>>>>);

impl Outlet {
    pub(super) fn new(streams: Arc<Streams>) -> Self {
        Self(Arc::new(watch::Sender::new(Some(streams))))
    }

    pub(super) fn redirect(&self, streams: Arc<Streams>) {
        self.0.send_replace(Some(streams));
    }

    /// Waits until there are some.
    async fn streams(&self) -> Arc<Streams> {
        let mut streams = self.0.subscribe();
        let there = streams.wait_for(Option::is_some).await;
        there
            .ok()
            .and_then(|there| there.clone())
            .unwrap_or_default()
    }
}

/// The outputs of a process, on their way to its streams.
#[derive(Debug, Default)]
pub(super) struct Outputs(JoinSet<()>);

impl Outputs {
    /// Passes on what comes from `from`.
    pub(super) fn pass(&mut self, from: Receiver, output: Output, outlet: &Outlet) {
        self.0.spawn(print(from, output, outlet.clone()));
    }

    /// Waits for the rest of the output of a process that is over.
    pub(super) async fn drain(&mut self) {
        let rest = async { while self.0.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_OUTPUT, rest).await.is_err() {
            tracing::debug!("output is still open behind the end of its process");
        }
    }
}

/// A process with its streams.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) child: Child,
    /// What the size of its terminal is set with.
    pub(super) control: Option<Control>,
    /// What it prints to a terminal stands for both of its outputs.
    readers: Vec<(Output, Receiver)>,
    keyboard: Option<Sender>,
    outputs: Outputs,
    input: Option<AbortHandle>,
}

/// Starts `command`; its streams flow from [`Launched::connect`] on. With a terminal, `setsid` has
/// to be what makes it the controlling one.
///
/// The process dies with the thread that starts it, so that this must not be called from one that
/// tokio keeps for blocking work.
/// With `survival` its output goes through FIFOs of that directory, which a daemon after this one
/// finds again.
pub(super) fn launch(
    mut command: Command,
    tty: bool,
    stdin: bool,
    survival: Option<&Path>,
) -> io::Result<Launched> {
    let mut readers = Vec::new();
    let mut keyboard = None;
    let mut control = None;
    if tty {
        let (ours, theirs) = Terminal::open()?;
        command
            .stdin(theirs.try_clone()?)
            .stdout(theirs.try_clone()?)
            .stderr(theirs);
        readers.push((Output::Stdout, ours.reader));
        keyboard = Some(ours.writer);
        control = Some(ours.control);
    } else {
        let open = |output| match survival {
            Some(directory) => kept::make_fifo(directory, output),
            None => pipe(),
        };
        let (stdout, stdout_end) = open(Output::Stdout)?;
        let (stderr, stderr_end) = open(Output::Stderr)?;
        let input = if stdin { Stdio::piped() } else { Stdio::null() };
        command.stdin(input).stdout(stdout_end).stderr(stderr_end);
        readers.extend([(Output::Stdout, stdout), (Output::Stderr, stderr)]);
    }
    Ok(Launched {
        child: tokio::process::Command::from(command).spawn()?,
        control,
        readers,
        keyboard,
        outputs: Outputs::default(),
        input: None,
    })
}

/// The engine's end, and the process's.
fn pipe() -> io::Result<(Receiver, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((Receiver::from_owned_fd(reader.into())?, writer.into()))
}

impl Launched {
    /// Lets output flow to `outlet` and, with `stdin`, what is typed there to the process.
    pub(super) fn connect(&mut self, stdin: bool, streams: &Streams, outlet: &Outlet) {
        for (output, reader) in self.readers.drain(..) {
            self.outputs.pass(reader, output, outlet);
        }
        let Some(typed) = stdin.then(|| streams.take_input()).flatten() else {
            return;
        };
        let typing = match (self.keyboard.take(), self.child.stdin.take()) {
            (Some(keyboard), _) => tokio::spawn(type_in(typed, keyboard)),
            (None, Some(stdin)) => tokio::spawn(type_in(typed, stdin)),
            (None, None) => return,
        };
        self.input = Some(typing.abort_handle());
    }

    /// What a process that was never connected said before it ended, at most `limit` bytes.
    pub(super) async fn last_words(&mut self, limit: u64) -> String {
        let mut said = Vec::new();
        if let Some((_, reader)) = self.readers.last_mut() {
            // What was read until an error is what there is.
            let _ = reader.take(limit).read_to_end(&mut said).await;
        }
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// Waits for the end of the process and the rest of its output.
    pub(super) async fn end(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.outputs.drain().await;
        status
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

async fn print(mut from: Receiver, output: Output, outlet: Outlet) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
        outlet.streams().await.write(output, bytes).await;
    }
}
