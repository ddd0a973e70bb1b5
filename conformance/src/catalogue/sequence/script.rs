//! Reading the docker commands of a case: what a user is shown is what is run.
//!
//! Only what the cases need is understood. `&&` joins commands; what ends with `|| echo …` has to
//! fail. Lines that begin with `#` are done by the suite itself.

use fake_dockerd::{
    ContainerCreate, DriverConfig, MountKind, MountSpec, RestartPolicy, VolumeOptions,
};

/// One line, as it is shown and as it is run.
#[derive(Debug)]
pub(super) struct Line {
    /// What the user would type.
    pub(super) shown: String,
    /// What is done, each with what the user would type for it.
    pub(super) steps: Vec<(String, Step)>,
    /// Whether it has to fail.
    pub(super) fails: bool,
}

/// Something that the user, or fate, does.
#[derive(Debug)]
pub(super) enum Step {
    VolumeCreate {
        name: String,
        driver: String,
    },
    VolumeRemove(String),
    VolumeInspect(String),
    VolumeList,
    VolumePrune,
    Create {
        asked: Box<ContainerCreate>,
        run: bool,
    },
    Start(String),
    Stop(String),
    Restart(String),
    Kill(String),
    Wait(String),
    Remove {
        name: String,
        force: bool,
        volumes: bool,
    },
    Exec {
        name: String,
        command: Vec<String>,
    },
    CopyIn {
        file: String,
        name: String,
        path: String,
    },
    CopyOut {
        name: String,
        path: String,
    },
    /// dockerd is killed and started again.
    DaemonCrash,
    /// dockerd is stopped and started again.
    DaemonRestart,
    /// The plugin is killed and started again.
    PluginRestart,
    /// The volume is removed behind Docker's back.
    RemovedBehind(String),
    /// A file of the volume is opened on the host.
    KeepOpen,
    /// That file is closed.
    Close,
}

/// What is done by the suite itself.
pub(super) const KEEP_OPEN: &str =
    "# keep a file of the volume open on the host, so that umount fails";
pub(super) const CLOSE: &str = "# close that file";
pub(super) const PLUGIN_RESTART: &str = "# kill -9 the plugin and start it again";
const BEHIND: &str = "# remove the volume behind Docker's back: ";

/// What stands for a crash of the daemon, and for its restart.
const DAEMON_CRASH: &str = "kill -9 $(pidof dockerd)";
const DAEMON_RESTART: &str = "systemctl restart docker";

/// The remark on a restart that leaves containers running.
pub(super) const LIVE_RESTORE: &str = "\"live-restore\": true";

/// What placeholders stand for.
#[derive(Debug)]
pub(super) struct Names {
    /// `{plugin}`.
    pub(super) plugin: String,
    /// `{volume}`.
    pub(super) volume: String,
    /// `{other}`.
    pub(super) other: String,
}

impl Names {
    fn put(&self, text: &str) -> String {
        text.replace("{plugin}", &self.plugin)
            .replace("{volume}", &self.volume)
            .replace("{other}", &self.other)
    }
}

impl Line {
    /// Reads a line, with `names` in the place of its placeholders.
    ///
    /// # Errors
    /// What is not understood.
    pub(super) fn parse(line: &str, names: &Names) -> Result<Self, String> {
        let own = match line {
            KEEP_OPEN => Some(Step::KeepOpen),
            CLOSE => Some(Step::Close),
            PLUGIN_RESTART => Some(Step::PluginRestart),
            _ => line
                .strip_prefix(BEHIND)
                .map(|name| Step::RemovedBehind(names.put(name))),
        };
        let shown = names.put(line);
        if let Some(step) = own {
            return Ok(Self {
                steps: vec![(shown.clone(), step)],
                shown,
                fails: false,
            });
        }
        let (line, _remark) = line.split_once("   # ").unwrap_or((line, ""));
        let (commands, refused) = match line.split_once(" || echo ") {
            Some((commands, _)) => (commands, true),
            None => (line, false),
        };
        let steps = commands
            .split(" && ")
            .map(|command| Ok((names.put(command), step(command, names)?)))
            .collect::<Result<_, String>>()?;
        Ok(Self {
            shown,
            steps,
            fails: refused,
        })
    }
}

/// What is not understood of a line with placeholders, if something is not.
pub(crate) fn unclear(line: &str) -> Option<String> {
    let names = Names {
        plugin: "plugin".to_owned(),
        volume: "volume".to_owned(),
        other: "other".to_owned(),
    };
    Line::parse(line, &names).err()
}

