//! A sequence told to people: as docker commands.

use std::collections::BTreeMap;

use super::sequence::{Options, Sequence, Spelling, Step};

/// The docker commands that stand for the sequence; comments where only an engine or an accident
/// does it.
pub(super) fn docker(sequence: &Sequence) -> Vec<String> {
    let mut teller = Teller {
        names: names(sequence),
        ..Teller::default()
    };
    for (at, step) in sequence.steps.iter().enumerate() {
        let next = sequence.steps.get(at + 1).copied();
        teller.step(*step, next);
    }
    teller.lines
}

/// What has been told so far.
#[derive(Default)]
struct Teller {
    /// What the volumes are called, ready for a shell.
    names: Vec<String>,
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
            Step::Get { volume } => format!("docker volume inspect {}", self.v(volume)),
            Step::List => "docker volume ls".to_owned(),
            Step::Path { volume } => {
                format!("# Path of {}: no docker command sends it", self.v(volume))
            }
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
                        self.v(volume)
                    )
                } else {
                    format!("docker volume rm {}", self.v(volume))
                }
            }
            Step::Activate => "systemctl restart docker   # with live-restore".to_owned(),
            Step::Write { volume } => self.within(volume, "touch /data/file"),
            Step::Read { volume } => self.within(volume, "ls /data"),
            Step::Kill => "# kill -9 the plugin and start it again".to_owned(),
            Step::KillDuring { .. } => {
                self.lines.push(
                    "# kill -9 the plugin in the middle of the next command, and start it again"
                        .to_owned(),
                );
                if let Some(call) = step.interrupted() {
                    self.interrupted(call);
                }
                return;
            }
            Step::Restart => "# stop the plugin and start it again".to_owned(),
        };
        if !line.is_empty() {
            self.lines.push(line);
        }
    }

    /// A command that the plugin does not live to answer: what it would have changed has not changed
    /// for docker, except that a container is gone either way.
    fn interrupted(&mut self, call: Step) {
        let (holds, created) = (self.holds.clone(), self.created.clone());
        self.step(call, None);
        if !matches!(call, Step::Unmount { .. }) {
            self.holds = holds;
            self.created = created;
        }
    }

    fn create(&mut self, volume: u8, options: Options) -> String {
        let bogus = if options == Options::Bogus {
            " -o volplug-bogus=1"
        } else {
            ""
        };
        let command = format!(
            "docker volume create -d {{plugin}}{bogus} {}",
            self.v(volume)
        );
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
                self.v(volume)
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
                self.v(volume)
            );
        }
        *count -= 1;
        format!("docker rm -f {}", c(volume, id))
    }

    fn v(&self, volume: u8) -> String {
        let name = self.names.get(usize::from(volume)).cloned();
        name.unwrap_or_else(|| format!("v{}", volume + 1))
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

/// The names, spelt like each other as the sequence asks.
fn names(sequence: &Sequence) -> Vec<String> {
    let slashes = sequence.names.contains(&Spelling::Slashes);
    let first = if slashes { "v_1" } else { "v1" };
    let spelt = (1..)
        .zip(&sequence.names)
        .map(|(number, spelling)| match spelling {
            _ if number == 1 => first.to_owned(),
            Spelling::Plain => format!("v{number}"),
            Spelling::Longer => format!("{first}1"),
            Spelling::Capitals => first.to_uppercase(),
            Spelling::Slashes => first.replace('_', "/"),
            Spelling::Accent => format!("{first}\u{301}"),
            Spelling::Blank => format!("'{first} '"),
            Spelling::Upwards => format!("../../../tmp/{first}"),
        });
    spelt.collect()
}

fn c(volume: u8, id: u8) -> String {
    format!("c{}-{}", volume + 1, id + 1)
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

    #[test]
    fn names_are_as_alike_as_they_were() {
        let two = |spelling| Sequence {
            names: vec![Spelling::Plain, spelling],
            steps: vec![CREATE, Step::Remove { volume: 1 }],
        };
        let told = |spelling| docker(&two(spelling)).join("; ");
        let create = "docker volume create -d {plugin}";
        assert_eq!(
            told(Spelling::Capitals),
            format!("{create} v1; docker volume rm V1")
        );
        assert_eq!(
            told(Spelling::Slashes),
            format!("{create} v_1; docker volume rm v/1")
        );
    }
}
