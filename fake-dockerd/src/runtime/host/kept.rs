//! What is needed to find a sandbox again that outlives the engine.
//!
//! It stands in the container's directory: a record of who the sandbox is, bubblewrap's status, and
//! two FIFOs that its output goes through.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use tokio::net::unix::pipe::{OpenOptions, Receiver};

use super::tree;
use crate::runtime::Output;

/// A sandbox that an engine after this one can find.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The process that waits for the sandbox to end.
    monitor: u32,
    /// When that began: its number may be another's by now.
    begun: u64,
    pub(super) room: Room,
}

/// What commands beside a container's process have of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Room {
    pub(super) env: Vec<String>,
    pub(super) user: String,
    pub(super) working_dir: String,
    pub(super) hostname: String,
    pub(super) has_network: bool,
}

impl Kept {
    /// Writes down a sandbox that was just started.
    pub(super) fn save(directory: &Path, monitor: u32, room: &Room) -> io::Result<()> {
        let begun = tree::begun(monitor).ok_or(io::ErrorKind::NotFound)?;
        let kept = Self {
            monitor,
            begun,
            room: room.clone(),
        };
        fs::write(record(directory), serde_json::to_vec(&kept)?)
    }

    pub(super) fn load(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(record(directory)).ok()?).ok()
    }

    /// The process that waits, if it still does.
    pub(super) fn monitor(&self) -> Option<OwnedFd> {
        let handle = handle(self.monitor)?;
        // Looked at behind the opening: from there on the number stays its own.
        let is_same = tree::begun(self.monitor) == Some(self.begun);
        // One that is over and that nobody has taken note of has no program any more.
        let runs = fs::read_link(format!("/proc/{}/exe", self.monitor)).is_ok();
        (is_same && runs).then_some(handle)
    }
}

/// Makes room for a sandbox, in place of one before.
pub(super) fn begin(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    forget(directory)
}

/// Forgets a sandbox.
pub(super) fn forget(directory: &Path) -> io::Result<()> {
    match fs::remove_file(record(directory)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn record(directory: &Path) -> PathBuf {
    directory.join("sandbox.json")
}

/// Where bubblewrap's status is.
pub(super) fn status(directory: &Path) -> PathBuf {
    directory.join("sandbox.status")
}

fn fifo(directory: &Path, output: Output) -> PathBuf {
    directory.join(match output {
        Output::Stdout => "stdout",
        Output::Stderr => "stderr",
    })
}

/// A FIFO for an output: the engine's end, and the process's. The latter could be read from as
/// well, and so a process that writes while no engine is there is not ended by that: it is held up
/// once the FIFO is full, as in dockerd.
pub(super) fn make_fifo(directory: &Path, output: Output) -> io::Result<(Receiver, OwnedFd)> {
    let path = fifo(directory, output);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let writer = fs::File::options().read(true).write(true).open(&path)?;
    Ok((open_fifo(directory, output)?, writer.into()))
}

/// The engine's end of a FIFO.
pub(super) fn open_fifo(directory: &Path, output: Output) -> io::Result<Receiver> {
    OpenOptions::new().open_receiver(fifo(directory, output))
}

/// What stands for a process, and never for another that is given its number.
pub(super) fn handle(pid: u32) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::NONBLOCK).ok()
}
