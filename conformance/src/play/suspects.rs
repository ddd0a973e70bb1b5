//! The rules that a sequence may be about: those whose findings explain one of it.

use std::collections::BTreeMap;

use super::sequence::{Options, Sequence, Step};
use crate::catalogue::ANY_MOMENT;
use crate::model::{Invariant, Violation};

/// Basic cases whose finding explains one of this sequence. The sequence is as short as can be, so
/// that each of its steps is needed: what it is made of is what it is about.
pub(crate) fn suspects(sequence: &Sequence, violation: &Violation) -> Vec<&'static str> {
    let mut suspects = violation.suspects.clone();
    let traits = Traits::of(sequence);
    let several = traits.volumes > 1;
    // One invariant may be behind another: a stray call that is taken for one that counts, a call
    // that reaches further than its own volume.
    suspects.extend(match violation.invariant {
        Invariant::Steady if traits.stray => vec!["prop.holds-own", "prop.holds-floor"],
        Invariant::HoldsFloor => vec!["prop.holds-own"],
        Invariant::Steady | Invariant::CallsWork if traits.restart => vec!["prop.durable"],
        Invariant::HoldsKept if several => vec!["prop.outside"],
        Invariant::Outside => vec!["sec.no-traversal", "sec.symlinks"],
        _ => Vec::new(),
    });
    let mut add = |applies: bool, cases: &[&'static str]| {
        if applies {
            suspects.extend(cases);
        }
    };
    add(
        traits.restart,
        &[
            "restart.remembers",
            "restart.faithful",
            "restart.old-ids",
            "restart.remount",
            ANY_MOMENT,
            "create.durable",
            "remove.stays-removed",
            "mount.heals",
            "act.optional",
        ],
    );
    add(
        traits.activate,
        &[
            "act.handshake",
            "act.repeat",
            "ref.live-restore",
            "ref.after-daemon-crash",
            "ref.leak-not-yank",
        ],
    );
    add(
        traits.same_id,
        &[
            "ref.same-id-twice",
            "ref.after-daemon-crash",
            "ref.leak-not-yank",
            "ref.same-volume-twice",
        ],
    );
    // One that swallows an Unmount after a failed Mount does so wherever that Mount was.
    add(
        traits.stray,
        &["unmount.stray", "ref.floor", "mount.sibling-failure"],
    );
    add(
        traits.created_again,
        &[
            "create.keeps-mounts",
            "create.repeat-same",
            "create.repeat-different",
        ],
    );
    add(
        traits.options,
        &[
            "create.bad-options",
            "create.atomic",
            "create.repeat-different",
        ],
    );
    add(
        traits.remove_held,
        &["remove.in-use", "remove.failed-keeps"],
    );
    add(
        traits.mount_unknown,
        &[
            "mount.unknown",
            "mount.fail-clean",
            "ref.failed-not-counted",
            "mount.sibling-failure",
        ],
    );
    add(traits.remove_unknown, &["remove.unknown"]);
    add(
        traits.get_unknown,
        &["get.unknown", "get.read-only", "sequence.first-use"],
    );
    add(traits.path, &["path.value", "path.served"]);
    add(
        traits.get,
        &["get.mountpoint", "get.same-name", "get.read-only"],
    );
    add(
        traits.list,
        &["list.complete", "list.agrees", "get.mountpoint"],
    );
    add(
        traits.strange_names,
        &["sec.any-name", "sec.injective", "sec.no-traversal"],
    );
    add(several, &["mount.own-path", "sec.injective"]);
    add(traits.shared_id, &["sequence.podman"]);
    add(
        traits.several_ids,
        &["ref.same-volume-twice", "unmount.not-last"],
    );
    add(
        traits.data,
        &[
            "mount.usable",
            "mount.visible",
            "mount.writable",
            "mount.data-persists",
            "mount.own-path",
            "unmount.never-deletes",
            "get.read-only",
        ],
    );
    add(
        traits.unmount,
        &["unmount.works", "unmount.last", "unmount.not-last"],
    );
    add(traits.remove, &["remove.works"]);
    add(
        traits.mount,
        &["mount.usable", "mount.visible", "ref.balanced"],
    );
    add(true, &["create.works"]);
    suspects
}

/// What a sequence is made of.
#[derive(Default)]
struct Traits {
    restart: bool,
    activate: bool,
    same_id: bool,
    several_ids: bool,
    /// One ID holds several volumes, at once or one after the other.
    shared_id: bool,
    stray: bool,
    created_again: bool,
    options: bool,
    remove: bool,
    remove_held: bool,
    remove_unknown: bool,
    mount: bool,
    mount_unknown: bool,
    get: bool,
    get_unknown: bool,
    list: bool,
    path: bool,
    data: bool,
    unmount: bool,
    strange_names: bool,
    volumes: usize,
}

impl Traits {
    fn of(sequence: &Sequence) -> Self {
        let mut traits = Self::default();
        let mut holds: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        let mut exists: Vec<u8> = Vec::new();
        let mut touched: Vec<u8> = Vec::new();
        let mut mounted: Vec<(u8, u8)> = Vec::new();
        for step in &sequence.steps {
            traits.restart |= step.is_restart();
            // A call that was cut off is one that may have been made.
            let step = &step.interrupted().unwrap_or(*step);
            if let Some(volume) = step.volume() {
                touched.push(volume);
                traits.strange_names |= sequence.spelling(volume).is_strange();
            }
            match *step {
                Step::Create { volume, options } => {
                    traits.created_again |= exists.contains(&volume);
                    traits.options |= options != Options::Usual;
                    exists.push(volume);
                }
                Step::Mount { volume, id } => {
                    traits.mount = true;
                    traits.mount_unknown |= !exists.contains(&volume);
                    traits.shared_id |= mounted
                        .iter()
                        .any(|(other, its)| *its == id && *other != volume);
                    mounted.push((volume, id));
                    let held = holds.entry(volume).or_default();
                    traits.same_id |= held.contains(&id);
                    traits.several_ids |= held.iter().any(|other| *other != id);
                    held.push(id);
                }
                Step::Unmount { volume, id } => {
                    traits.unmount = true;
                    let held = holds.entry(volume).or_default();
                    match held.iter().position(|known| *known == id) {
                        Some(at) => drop(held.remove(at)),
                        None => traits.stray = true,
                    }
                }
                Step::Remove { volume } => {
                    traits.remove = true;
                    traits.remove_held |= holds.get(&volume).is_some_and(|held| !held.is_empty());
                    traits.remove_unknown |= !exists.contains(&volume);
                    exists.retain(|known| *known != volume);
                }
                Step::Get { volume } => {
                    traits.get = true;
                    traits.get_unknown |= !exists.contains(&volume);
                }
                Step::List => traits.list = true,
                Step::Path { .. } => traits.path = true,
                Step::Activate => traits.activate = true,
                Step::Write { .. } | Step::Read { .. } => traits.data = true,
                Step::Kill | Step::KillDuring { .. } | Step::Restart => {}
            }
        }
        touched.sort_unstable();
        touched.dedup();
        traits.volumes = touched.len();
        traits
    }
}
