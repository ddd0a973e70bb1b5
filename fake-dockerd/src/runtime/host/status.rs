//! What bubblewrap tells of a sandbox.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::unix::pipe::Receiver;

/// How often a sandbox is looked at while it becomes the command.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// How often at most: whatever it is then, it runs.
const LOOKS: usize = 2000;
/// A JSON object when it is begun, one when it is over.
pub(super) struct Status(Lines<BufReader<Receiver>>);

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Line {
    child_pid: Option<u32>,
    exit_code: Option<i32>,
}

/// A sandbox that has become its command.
pub(super) struct Begun {
    pub(super) pid: u32,
    /// Known already if it was over at once.
    pub(super) exit_code: Option<i32>,
}

impl Status {
    pub(super) fn new(pipe: Receiver) -> Self {
        Self(BufReader::new(pipe).lines())
    }

    async fn next(&mut self) -> Option<Line> {
        let line = self.0.next_line().await.ok()??;
        serde_json::from_str(&line).ok()
    }

    /// Waits until the sandbox has become its command; nothing if it never did.
    pub(super) async fn begin(&mut self, bwrap: &Path) -> Option<Begun> {
        let pid = self.next().await?.child_pid?;
        let program = PathBuf::from(format!("/proc/{pid}/exe"));
        for _ in 0..LOOKS {
            let now = std::fs::read_link(&program);
            if now.is_ok_and(|program| program != bwrap) {
                break;
            }
            // An exit code is told only of a command that was run.
            if let Ok(line) = tokio::time::timeout(LOOK_AGAIN, self.next()).await {
                let exit_code = line?.exit_code;
                return Some(Begun { pid, exit_code });
            }
        }
        Some(Begun {
            pid,
            exit_code: None,
        })
    }

    /// The exit code of the command, at its end.
    pub(super) async fn exit_code(&mut self) -> Option<i32> {
        self.next().await?.exit_code
    }
}
