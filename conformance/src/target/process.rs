//! The plugin as a process of the runner's: started, stopped, killed and started again.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::UserCommand;
use crate::wire::{Address, Connection};

/// How much of the plugin's output is kept.
const KEPT_OUTPUT: usize = 4 << 20;

/// How long the output of a plugin that has ended is waited for.
const DRAIN: Duration = Duration::from_millis(300);

/// How a plugin is started.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The command; `{socket}`, `{work}` and `{shared}` are replaced.
    pub command: UserCommand,
    /// The socket that it is to listen on.
    pub socket: PathBuf,
    /// A directory that is the plugin's own for the run.
    pub work: PathBuf,
    /// A directory that it shares with the plugin of another host.
    pub shared: PathBuf,
    /// How long it may take until it accepts connections.
    pub start_limit: Duration,
}

/// The plugin's process.
#[derive(Debug)]
pub struct Plugin {
    launch: Launch,
    address: Address,
    child: tokio::sync::Mutex<Option<Child>>,
    output: Arc<Mutex<VecDeque<u8>>>,
    readers: Mutex<JoinSet<()>>,
    clears_socket: AtomicBool,
    /// Whether it has listened since it was started.
    came_up: AtomicBool,
}

/// How a plugin ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// It ended by itself, this way, after so long.
    Exited(ExitStatus, Duration),
    /// It was still there when the time was up, and was killed.
    Killed,
    /// It did not run.
    NotRunning,
}

impl Plugin {
    /// A plugin that is not running yet.
    #[must_use]
    pub fn new(launch: Launch, address: Address) -> Self {
        Self {
            launch,
            address,
            child: tokio::sync::Mutex::new(None),
            output: Arc::default(),
            readers: Mutex::default(),
            clears_socket: AtomicBool::new(false),
            came_up: AtomicBool::new(false),
        }
    }

    /// From now on a socket that a killed plugin left behind is removed before each start.
    ///
    /// For a plugin that cannot start otherwise: that is one finding, and no reason to say nothing
    /// of all other rules.
    pub fn clear_stale_sockets(&self) {
        self.clears_socket.store(true, Ordering::Relaxed);
    }

    /// Says where the plugin listens, once it was found there.
    pub fn listens_at(&mut self, address: Address) {
        self.address = address;
        self.came_up.store(true, Ordering::Relaxed);
    }

