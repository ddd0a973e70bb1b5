//! The daemon's binary, driven by clients other than the docker CLI. A client that is not there is
//! a test that is ignored, with the reason in its name, and never passed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../cli/engine.rs"]
#[allow(dead_code, reason = "not every client needs all of it")]
mod engine;
#[path = "../daemon/plugin.rs"]
mod plugin;

mod bollard;

use std::path::Path;
use std::process::{Command, ExitCode, Output};

use engine::Engine;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let no_python = python().is_none().then_some("no docker package of PyPI");
    let no_compose = compose().is_none().then_some("no docker-compose");
    let trials = vec![
        trial("bollard", None, bollard::drives),
        trial("docker_py", no_python, docker_py),
        trial("compose", no_compose, compose_up_and_down),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, missing: Option<&str>, test: fn()) -> Trial {
    let reason = missing.map(|missing| format!(" (skipped: {missing})"));
    let run = move || {
        test();
        Ok(())
    };
    Trial::test(format!("{name}{}", reason.unwrap_or_default()), run)
        .with_ignored_flag(missing.is_some())
}

/// A Python that has the package: `ci/test` names one.
fn python() -> Option<String> {
    let named = std::env::var("VOLPLUG_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import = Command::new(&named).args(["-c", "import docker"]).output();
    import
        .is_ok_and(|run| run.status.success())
        .then_some(named)
}

/// Compose as a plugin of the CLI, or as a command of its own.
fn compose() -> Option<Vec<&'static str>> {
    [vec!["docker", "compose"], vec!["docker-compose"]]
        .into_iter()
        .find(|words| {
            let mut compose = Command::new(words[0]);
            let version = compose.args(&words[1..]).arg("version").output();
            version.is_ok_and(|run| run.status.success())
        })
}

fn succeed(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

fn docker_py() {
    let engine = Engine::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/docker_py.py");
    let mut python = Command::new(python().unwrap());
    succeed(&python.arg(script).arg(engine.address()).output().unwrap());
    let calls = engine.plugin.take();
    let of = |call: &str| calls.iter().filter(|name| name.starts_with(call)).count();
    assert_eq!(of("Mount py"), of("Unmount py"), "{calls:?}");
    // The script's last words are to list, in the oldest version of the API.
    assert!(
        calls.ends_with(&["Remove py".into(), "List".into()]),
        "{calls:?}"
    );
}

fn compose_up_and_down() {
    let engine = Engine::start();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/compose.yaml");
    let words = compose().unwrap();
    let run = |arguments: &[&str]| {
        let mut compose = Command::new(words[0]);
        compose.args(&words[1..]).args(["-p", "project", "-f"]);
        compose.arg(&file).args(arguments);
        succeed(
            &compose
                .env("DOCKER_HOST", engine.address())
                .output()
                .unwrap(),
        );
    };
    run(&["up", "-d"]);
    let calls = engine.plugin.take();
    let name = "project_shared";
    let mounts: Vec<&String> = calls
        .iter()
        .filter(|call| call.starts_with(&format!("Mount {name} ")))
        .collect();
    assert_eq!(mounts.len(), 2, "one for each service: {calls:?}");
    assert_ne!(mounts[0], mounts[1], "with IDs of their own");
    let running = engine.stdout(&[
        "ps",
        "--format",
        "{{.Label \"com.docker.compose.service\"}}",
    ]);
    let mut running: Vec<&str> = running.lines().collect();
    running.sort_unstable();
    assert_eq!(running, ["reader", "writer"]);
    // Again changes nothing.
    run(&["up", "-d"]);
    assert!(
        !engine
            .plugin
            .take()
            .iter()
            .any(|call| call.starts_with("Mount"))
    );

    run(&["down", "-v", "-t", "0"]);
    let calls = engine.plugin.take();
    let unmounts = calls.iter().filter(|call| call.starts_with("Unmount"));
    assert_eq!(unmounts.count(), 2, "{calls:?}");
    assert_eq!(calls.last().unwrap(), &format!("Remove {name}"));
    let networks = engine.stdout(&["network", "ls", "--format", "{{.Name}}"]);
    assert_eq!(networks, "bridge\nhost\nnone\n");
}
