//! Reference counting: a volume is mounted exactly while somebody holds it.
//!
//! dockerd counts nothing itself. It sends Mount and Unmount for each container, `docker cp` and
//! each of its own restarts, and trusts the plugin to keep the volume until the last Unmount. The
//! `ref.sequence-…` cases replay what recorded engines sent, call by call, and look at the volume
//! after each Mount and Unmount: [`containers`] what containers do, [`crash`] what a daemon that
//! died does. [`counting`] holds the rules themselves.

mod containers;
mod counting;
mod crash;

use super::observed::Observed;
use super::volume_steps::{daemon_starts, known};
use crate::suite::{Case, CaseResult, Cx};

pub(super) const CASES: &[Case] = &[
    counting::BALANCED,
    counting::SAME_ID_TWICE,
    counting::SAME_VOLUME_TWICE,
    counting::FAILED_NOT_COUNTED,
    counting::FLOOR,
    crash::AFTER_DAEMON_CRASH,
    crash::LEAK_NOT_YANK,
    crash::LIVE_RESTORE,
    crash::REBOOT,
    containers::RUN_POPULATED,
    containers::STOP_START,
    containers::SECOND_CONTAINER,
    containers::TWO_TARGETS,
    containers::BAD_COMMAND,
    containers::CP_OUT_OF,
    containers::CP_INTO,
    containers::CP_TWO_TARGETS,
    containers::UNMOUNT_FAILS_THEN_START,
    crash::DAEMON_CRASH,
    crash::DAEMON_CRASH_RESTART_POLICY,
    crash::LIVE_RESTORE_CP,
];

/// What an engine was recorded doing.
const RECORDED: &str = "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, call by call";

/// One call of a sequence. Letters stand for mount IDs: the same letter is the same ID.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Get, as dockerd sends it before everything.
    Get,
    /// Mount with an ID.
    Mount(char),
    /// Unmount with an ID.
    Unmount(char),
    /// The daemon died and was started again: Activate, Capabilities, Get.
    Daemon,
}

/// Replays a sequence on a new volume, and looks at the volume after each Mount and Unmount.
async fn replay(cx: &mut Cx, steps: &[Step]) -> CaseResult<Observed> {
    let mut volume = Observed::volume(cx).await?;
    if steps.iter().any(|step| matches!(step, Step::Daemon)) {
        // The daemon that will crash had a start of its own.
        cx.activate().await?;
        cx.capabilities().await?;
    }
    let mut ids: Vec<(char, String)> = Vec::new();
    for step in steps {
        let id = match step {
            Step::Mount(letter) | Step::Unmount(letter) => {
                let known = ids.iter().find(|(known, _)| known == letter);
                known.map_or_else(|| cx.id(), |(_, id)| id.clone())
            }
            Step::Get | Step::Daemon => String::new(),
        };
        match step {
            Step::Get => {
                known(cx, &volume.name).await?;
            }
            Step::Daemon => {
                daemon_starts(cx, &volume.name).await?;
                volume.remember("(dockerd crashed)");
                volume.check(cx).await?;
            }
            Step::Mount(letter) => {
                if ids.is_empty() {
                    volume.hold(cx, &id).await?;
                } else {
                    volume.mount(cx, &id).await?;
                }
                if !ids.iter().any(|(known, _)| known == letter) {
                    ids.push((*letter, id));
                }
                volume.check(cx).await?;
                volume.write(cx).await?;
            }
            Step::Unmount(_) => {
                volume.unmount(cx, &id).await?;
                volume.check(cx).await?;
            }
        }
    }
    Ok(volume)
}

/// Replays a sequence that ends with the volume unused, and removes it.
async fn replay_to_end(cx: &mut Cx, steps: &[Step]) -> CaseResult {
    replay(cx, steps).await?.finish(cx).await
}
