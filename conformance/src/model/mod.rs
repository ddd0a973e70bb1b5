//! The reference model of a volume plugin.
//!
//! A small state machine: which volumes there are, with which options, who holds them, and what may
//! be replied to a call in each state. It is written from the requirements (docs.docker.com,
//! `engine/extend/plugins_volume`, and what recorded engines did with the answers) and from nothing
//! else. [`Model::step`] is pure, and a [`Model`] can be cloned, compared and hashed, so that the
//! same model judges one call after the other, and histories of many clients.
//!
//! Where Docker's documentation leaves a reply to the plugin, either is legal, the first one is
//! learnt ([`Habits`]), and from then on the other one is a violation. Where a reply never came,
//! the plugin may be in one of several states: that is what [`Possible`] is for.

mod call;
mod changes;
mod habits;
mod looks;
mod possible;
mod violation;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

pub use call::{Call, Id, Name, Reply, Shown};
pub use habits::{Habits, Question};
pub use possible::Possible;
pub use violation::{Invariant, Violation};
pub use volume::Volume;

/// What a plugin has to know, and what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Model {
    volumes: BTreeMap<Name, Volume>,
    /// Names that were looked for or removed, and are no volumes.
    absent: BTreeSet<Name>,
    /// Names of no volumes that an Unmount came for.
    overdrawn: BTreeSet<Name>,
    habits: Habits,
    /// Whether the plugin was started again since the beginning.
    restarted: bool,
}

impl Model {
    /// A plugin without volumes that does, where it may choose, what `habits` says.
    #[must_use]
    pub fn new(habits: Habits) -> Self {
        Self {
            habits,
            ..Self::default()
        }
    }

    /// What was learnt about the plugin.
    #[must_use]
    pub const fn habits(&self) -> &Habits {
        &self.habits
    }

    /// The volumes.
    pub fn volumes(&self) -> impl Iterator<Item = (&Name, &Volume)> {
        self.volumes.iter()
    }

    /// The volume called `name`, if there is one.
    #[must_use]
    pub fn volume(&self, name: &str) -> Option<&Volume> {
        self.volumes.get(name)
    }

    /// The plugin was stopped or killed and started again: everything acknowledged is still due.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.restarted = true;
        for volume in self.volumes.values_mut() {
            volume.older = true;
        }
        self
    }

    /// What is broken where a hold of the volume `name` turns out to be lost: how it was lost can
    /// be told from what was called before.
    #[must_use]
    pub fn lost_hold(&self, name: &str) -> Invariant {
        self.volume(name)
            .map_or(Invariant::HoldsKept, Volume::lost_hold)
    }

    /// What is broken where the volume `name` turns out to be held by nobody.
    #[must_use]
    pub fn leaked_hold(&self, name: &str) -> Invariant {
        match self.volume(name) {
            Some(volume) if volume.older => Invariant::Durable,
            _ => Invariant::Released,
        }
    }

    /// The state after `call` was replied to with `reply`.
    ///
    /// # Errors
    /// [`Violation`] where no plugin may reply so in this state.
    pub fn step(&self, call: &Call, reply: &Reply) -> Result<Self, Violation> {
        let mut next = self.clone();
        next.advance(call, reply)?;
        Ok(next)
    }

    /// The state after `call` was carried out, and nobody was told; `None` where that changes nothing.
    #[must_use]
    pub fn carried_out(&self, call: &Call) -> Option<Self> {
        match call {
            Call::Create { name, .. } if self.volume(name).is_none() => {
                self.step(call, &Reply::Done).ok()
            }
            Call::Mount(name, id) => {
                let mut next = self.clone();
                next.volumes.get_mut(name)?.hold_unseen(id);
                Some(next)
            }
            Call::Unmount(name, id) if self.volume(name)?.holds_of(id) > 0 => {
                self.step(call, &Reply::Done).ok()
            }
            Call::Remove(name) => {
                self.volume(name)?;
                self.step(call, &Reply::Done).ok()
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod tests;
