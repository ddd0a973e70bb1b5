//! Just enough of the docker CLI to turn recorded commands into calls of the library.

use fake_dockerd::{
    ContainerCreate, Daemon, Error, PruneFilters, RemoveOptions, VolumeCreate, VolumeFilters,
    WaitCondition,
};
use serde_json::{Value, json};

use super::options::{container_create, volume_create};

/// Images that `docker inspect` finds before it asks for a volume of that name.
const IMAGES: [&str; 5] = ["busybox", "content", "volimg", "img2", "newimg"];

/// What a command came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The exit status, where it is worth comparing.
    pub(crate) exit: Option<i32>,
    /// The daemon's messages.
    pub(crate) errors: Vec<String>,
    /// What is printed, where it is worth comparing.
    pub(crate) stdout: Option<String>,
}

impl Outcome {
    fn of(results: impl IntoIterator<Item = Result<(), Error>>) -> Self {
        let errors: Vec<String> = results
            .into_iter()
            .filter_map(Result::err)
            .map(|error| error.to_string())
            .collect();
        Self {
            exit: Some(i32::from(!errors.is_empty())),
            errors,
            stdout: None,
        }
    }

    fn failed(exit: i32, error: &Error) -> Self {
        Self {
            exit: Some(exit),
            errors: vec![error.to_string()],
            stdout: None,
        }
    }
}

/// Runs `docker` with these arguments.
pub(crate) async fn run(daemon: &Daemon, argv: &[&str]) -> Outcome {
    match argv {
        ["volume", rest @ ..] => volume(daemon, rest).await,
        ["run", rest @ ..] => run_container(daemon, rest).await,
        ["create", rest @ ..] => create_container(daemon, rest).await,
        ["start", rest @ ..] => {
            let outcome = start(daemon, rest).await;
            // A process that ends at once has ended when the next command line has been started.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            outcome
        }
        ["stop", rest @ ..] => {
            let (timeout, names) = timeout(rest);
            let mut results = Vec::new();
            for name in names {
                let stopped = daemon.container_stop(name, timeout).await;
                results.push(stopped.or_else(not_modified));
            }
            Outcome::of(results)
        }
        ["restart", rest @ ..] => {
            let (timeout, names) = timeout(rest);
            let mut results = Vec::new();
            for name in names {
                results.push(daemon.container_restart(name, timeout).await);
            }
            Outcome::of(results)
        }
        ["kill", "-s", signal, name] => {
            Outcome::of([daemon.container_kill(name, Some(signal)).await])
        }
        ["kill", name] => Outcome::of([daemon.container_kill(name, None).await]),
        ["pause", name] => Outcome::of([daemon.container_pause(name).await]),
        ["unpause", name] => Outcome::of([daemon.container_unpause(name).await]),
        ["rename", old, new] => Outcome::of([daemon.container_rename(old, new).await]),
        ["rm", rest @ ..] => remove(daemon, rest).await,
        ["inspect", rest @ ..] => inspect(daemon, rest).await,
        ["cp", from, to] => copy(daemon, from, to).await,
        ["exec", name, command @ ..] => {
            let command = command.iter().map(|&word| word.to_owned()).collect();
            Outcome::of([daemon.container_exec(name, command).await.map(drop)])
        }
        ["container", "prune", "-f"] | ["system", "prune", "-f"] => {
            Outcome::of([daemon.container_prune().await.map(drop)])
        }
        ["system", "df", ..] => Outcome::of([daemon.volume_usage().await.map(drop)]),
        ["ps", ..] => {
            let _ = daemon.container_list();
            Outcome::default()
        }
        ["plugin", "inspect", name] => Outcome {
            errors: vec![format!("plugin \"{name}\" not found")],
            ..Outcome::default()
        },
        // No engine was seen to talk to a plugin about these.
        [
            "commit" | "top" | "stats" | "logs" | "diff" | "update" | "port" | "export" | "swarm"
            | "service" | "node" | "info" | "version",
            ..,
        ] => Outcome::default(),
        other => panic!("unknown command {other:?}"),
    }
}

fn not_modified(error: Error) -> Result<(), Error> {
    if error.status() == 304 {
        Ok(())
    } else {
        Err(error)
    }
}