    /// The words of the command as they are run.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let socket = self.launch.socket.display().to_string();
        let work = self.launch.work.display().to_string();
        let shared = self.launch.shared.display().to_string();
        self.launch
            .command
            .with(&[("socket", &socket), ("work", &work), ("shared", &shared)])
    }

    /// The program's name, without its directory.
    #[must_use]
    pub fn program(&self) -> String {
        let words = self.words();
        let program = words.first().map(PathBuf::from).unwrap_or_default();
        program.file_name().map_or_else(
            || "plugin".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }

    /// The directory that is the plugin's own for the run, `{work}` of its command.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.launch.work
    }

    /// The plugin's process ID while it runs.
    pub async fn pid(&self) -> Option<u32> {
        self.child.lock().await.as_ref().and_then(Child::id)
    }

    /// Whether the process is still there.
    pub async fn is_running(&self) -> bool {
        match self.child.lock().await.as_mut() {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => false,
        }
    }

    /// Whether the process has ended after it had come up, and nobody but itself ended it.
    pub async fn has_died(&self) -> bool {
        let ended = match self.child.lock().await.as_mut() {
            Some(child) => !matches!(child.try_wait(), Ok(None)),
            None => false,
        };
        ended && self.came_up.load(Ordering::Relaxed)
    }

    /// Starts the plugin and waits until it accepts connections; how long that took.
    ///
    /// # Errors
    /// A sentence when the program cannot be run, ends, or does not listen in time.
    pub async fn start(&self) -> Result<Duration, String> {
        self.start_with_env(&[]).await
    }

    /// Starts the plugin once with more environment variables than it usually has.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with_env(&self, variables: &[(&str, &str)]) -> Result<Duration, String> {
        let begun = Instant::now();
        self.spawn_with_env(variables).await?;
        let limit = self.launch.start_limit;
        loop {
            if Connection::open(&self.address, limit).await.is_ok() {
                self.came_up.store(true, Ordering::Relaxed);
                return Ok(begun.elapsed());
            }
            if !self.is_running().await {
                self.drain().await;
                return Err(format!(
                    "the plugin ended before it listened: {}",
                    self.last_line()
                ));
            }
            if begun.elapsed() > limit {
                self.kill().await;
                return Err(format!(
                    "the plugin did not listen on {} within {} s: {}",
                    self.address,
                    limit.as_secs_f32(),
                    self.last_line()
                ));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until what a plugin that has ended printed is read, unless a helper of its goes on.
    pub async fn drain(&self) {
        let mut readers = {
            let mut slot = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *slot)
        };
        let all = async { while readers.join_next().await.is_some() {} };
        let ended = tokio::time::timeout(DRAIN, all).await.is_ok();
        if !ended {
            readers.detach_all();
        }
    }

    /// Starts the process without waiting for it to listen.
    ///
    /// # Errors
    /// A sentence when the program cannot be run.
    pub async fn spawn(&self) -> Result<(), String> {
        self.spawn_with_env(&[]).await
    }

    async fn spawn_with_env(&self, variables: &[(&str, &str)]) -> Result<(), String> {
        let words = self.words();
        let (program, arguments) = words.split_first().ok_or("--exec is empty")?;
        let mut slot = self.child.lock().await;
        self.came_up.store(false, Ordering::Relaxed);
        if self.clears_socket.load(Ordering::Relaxed) {
            // If there is none, all the better.
            let _ = std::fs::remove_file(&self.launch.socket);
        }
        let mut child = Command::new(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C is for the runner, and helpers can be ended with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("`{program}` could not be started: {error}"))?;
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stream) = child.stdout.take() {
            readers.spawn(keep(stream, Arc::clone(&self.output)));
        }
        if let Some(stream) = child.stderr.take() {
            readers.spawn(keep(stream, Arc::clone(&self.output)));
        }
        *slot = Some(child);
        Ok(())
    }

    /// Kills the plugin as `kill -9` does: its helpers, such as FUSE daemons, stay.
    pub async fn kill(&self) {
        if let Some(mut child) = self.child.lock().await.take() {
            // It may have ended by itself meanwhile: both are fine.
            let _ = child.start_kill();
            let _ = child.wait().await;
        }
    }

    /// Asks the plugin to end and waits up to `limit`.
    pub async fn terminate(&self, limit: Duration) -> Stopped {
        let begun = Instant::now();
        let Some(mut child) = self.child.lock().await.take() else {
            return Stopped::NotRunning;
        };
        if let Some(pid) = pid_of(&child) {
            let _ = kill(pid, Signal::SIGTERM);
        }
        match tokio::time::timeout(limit, child.wait()).await {
            Ok(Ok(status)) => Stopped::Exited(status, begun.elapsed()),
            Ok(Err(_)) => Stopped::NotRunning,
            Err(_) => {
                let _ = child.start_kill();
                let _ = child.wait().await;
                Stopped::Killed
            }
        }
    }

    /// Kills and starts again.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&self) -> Result<Duration, String> {
        self.kill().await;
        self.start().await
    }

    /// Ends the plugin and everything it started in its process group.
    pub async fn end_group(&self) {
        let pid = self.child.lock().await.as_ref().and_then(pid_of);
        self.terminate(Duration::from_secs(5)).await;
        if let Some(pid) = pid {
            // Nobody left in the group is what should be.
            let _ = killpg(pid, Signal::SIGKILL);
        }
    }

    /// What the plugin printed so far, at most the last 4 MiB.
    #[must_use]
    pub fn output(&self) -> Vec<u8> {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.iter().copied().collect()
    }

    /// The last line that the plugin printed, for an error message.
    #[must_use]
    pub fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.output()).into_owned();
        match text.trim_end().lines().last() {
            Some(line) => format!("its last line was: {line}"),
            None => "it printed nothing".to_owned(),
        }
    }
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status, after) => match (status.code(), status.signal()) {
                (Some(code), _) => {
                    write!(f, "ended with status {code} after {} ms", after.as_millis())
                }
                (None, Some(signal)) => {
                    write!(f, "died of signal {signal} after {} ms", after.as_millis())
                }
                (None, None) => write!(f, "ended after {} ms", after.as_millis()),
            },
            Self::Killed => f.write_str("was still running and had to be killed"),
            Self::NotRunning => f.write_str("was not running"),
        }
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .map(Pid::from_raw)
}

/// Keeps the end of what a stream brings.
async fn keep(mut stream: impl AsyncRead + Unpin, output: Arc<Mutex<VecDeque<u8>>>) {
    let mut piece = vec![0; 8192];
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        output.extend(piece.iter().take(length));
        let over = output.len().saturating_sub(KEPT_OUTPUT);
        output.drain(..over);
    }
}
