//! One volume of the model.

use std::collections::{BTreeMap, BTreeSet};

use super::{Id, Invariant};
use crate::protocol::Opts;

/// A volume that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Volume {
    pub(super) opts: Opts,
    /// How often each mount ID holds it: Docker reuses IDs for `docker cp` and after a crash.
    holds: BTreeMap<Id, u32>,
    /// What Mount has answered, and the IDs that it told so and that hold the volume still. They are
    /// several for a plugin that gives each ID a mountpoint of its own, each to go with its ID.
    mountpoints: BTreeMap<String, BTreeSet<Id>>,
    /// Whether it may be mounted where no answer has told: that of a Mount never came.
    pub(super) elsewhere: bool,
    /// Whether it is from before the last restart of the plugin.
    pub(super) older: bool,
    /// The worst Unmount that it was none of the holders' to make, since it exists.
    stray: Option<Stray>,
}

/// An Unmount with an ID that holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stray {
    /// Others held the volume.
    AmongHolders,
    /// Nobody did.
    BelowZero,
}

impl Volume {
    pub(super) fn new(opts: Opts) -> Self {
        Self {
            opts,
            ..Self::default()
        }
    }

    /// Whether somebody holds it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.holds.is_empty()
    }

    /// How often `id` holds it.
    #[must_use]
    pub fn holds_of(&self, id: &str) -> u32 {
        self.holds.get(id).copied().unwrap_or(0)
    }

    /// The IDs that hold it, each as often as it does.
    pub fn holders(&self) -> impl Iterator<Item = &Id> {
        self.holds
            .iter()
            .flat_map(|(id, count)| std::iter::repeat_n(id, *count as usize))
    }

    /// What Mount has answered to those that hold it.
    pub fn mountpoints(&self) -> impl Iterator<Item = &str> {
        self.mountpoints.keys().map(String::as_str)
    }

    /// Whether Mount has answered `path` to one that holds it.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.mountpoints.contains_key(path)
    }

    pub(super) fn hold(&mut self, id: &Id, mountpoint: &str) {
        self.add(id);
        let told = self.mountpoints.entry(mountpoint.to_owned()).or_default();
        told.insert(Id::clone(id));
    }

    /// Adds a hold of a Mount that was carried out without an answer.
    pub(super) fn hold_unseen(&mut self, id: &Id) {
        self.add(id);
        self.elsewhere = true;
    }

    fn add(&mut self, id: &Id) {
        let count = self.holds.entry(Id::clone(id)).or_default();
        *count = count.saturating_add(1);
    }

    /// Takes one hold of `id` away; false if there is none.
    pub(super) fn release(&mut self, id: &str) -> bool {
        let Some(count) = self.holds.get_mut(id) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.holds.remove(id);
            self.mountpoints.retain(|_, told| {
                told.remove(id);
                !told.is_empty()
            });
        }
        if self.holds.is_empty() {
            self.elsewhere = false;
        }
        true
    }

    pub(super) fn stray_unmount(&mut self) {
        let stray = if self.is_held() {
            Stray::AmongHolders
        } else {
            Stray::BelowZero
        };
        self.stray = self.stray.max(Some(stray));
    }

    /// What is broken where a hold of the volume turns out to be lost.
    pub(super) const fn lost_hold(&self) -> Invariant {
        match self.stray {
            _ if self.older => Invariant::Durable,
            Some(Stray::BelowZero) => Invariant::HoldsFloor,
            Some(Stray::AmongHolders) => Invariant::HoldsOwn,
            None => Invariant::HoldsKept,
        }
    }
}
