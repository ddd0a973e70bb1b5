//! A Docker host as it would be after the commands so far: what makes moves into commands that work.

use super::moves::{CONTAINERS, Move, Script, VOLUMES};
use super::script::{LIVE_RESTORE, PLUGIN_RESTART};

/// The placeholders of the volumes.
const PLACEHOLDERS: [&str; VOLUMES] = ["{volume}", "{other}"];

/// Which moves a plugin can be given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offers {
    /// Whether it can be restarted.
    pub(super) restarts: bool,
    /// Whether volumes have options: `docker run` cannot give them.
    pub(super) options: bool,
}

/// The commands of a script, as the cases of this section have them; at the end everything is removed.
pub(super) fn commands(script: &Script, offers: Offers) -> Vec<String> {
    let mut host = Host {
        offers,
        live_restore: script.live_restore,
        containers: Default::default(),
        volumes: Default::default(),
        lost: Default::default(),
        written: 0,
        lines: Vec::new(),
    };
    for each in &script.moves {
        host.play(*each);
    }
    if host.lines.is_empty() {
        return Vec::new();
    }
    for container in 0..CONTAINERS {
        host.play(Move::Remove { container });
    }
    for volume in 0..VOLUMES {
        host.play(Move::Discard { volume });
    }
    host.lines
}

/// A container of the shadow host.
#[derive(Debug, Clone, Copy)]
struct Container {
    volume: usize,
    runs: bool,
}

/// What a Docker host would be like after the commands so far.
struct Host {
    offers: Offers,
    live_restore: bool,
    containers: [Option<Container>; CONTAINERS],
    /// The files that each volume has; `None` where it does not exist.
    volumes: [Option<Vec<String>>; VOLUMES],
    /// Volumes with a hold that the daemon has forgotten.
    lost: [bool; VOLUMES],
    written: usize,
    lines: Vec<String>,
}

impl Host {
    fn play(&mut self, each: Move) {
        match each {
            Move::Run { container, volume } => self.run(container, volume),
            Move::Toggle { container } => match self.container(container) {
                Some(Container { runs: true, .. }) => self.stop("stop", container),
                Some(_) => self.start("start", container),
                None => {}
            },
            Move::Restart { container } if self.container(container).is_some() => {
                self.start("restart", container);
            }
            Move::Kill { container } if self.runs(container) => self.stop("kill", container),
            Move::Remove { container } if self.container(container).is_some() => {
                self.lines.push(format!("docker rm -f {}", c(container)));
                self.set(container, None);
            }
            Move::Write { container } if self.runs(container) => self.write(container),
            Move::CopyOut { container } => {
                if let Some(file) = self.files(container).last() {
                    let line = format!("docker cp {}:/data/{file} /tmp/{file}", c(container));
                    self.lines.push(line);
                }
            }
            Move::CopyIn { container } if self.container(container).is_some() => {
                let line = format!("docker cp /etc/hostname {}:/data", c(container));
                self.lines.push(line);
            }
            Move::Create { volume } if !self.exists(volume) => self.create(volume),
            Move::Discard { volume } if self.exists(volume) => self.discard(volume),
            Move::Look { volume } if self.exists(volume) => {
                let name = v(volume);
                let line = format!("docker volume inspect {name} && docker volume ls");
                self.lines.push(line);
            }
            Move::DaemonRestart => {
                let remark = if self.live_restore {
                    format!("   # with {LIVE_RESTORE}")
                } else {
                    String::new()
                };
                self.lines.push(format!("systemctl restart docker{remark}"));
                self.daemon_gone();
            }
            Move::DaemonCrash => {
                let line = "kill -9 $(pidof dockerd)   # and start it again";
                self.lines.push(line.to_owned());
                self.forgotten();
                self.daemon_gone();
            }
            Move::PluginRestart if self.offers.restarts => {
                self.lines.push(PLUGIN_RESTART.to_owned());
            }
            _ => {}
        }
    }

    fn run(&mut self, container: usize, volume: usize) {
        if self.container(container).is_some() {
            return;
        }
        if self.offers.options && !self.exists(volume) {
            self.create(volume);
        }
        let (name, volume_name) = (c(container), v(volume));
        let run = format!(
            "docker run -d --name {name} --volume-driver {{plugin}} -v {volume_name}:/data busybox sleep 600"
        );
        if let Some(known) = self.volumes.get_mut(volume) {
            known.get_or_insert_default();
        }
        self.set(container, Some(Container { volume, runs: true }));
        let line = format!("{run}{}", self.look(container));
        self.lines.push(line);
    }

