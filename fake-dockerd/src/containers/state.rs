//! The state of a container, and waiting for it to change.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// What `docker ps` calls the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Never started, or not with success.
    Created,
    /// Running.
    Running,
    /// Running, and stopped for a while.
    Paused,
    /// Ended, and about to be started again.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended.
    Exited,
    /// Half removed.
    Dead,
}

impl Status {
    /// The word in the Engine API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }
}

/// The state of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerState {
    /// Whether it runs; also while it is paused or about to be started again.
    pub running: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether it is about to be started again.
    pub restarting: bool,
    /// Whether it is being removed.
    #[serde(skip)]
    pub removing: bool,
    /// Whether it is half removed.
    pub dead: bool,
    /// How it ended last, or why it was not started: 126, 127, 128.
    pub exit_code: i32,
    /// Why it was not started.
    pub error: String,
    /// When it was started last.
    pub started_at: Option<Timestamp>,
    /// When it ended last.
    pub finished_at: Option<Timestamp>,
}

impl ContainerState {
    /// The state in one word.
    #[must_use]
    pub const fn status(&self) -> Status {
        if self.running {
            return match (self.paused, self.restarting) {
                (true, _) => Status::Paused,
                (_, true) => Status::Restarting,
                _ => Status::Running,
            };
        }
        if self.removing {
            Status::Removing
        } else if self.dead {
            Status::Dead
        } else if self.started_at.is_none() {
            Status::Created
        } else {
            Status::Exited
        }
    }

    pub(super) fn set_running(&mut self) {
        *self = Self {
            running: true,
            started_at: Some(Timestamp::now()),
            finished_at: self.finished_at,
            ..Self::default()
        };
    }

    pub(super) fn set_stopped(&mut self, exit_code: i32) {
        self.running = false;
        self.paused = false;
        self.restarting = false;
        self.exit_code = exit_code;
        self.finished_at = Some(Timestamp::now());
    }

    pub(super) fn set_restarting(&mut self, exit_code: i32) {
        self.set_stopped(exit_code);
        self.running = true;
        self.restarting = true;
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// That it does not run.
    #[default]
    NotRunning,
    /// Its next end, also if it does not run yet.
    NextExit,
    /// That it is removed.
    Removed,
}

/// What a wait yields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaitResult {
    /// The exit code.
    pub exit_code: i32,
    /// Why it was not started, if that is how it ended.
    pub error: String,
}

/// What those who wait look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lifecycle {
    pub(crate) state: ContainerState,
    /// How often it ended.
    pub(crate) exits: u64,
    /// Whether it is gone.
    pub(crate) removed: bool,
}

/// Waits; the condition counts from the call on, not from the first poll. A removal ends every wait,
/// also that for a container that never ran (moby's `State.Wait`).
pub(crate) fn wait(
    mut lifecycle: watch::Receiver<Lifecycle>,
    condition: WaitCondition,
) -> impl Future<Output = WaitResult> + Send + 'static {
    let exits = lifecycle.borrow().exits;
    async move {
        let reached = lifecycle.wait_for(|now| {
            now.removed
                || match condition {
                    WaitCondition::NotRunning => !now.state.running,
                    WaitCondition::NextExit => now.exits > exits,
                    WaitCondition::Removed => false,
                }
        });
        match reached.await {
            Ok(now) => WaitResult {
                exit_code: now.state.exit_code,
                // moby's `SetRemoved` clears the error before it wakes who waits.
                error: match now.removed {
                    true => String::new(),
                    false => now.state.error.clone(),
                },
            },
            // The daemon is gone.
            Err(_) => WaitResult::default(),
        }
    }
}
