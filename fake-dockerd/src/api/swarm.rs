//! What asks for a swarm, of which no node here is a manager.
//!
//! `docker inspect NAME` looks for services, nodes and the like too, and goes on past this answer.

use super::ask::{Ask, Version};
use super::errors::{Answer, Failure};
use crate::error::{Error, ErrorKind};

/// From this version on volumes can be updated, as far as they are the swarm's.
const UPDATES_VOLUMES: Version = Version(1, 42);

/// Anything below `/swarm`, `/nodes`, `/services`, `/tasks`, `/secrets` and `/configs`.
pub(super) fn refuse() -> Answer {
    Err(not_a_manager().into())
}

/// `PUT /volumes/{name}`: `docker volume update`, which is for cluster volumes.
pub(super) fn update_volume(ask: &Ask) -> Answer {
    if ask.version < UPDATES_VOLUMES {
        return Err(Failure::not_served(&ask.command()));
    }
    refuse()
}

/// moby's `errNoSwarm`.
pub(super) fn not_a_manager() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to \
         connect this node to swarm and try again.",
    )
}