    fn start(&mut self, command: &str, container: usize) {
        if let Some(Some(known)) = self.containers.get_mut(container) {
            known.runs = true;
        }
        let line = format!("docker {command} {}{}", c(container), self.look(container));
        self.lines.push(line);
    }

    fn stop(&mut self, command: &str, container: usize) {
        if let Some(Some(known)) = self.containers.get_mut(container) {
            known.runs = false;
        }
        self.lines
            .push(format!("docker {command} {}", c(container)));
    }

    /// The container looks whether everything is there that was ever written.
    fn look(&self, container: usize) -> String {
        let files: Vec<String> = self
            .files(container)
            .iter()
            .map(|file| format!("/data/{file}"))
            .collect();
        if files.is_empty() {
            return String::new();
        }
        format!(" && docker exec {} cat {}", c(container), files.join(" "))
    }

    fn write(&mut self, container: usize) {
        let Some(known) = self.container(container) else {
            return;
        };
        self.written += 1;
        let file = format!("f{}", self.written);
        self.lines.push(format!(
            "docker exec {} sh -c 'echo {file} > /data/{file}'",
            c(container)
        ));
        if let Some(Some(files)) = self.volumes.get_mut(known.volume) {
            files.push(file);
        }
    }

    fn create(&mut self, volume: usize) {
        let name = v(volume);
        let line = format!("docker volume create -d {{plugin}} {name}");
        self.lines.push(line);
        if let Some(known) = self.volumes.get_mut(volume) {
            *known = Some(Vec::new());
        }
    }

    fn discard(&mut self, volume: usize) {
        let name = v(volume);
        let used = self.containers.iter().flatten();
        if used.clone().any(|container| container.volume == volume) {
            let line = format!("docker volume rm {name} || echo 'refused: in use'");
            self.lines.push(line);
            return;
        }
        if self.lost.get(volume).is_some_and(|lost| *lost) {
            return;
        }
        self.lines.push(format!("docker volume rm {name}"));
        if let Some(known) = self.volumes.get_mut(volume) {
            *known = None;
        }
    }

    /// A daemon that comes back after a crash sends no Unmount for what was mounted when it died
    /// (recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, daemon-kill-running): nobody can say then
    /// whether the volume can be removed.
    fn forgotten(&mut self) {
        let running = self.containers.iter().flatten();
        for container in running.filter(|container| container.runs) {
            if let Some(known) = self.lost.get_mut(container.volume) {
                *known |= !self.live_restore;
            }
        }
    }

    /// Containers without a restart policy stay down, unless they ran on.
    fn daemon_gone(&mut self) {
        if !self.live_restore {
            for container in self.containers.iter_mut().flatten() {
                container.runs = false;
            }
        }
    }

    fn container(&self, number: usize) -> Option<Container> {
        self.containers.get(number).copied().flatten()
    }

    fn set(&mut self, number: usize, container: Option<Container>) {
        if let Some(known) = self.containers.get_mut(number) {
            *known = container;
        }
    }

    fn runs(&self, number: usize) -> bool {
        self.container(number).is_some_and(|known| known.runs)
    }

    fn exists(&self, volume: usize) -> bool {
        self.volumes.get(volume).is_some_and(Option::is_some)
    }

    /// The files that the container's volume has.
    fn files(&self, container: usize) -> &[String] {
        let volume = self.container(container).map(|known| known.volume);
        let files = volume.and_then(|volume| self.volumes.get(volume));
        files.and_then(Option::as_deref).unwrap_or_default()
    }
}

fn c(container: usize) -> String {
    format!("c{}", container + 1)
}

fn v(volume: usize) -> &'static str {
    PLACEHOLDERS.get(volume).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::moves::script;
    use super::super::script::{Line, Names};
    use super::*;

    const ALL: Offers = Offers {
        restarts: true,
        options: true,
    };

    #[test]
    fn every_script_can_be_run_and_removes_what_it_made() {
        let names = Names {
            plugin: "p".to_owned(),
            volume: "v".to_owned(),
            other: "w".to_owned(),
        };
        for number in 0..300 {
            let lines = commands(&script(1, number), ALL);
            for line in &lines {
                Line::parse(line, &names).unwrap_or_else(|why| panic!("{line}: {why}"));
            }
            let count = |start: &str, end: &str| {
                let those = lines.iter().filter(|line| line.starts_with(start));
                those.filter(|line| line.ends_with(end)).count()
            };
            let refused = count("docker volume rm", "'refused: in use'");
            if lines.iter().any(|line| line.starts_with("kill -9 $(pidof")) {
                continue;
            }
            assert_eq!(
                count("docker volume create", ""),
                count("docker volume rm", "") - refused,
                "{lines:#?}"
            );
        }
    }
}
