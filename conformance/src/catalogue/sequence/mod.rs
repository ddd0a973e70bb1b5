//! Sequences: what users of containers do, run through a Docker engine in this process.
//!
//! The other sections judge call by call. Here an engine decides which calls there are, with its own
//! IDs, orders and retries, and the verdict is on what its user would suffer: the container's data at
//! its path as long as it runs, mounts that are held and released, a volume that can be removed in the
//! end. The docker commands of a case are what is run ([`play`]); [`engine`] has the engine, [`inside`]
//! its containers, [`look`] the eyes of the user. Podman, which is another engine, is in [`clients`].
//!
//! All run alone: each starts a daemon, and an Activate concerns all volumes of a plugin.

mod clients;
mod copying;
mod daemon;
mod engine;
mod failing;
mod files;
mod host;
mod inside;
mod look;
mod moves;
mod play;
mod player;
mod plugin;
mod random;
mod running;
mod script;
mod sharing;
mod volumes;

pub(super) use play::play;
pub(crate) use random::ID as RANDOM_COMMANDS;
pub(crate) use script::unclear as unclear_command;

use crate::suite::{Case, Mode};

pub(super) const CASES: &[Case] = &[
    volumes::FIRST_USE,
    volumes::CREATE_AGAIN,
    volumes::PRUNE,
    volumes::ANONYMOUS,
    volumes::DELETED_BEHIND,
    running::RUN,
    running::POPULATE,
    running::STOP_START,
    running::REMOVE_FORCE,
    running::TWO_PATHS,
    running::TWO_VOLUMES,
    running::READ_ONLY,
    running::SUBPATH,
    running::RESTART_POLICY,
    sharing::TWO_CONTAINERS,
    sharing::VOLUMES_FROM,
    sharing::IN_USE,
    copying::OUT_OF_RUNNING,
    copying::INTO_RUNNING,
    copying::STOPPED,
    copying::TWO_PATHS,
    failing::BAD_COMMAND,
    failing::MOUNT_AMONG_SEVERAL,
    failing::UNMOUNT,
    daemon::RESTART,
    daemon::CRASH,
    daemon::CRASH_RESTART_ALWAYS,
    daemon::CRASH_CP,
    daemon::LIVE_RESTORE,
    daemon::LIVE_RESTORE_CP,
    plugin::RESTART_IDLE,
    plugin::RESTART_IN_USE,
    plugin::RESTART_BOTH,
    random::RANDOM,
    clients::COMPOSE,
    clients::PODMAN,
];

/// A sequence of docker commands.
const SEQUENCE: Case = Case {
    mode: Mode::Alone,
    run: |cx| Box::pin(play(cx)),
    ..Case::BLANK
};

/// Whether a case is made of docker commands.
#[cfg(test)]
fn is_script(case: &Case) -> bool {
    case.docker.iter().any(|line| line.starts_with("docker "))
}
