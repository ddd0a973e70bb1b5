//! What bubblewrap tells of a sandbox.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::MemfdFlags;
use serde::Deserialize;
use tokio::process::Child;

/// How often a sandbox is looked at while it becomes the command.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// How often at most: whatever it is then, it runs.
const LOOKS: usize = 2000;
/// More than bubblewrap ever tells, in bytes.
const LONGEST: usize = 4096;

/// A file that bubblewrap appends to: a JSON object when the sandbox is begun, one with the exit
/// code when its command is over. Unlike a pipe it is there when nobody reads.
#[derive(Debug)]
pub(super) struct Status(File);

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Line {
    child_pid: Option<u32>,
    exit_code: Option<i32>,
}

impl Status {
    /// A status in memory.
    pub(super) fn in_memory() -> io::Result<Self> {
        let file = rustix::fs::memfd_create("status", MemfdFlags::CLOEXEC)?;
        Ok(Self(file.into()))
    }

    /// A status that outlives the engine.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        options.open(path).map(Self)
    }

    /// The status of a sandbox that another engine made.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// What bubblewrap writes to.
    pub(super) fn end(&self) -> io::Result<OwnedFd> {
        self.0.try_clone().map(Into::into)
    }

    /// What was told so far.
    fn told(&self) -> Line {
        let mut text = vec![0; LONGEST];
        let length = self.0.read_at(&mut text, 0).unwrap_or(0);
        text.truncate(length);
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let mut told = Line::default();
        for line in lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok()) {
            told.child_pid = told.child_pid.or(line.child_pid);
            told.exit_code = told.exit_code.or(line.exit_code);
        }
        told
    }

    /// The process ID of the command.
    pub(super) fn pid(&self) -> Option<u32> {
        self.told().child_pid
    }

    /// The exit code of the command, at its end.
    pub(super) fn exit_code(&self) -> Option<i32> {
        self.told().exit_code
    }

    /// Waits until the sandbox has become its command; the process ID. Nothing if it never did.
    pub(super) async fn begin(&self, bwrap: &mut Child, program: &Path) -> Option<u32> {
        let mut looks = 0;
        loop {
            // In this order: what was told at the end is there at the end.
            let over = bwrap.try_wait().is_ok_and(|status| status.is_some());
            let told = self.told();
            if over {
                // An exit code is told only of a command that was run.
                return told.exit_code.and(told.child_pid);
            }
            if let Some(pid) = told.child_pid {
                let now = std::fs::read_link(PathBuf::from(format!("/proc/{pid}/exe")));
                looks += 1;
                let is_command = now.is_ok_and(|now| now != program);
                if is_command || told.exit_code.is_some() || looks > LOOKS {
                    return Some(pid);
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
