//! A sequence told to people: as docker commands, and by the rules that it may be about.

use std::collections::BTreeMap;

use super::sequence::{Options, Sequence, Step};
use crate::model::{Invariant, Violation};

/// The docker commands that stand for the sequence; comments where only an engine or an accident
/// does it.
pub(super) fn docker(sequence: &Sequence) -> Vec<String> {
    let mut teller = Teller::default();
    for (at, step) in sequence.steps.iter().enumerate() {
        let next = sequence.steps.get(at + 1).copied();
        teller.step(*step, next);
    }
    teller.lines
}

/// What has been told so far.
#[derive(Default)]
struct Teller {
    lines: Vec<String>,
    /// How often each ID holds each volume.
    holds: BTreeMap<(u8, u8), u32>,
    created: Vec<u8>,
    /// The second half of a `docker cp` is told with the first one.
    copying: Option<(u8, u8)>,
}

impl Teller {
    fn step(&mut self, step: Step, next: Option<Step>) {
        let line = match step {
            Step::Create { volume, options } => self.create(volume, options),
            Step::Get { volume } => format!("docker volume inspect {}", v(volume)),
            Step::List => "docker volume ls".to_owned(),
            Step::Path { volume } => format!("# Path of {}: no docker command sends it", v(volume)),
            Step::Mount { volume, id } => self.mount(volume, id, next),
            Step::Unmount { volume, id } => self.unmount(volume, id),
            Step::Remove { volume } => {
                self.created.retain(|known| *known != volume);
                if self
                    .holds
                    .iter()
                    .any(|((of, _), count)| *of == volume && *count > 0)
                {
                    format!(
                        "# Remove of {}, which is in use: from another engine, or after a restart of \
                         dockerd with live-restore while the plugin was away",
                        v(volume)
                    )
                } else {
                    format!("docker volume rm {}", v(volume))
                }
            }
            Step::Activate => "systemctl restart docker   # with live-restore".to_owned(),
            Step::Write { volume } => self.within(volume, "touch /data/file"),
            Step::Read { volume } => self.within(volume, "ls /data"),
            Step::Kill => "# kill -9 the plugin and start it again".to_owned(),
            Step::Restart => "# stop the plugin and start it again".to_owned(),
        };
        if !line.is_empty() {
            self.lines.push(line);
        }
    }

    fn create(&mut self, volume: u8, options: Options) -> String {
        let bogus = if options == Options::Bogus {
            " -o volplug-bogus=1"
        } else {
            ""
        };
        let command = format!("docker volume create -d {{plugin}}{bogus} {}", v(volume));
        if self.created.contains(&volume) {
            return format!("# once more, from another engine: {command}");
        }
        self.created.push(volume);
        command
    }

    fn mount(&mut self, volume: u8, id: u8, next: Option<Step>) -> String {
        let container = c(volume, id);
        let count = self.holds.entry((volume, id)).or_default();
        *count += 1;
        if *count == 1 {
            return format!(
                "docker run -d --name {container} --volume-driver {{plugin}} -v {}:/data busybox sleep \
                 600",
                v(volume)
            );
        }
        if next == Some(Step::Unmount { volume, id }) {
            self.copying = Some((volume, id));
            return format!("docker cp {container}:/data /tmp/copy");
        }
        format!("kill -9 $(pidof dockerd)   # start it again, then: docker start {container}")
    }

    fn unmount(&mut self, volume: u8, id: u8) -> String {
        let count = self.holds.entry((volume, id)).or_default();
        if self.copying.take() == Some((volume, id)) {
            *count = count.saturating_sub(1);
            return String::new();
        }
        if *count == 0 {
            return format!(
                "# Unmount of {} with an ID that does not hold it: comes after restarts of plugin or \
                 dockerd",
                v(volume)
            );
        }
        *count -= 1;
        format!("docker rm -f {}", c(volume, id))
    }

    /// A command in a container that has the volume.
    fn within(&self, volume: u8, command: &str) -> String {
        let holder = self
            .holds
            .iter()
            .find(|((of, _), count)| *of == volume && **count > 0);
        holder.map_or_else(String::new, |((_, id), _)| {
            format!("docker exec {} {command}", c(volume, *id))
        })
    }
}

fn v(volume: u8) -> String {
    format!("v{}", volume + 1)
}

fn c(volume: u8, id: u8) -> String {
    format!("c{}-{}", volume + 1, id + 1)
}

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
            "restart.any-moment",
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
    add(traits.strange_names, &["sec.any-name", "sec.injective"]);
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
                Step::Kill | Step::Restart => traits.restart = true,
            }
        }
        touched.sort_unstable();
        touched.dedup();
        traits.volumes = touched.len();
        traits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(steps: &[Step]) -> Sequence {
        Sequence {
            names: vec![Default::default()],
            steps: steps.to_vec(),
        }
    }

    const CREATE: Step = Step::Create {
        volume: 0,
        options: Options::Usual,
    };
    const MOUNT: Step = Step::Mount { volume: 0, id: 0 };
    const UNMOUNT: Step = Step::Unmount { volume: 0, id: 0 };

    #[test]
    fn the_same_id_at_once_is_docker_cp_and_later_a_crash() {
        let cp = docker(&of(&[CREATE, MOUNT, MOUNT, UNMOUNT, UNMOUNT]));
        insta::assert_snapshot!(cp.join("\n"), @r"
        docker volume create -d {plugin} v1
        docker run -d --name c1-1 --volume-driver {plugin} -v v1:/data busybox sleep 600
        docker cp c1-1:/data /tmp/copy
        docker rm -f c1-1
        ");
        let crash = docker(&of(&[CREATE, MOUNT, Step::Activate, MOUNT]));
        assert!(crash.last().unwrap().contains("kill -9 $(pidof dockerd)"));
    }
}