fn timeout<'a>(argv: &'a [&'a str]) -> (Option<i64>, &'a [&'a str]) {
    match argv {
        ["-t", seconds, names @ ..] => (Some(seconds.parse().unwrap()), names),
        names => (None, names),
    }
}

async fn volume(daemon: &Daemon, argv: &[&str]) -> Outcome {
    match argv {
        ["create", rest @ ..] => {
            let created = daemon.volume_create(volume_create(rest)).await;
            let stdout = created.as_ref().ok().map(|volume| volume.name.clone());
            Outcome {
                stdout,
                ..Outcome::of([created.map(drop)])
            }
        }
        ["inspect", "-f", _, name] => Outcome::of([daemon.volume_inspect(name).await.map(drop)]),
        ["inspect", names @ ..] => {
            let mut shown = Vec::new();
            let mut results = Vec::new();
            for name in names {
                match daemon.volume_inspect(name).await {
                    Ok(volume) => shown.push(serde_json::to_value(volume).unwrap()),
                    Err(error) => results.push(Err(error)),
                }
            }
            Outcome {
                stdout: Some(Value::Array(shown).to_string()),
                ..Outcome::of(results)
            }
        }
        ["ls", rest @ ..] => {
            let mut filters = VolumeFilters::default();
            for filter in rest.iter().filter_map(|arg| arg.split_once('=')) {
                let value = filter.1.to_owned();
                match filter.0 {
                    "name" => filters.name.push(value),
                    "driver" => filters.driver.push(value),
                    "label" => filters.label.push(value),
                    "dangling" => filters.dangling = Some(value == "true" || value == "1"),
                    other => panic!("unknown filter {other}"),
                }
            }
            let listed = daemon.volume_list(filters).await;
            let formatted = rest.contains(&"--format");
            let stdout = listed.as_ref().ok().filter(|_| !formatted).map(|list| {
                let lines = list.volumes.iter().map(|volume| {
                    if rest.contains(&"-q") {
                        volume.name.clone()
                    } else {
                        format!("{} {}", volume.driver, volume.name)
                    }
                });
                lines.collect::<Vec<_>>().join("\n")
            });
            Outcome {
                stdout,
                ..Outcome::of([listed.map(drop)])
            }
        }
        ["rm", rest @ ..] => {
            let force = rest.contains(&"-f");
            let mut results = Vec::new();
            for name in rest.iter().filter(|arg| **arg != "-f") {
                results.push(daemon.volume_remove(name, force).await);
            }
            Outcome::of(results)
        }
        ["prune", rest @ ..] => {
            let all = rest.contains(&"-a");
            if all && !daemon.engine().profile().prunes_anonymous_only {
                // The CLI refuses by itself: "--all" requires API version 1.42.
                return Outcome::default();
            }
            let filters = PruneFilters {
                all,
                ..PruneFilters::default()
            };
            Outcome::of([daemon.volume_prune(filters).await.map(drop)])
        }
        other => panic!("unknown command volume {other:?}"),
    }
}

async fn create_container(daemon: &Daemon, argv: &[&str]) -> Outcome {
    let asked = ContainerCreate {
        detached: true,
        ..container_create(argv)
    };
    Outcome::of([daemon.container_create(asked).await.map(drop)])
}

async fn run_container(daemon: &Daemon, argv: &[&str]) -> Outcome {
    if argv
        .iter()
        .any(|arg| arg.contains("type=volume") && arg.contains("bind-propagation"))
    {
        // The CLI refuses by itself to mix options of binds and volumes.
        return Outcome::default();
    }
    let asked = container_create(argv);
    let (detached, remove) = (asked.detached, asked.auto_remove);
    let created = match daemon.container_create(asked).await {
        Ok(created) => created,
        Err(error) => return Outcome::failed(125, &error),
    };
    let condition = if remove {
        WaitCondition::Removed
    } else {
        WaitCondition::NextExit
    };
    let end = daemon.container_wait(&created.id, condition).unwrap();
    if let Err(error) = daemon.container_start(&created.id).await {
        let exit = if error.message().contains("no such file or directory")
            || error.message().contains("executable file not found")
        {
            127
        } else {
            125
        };
        return Outcome::failed(exit, &error);
    }
    let exit = if detached { 0 } else { end.await.exit_code };
    Outcome {
        exit: Some(exit),
        ..Outcome::default()
    }
}

async fn start(daemon: &Daemon, argv: &[&str]) -> Outcome {
    if let ["-a", name] = argv {
        let end = match daemon.container_wait(name, WaitCondition::NextExit) {
            Ok(end) => end,
            Err(error) => return Outcome::failed(1, &error),
        };
        return match daemon.container_start(name).await {
            Ok(()) => Outcome {
                // A simulated process that is not known does not end for who attaches later.
                exit: Some(end.await.exit_code),
                ..Outcome::default()
            },
            Err(error) => Outcome::failed(1, &error),
        };
    }
    let mut results = Vec::new();
    for name in argv {
        results.push(daemon.container_start(name).await.or_else(not_modified));
    }
    Outcome::of(results)
}

async fn remove(daemon: &Daemon, argv: &[&str]) -> Outcome {
    let mut options = RemoveOptions::default();
    let mut results = Vec::new();
    for word in argv {
        match *word {
            "-f" => options.force = true,
            "-v" => options.volumes = true,
            "-fv" | "-vf" => {
                options = RemoveOptions {
                    force: true,
                    volumes: true,
                }
            }
            name => results.push(daemon.container_remove(name, options).await),
        }
    }
    Outcome::of(results)
}

async fn copy(daemon: &Daemon, from: &str, to: &str) -> Outcome {
    let (requests, (name, path)) = match (from.split_once(':'), to.split_once(':')) {
        (Some(from), _) => (1, from),
        (None, Some(to)) => (2, to),
        (None, None) => panic!("nothing of a container is copied"),
    };
    let mut results = Vec::new();
    for _ in 0..requests {
        results.push(daemon.container_files(name, path, |_| Ok(())).await);
    }
    Outcome::of(results)
}

async fn inspect(daemon: &Daemon, argv: &[&str]) -> Outcome {
    let (format, names) = match argv {
        ["-f", format, names @ ..] => (*format, names),
        names => ("", names),
    };
    let mut lines = Vec::new();
    let mut missing = false;
    for name in names {
        if let Ok(info) = daemon.container_inspect(name).await {
            let state = &info.state;
            match format {
                "{{json .Mounts}}" => lines.push(json!(info.mounts).to_string()),
                "{{json .State}}" => lines.push(
                    json!({
                        "Status": state.status().name(), "ExitCode": state.exit_code,
                        "Error": state.error,
                    })
                    .to_string(),
                ),
                "{{.State.Status}}" => lines.push(state.status().name().to_owned()),
                "{{.State.Error}}" => lines.push(state.error.clone()),
                "{{.RestartCount}}" => lines.push(info.restart_count.to_string()),
                _ => return Outcome::default(),
            }
        } else if !IMAGES.contains(name) {
            missing |= daemon.volume_inspect(name).await.is_err();
        } else {
            return Outcome::default();
        }
    }
    Outcome {
        exit: Some(i32::from(missing)),
        stdout: (!lines.is_empty()).then(|| lines.join("\n")),
        ..Outcome::default()
    }
}

/// A request to the Engine API; status and message.
pub(crate) async fn api(daemon: &Daemon, argv: &[String]) -> (u16, String) {
    let body: Value = serde_json::from_str(&argv[2]).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let path = argv[1].as_str();
    let result = if path == "/volumes/create" {
        let asked = VolumeCreate {
            name: text(&body["Name"]),
            driver: text(&body["Driver"]),
            ..VolumeCreate::default()
        };
        daemon.volume_create(asked).await.map(drop)
    } else if let Some((_, name)) = path.split_once("/containers/create?name=") {
        let host = &body["HostConfig"];
        let asked = ContainerCreate {
            name: name.to_owned(),
            image: text(&body["Image"]),
            binds: host["Binds"].as_array().unwrap().iter().map(text).collect(),
            volume_driver: text(&host["VolumeDriver"]),
            ..ContainerCreate::default()
        };
        daemon.container_create(asked).await.map(drop)
    } else {
        panic!("unknown request {path}");
    };
    match result {
        Ok(()) => (201, String::new()),
        Err(error) => (error.status(), error.to_string()),
    }
}