fn step(command: &str, names: &Names) -> Result<Step, String> {
    match command {
        DAEMON_CRASH => return Ok(Step::DaemonCrash),
        DAEMON_RESTART => return Ok(Step::DaemonRestart),
        _ => {}
    }
    let words = shell_words::split(command).map_err(|error| error.to_string())?;
    // Names are put in behind the shell, to which they may look like anything.
    let words: Vec<String> = words.iter().map(|word| names.put(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = |name: &str| name.to_owned();
    Ok(match words.as_slice() {
        ["docker", "volume", "create", "-d", driver, rest @ ..] => Step::VolumeCreate {
            name: rest.last().copied().map(name).unwrap_or_default(),
            driver: name(driver),
        },
        ["docker", "volume", "rm", volume] => Step::VolumeRemove(name(volume)),
        ["docker", "volume", "inspect", volume] => Step::VolumeInspect(name(volume)),
        ["docker", "volume", "ls"] => Step::VolumeList,
        ["docker", "volume", "prune", "-af"] => Step::VolumePrune,
        ["docker", "run", rest @ ..] => Step::Create {
            asked: Box::new(container(rest)?),
            run: true,
        },
        ["docker", "create", rest @ ..] => Step::Create {
            asked: Box::new(container(rest)?),
            run: false,
        },
        ["docker", "start", it] => Step::Start(name(it)),
        ["docker", "stop", it] => Step::Stop(name(it)),
        ["docker", "restart", it] => Step::Restart(name(it)),
        ["docker", "kill", it] => Step::Kill(name(it)),
        ["docker", "wait", it] => Step::Wait(name(it)),
        ["docker", "rm", it] => remove(it, ""),
        ["docker", "rm", flags, it] => remove(it, flags),
        ["docker", "exec", it, command @ ..] => Step::Exec {
            name: name(it),
            command: command.iter().map(|word| name(word)).collect(),
        },
        ["docker", "cp", from, to] => copy(from, to)?,
        _ => return Err(format!("not understood: {command}")),
    })
}

fn remove(name: &str, flags: &str) -> Step {
    Step::Remove {
        name: name.to_owned(),
        force: flags.contains('f'),
        volumes: flags.contains('v'),
    }
}

fn copy(from: &str, to: &str) -> Result<Step, String> {
    let part = |text: &str| {
        let (name, path) = text.split_once(':')?;
        Some((name.to_owned(), path.to_owned()))
    };
    match (part(from), part(to)) {
        (Some((name, path)), None) => Ok(Step::CopyOut { name, path }),
        (None, Some((name, path))) => Ok(Step::CopyIn {
            file: from.to_owned(),
            name,
            path,
        }),
        _ => Err(format!("not understood: docker cp {from} {to}")),
    }
}

/// The words behind `docker run` or `docker create`.
fn container(words: &[&str]) -> Result<ContainerCreate, String> {
    let mut asked = ContainerCreate::default();
    let mut words = words.iter().copied();
    let image = loop {
        let word = words.next().ok_or("no image")?;
        let mut value = || words.next().map(str::to_owned).ok_or("a value is missing");
        match word {
            "-d" => asked.detached = true,
            "--rm" => asked.auto_remove = true,
            "--name" => asked.name = value()?,
            "--volume-driver" => asked.volume_driver = value()?,
            "--volumes-from" => asked.volumes_from.push(value()?),
            "--mount" => asked.mounts.push(mount(&value()?)?),
            "--restart" => asked.restart = policy(&value()?)?,
            "-v" => {
                let volume = value()?;
                if volume.contains(':') {
                    asked.binds.push(volume);
                } else {
                    asked.volumes.insert(volume);
                }
            }
            image if !image.starts_with('-') => break image,
            other => return Err(format!("not understood: {other}")),
        }
    };
    image.clone_into(&mut asked.image);
    asked.command = words.map(str::to_owned).collect();
    Ok(asked)
}

fn policy(text: &str) -> Result<RestartPolicy, String> {
    match text.split_once(':') {
        None if text == "always" => Ok(RestartPolicy::Always),
        Some(("on-failure", most)) => most
            .parse()
            .map(RestartPolicy::OnFailure)
            .map_err(|_| format!("not understood: --restart {text}")),
        _ => Err(format!("not understood: --restart {text}")),
    }
}

fn mount(text: &str) -> Result<MountSpec, String> {
    let mut spec = MountSpec {
        kind: MountKind::Volume,
        ..MountSpec::default()
    };
    for part in text.split(',') {
        match part.split_once('=').unwrap_or((part, "")) {
            ("type", "volume") => {}
            ("src", value) => value.clone_into(&mut spec.source),
            ("dst", value) => value.clone_into(&mut spec.target),
            ("readonly", "") => spec.read_only = true,
            (key @ ("volume-driver" | "volume-subpath" | "volume-nocopy"), value) => {
                option(spec.volume_options.get_or_insert_default(), key, value);
            }
            _ => return Err(format!("not understood: --mount {text}")),
        }
    }
    Ok(spec)
}

fn option(options: &mut VolumeOptions, key: &str, value: &str) {
    match key {
        "volume-driver" => {
            options.driver_config = Some(DriverConfig {
                name: value.to_owned(),
                options: None,
            });
        }
        "volume-subpath" => value.clone_into(&mut options.subpath),
        _ => options.no_copy = true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CASES, is_script};
    use super::{Line, Names, Step};

    fn parse(line: &str) -> Result<Line, String> {
        let names = Names {
            plugin: "p".to_owned(),
            volume: "it's v".to_owned(),
            other: "w".to_owned(),
        };
        Line::parse(line, &names)
    }

    #[test]
    fn a_line_is_several_steps_and_a_remark() {
        let line =
            parse("docker stop c1 && docker volume rm {volume} || echo 'refused: in use'").unwrap();
        assert!(line.fails);
        assert!(matches!(
            line.steps.as_slice(),
            [(_, Step::Stop(_)), (_, Step::VolumeRemove(name))] if name == "it's v"
        ));
        assert!(parse("docker frobnicate").is_err());
    }

    #[test]
    fn every_sequence_can_be_run() {
        for case in CASES.iter().filter(|case| is_script(case)) {
            for line in case.docker {
                parse(line).unwrap_or_else(|why| panic!("{}: {why}", case.id));
            }
        }
    }
}
