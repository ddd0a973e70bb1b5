//! The daemon's binary, driven by the real docker CLI. Where there is none the tests are ignored,
//! with the reason in their names, and never passed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../daemon/plugin.rs"]
mod plugin;

#[expect(dead_code, reason = "some of it is for what runs")]
mod engine;
mod files;
mod restarts;
mod system;

use std::io::{BufRead as _, BufReader};

use std::process::{Command, ExitCode, Stdio};

use engine::{Engine, docker};
use fake_dockerd::PluginCall;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let missing = Command::new("docker").arg("--version").output().is_err();
    let tests: [(&str, fn()); 12] = [
        ("volumes_and_their_trace", volumes_and_their_trace),
        (
            "containers_end_as_they_should",
            containers_end_as_they_should,
        ),
        ("over_tcp", over_tcp),
        ("files_are_copied_in_and_out", files::copied_in_and_out),
        ("nothing_is_copied_out_of_bounds", files::within_bounds),
        ("imported_content_is_in_new_volumes", files::imported),
        ("networks_are_names", system::networks),
        ("events_are_told_later_too", system::events),
        ("containers_are_picked_by_filters", system::filters),
        (
            "wrong_filters_are_worded_as_by_each_engine",
            system::wrong_filters,
        ),
        ("what_is_not_there_is_said_so", system::absent),
        ("live_restore_without_processes", restarts::live_restore),
    ];
    let trials = tests.into_iter().map(|(name, test)| {
        let reason = if missing {
            " (skipped: no docker CLI)"
        } else {
            ""
        };
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(format!("{name}{reason}"), run).with_ignored_flag(missing)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn volumes_and_their_trace() {
    let engine = Engine::start();
    assert_eq!(
        engine.stdout(&["volume", "create", "-d", "mine", "v"]),
        "v\n"
    );
    assert_eq!(
        engine.plugin.take(),
        ["Activate", "Capabilities", "Get v"],
        "the plugin has every volume"
    );
    assert_eq!(engine.stdout(&["volume", "rm", "v"]), "v\n");
    assert_eq!(engine.plugin.take(), ["Get v", "Get v", "Remove v"]);
    for (command, endpoint) in [
        (["diff", "x"], "GET /containers/x/changes"),
        (["export", "x"], "GET /containers/x/export"),
        (["commit", "x"], "POST /commit"),
    ] {
        let refused = engine.refused(&command);
        let said = format!("does not serve {endpoint}");
        assert!(refused.contains(&said), "{refused}");
    }

    let trace = std::fs::read_to_string(engine.path("trace.jsonl")).unwrap();
    let calls: Vec<PluginCall> = trace
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = calls.last().unwrap();
    assert_eq!(last.command, "DELETE /volumes/v");
    assert_eq!(last.path, "/VolumeDriver.Remove");
    assert_eq!(last.request, "{\"Name\":\"v\"}\n");
    assert_eq!((last.status, last.seq), (Some(200), calls.len() as u64));
}

fn containers_end_as_they_should() {
    let engine = Engine::start();
    let run = [
        "run",
        "--rm",
        "-v",
        "v:/d",
        "--volume-driver",
        "mine",
        "busybox",
    ];
    for (command, code) in [("true", 0), ("false", 1), ("/nosuch", 127)] {
        let output = engine.docker(&[&run[..], &[command]].concat());
        assert_eq!(output.status.code(), Some(code), "{command}: {output:?}");
    }
    engine.stdout(&["run", "-d", "--name", "c1", "busybox", "top"]);
    assert_eq!(engine.stdout(&["ps", "--format", "{{.Names}}"]), "c1\n");
    engine.stdout(&["stop", "c1"]);
    engine.stdout(&["rm", "-f", "c1"]);
    // Whether it runs on is decided when it is started: with somebody attached or not.
    engine.stdout(&["create", "--name", "c2", "busybox", "top"]);
    engine.stdout(&["start", "c2"]);
    assert_eq!(engine.stdout(&["ps", "--format", "{{.Names}}"]), "c2\n");
    engine.stdout(&["kill", "c2"]);
    engine.stdout(&["start", "-a", "c2"]);
    assert_eq!(engine.stdout(&["ps", "-q"]), "");
    engine.stdout(&["rm", "c2"]);
    assert_eq!(engine.stdout(&["ps", "-aq"]), "");
}

fn over_tcp() {
    let root = tempfile::tempdir().unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_fake-dockerd"))
        .arg("--host=tcp://127.0.0.1:0")
        .arg("--data-root")
        .arg(root.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("API listen on") {
        assert_ne!(log.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let host = said.split("API listen on ").nth(1).unwrap().trim();
    let attached = docker(host, &["run", "--rm", "busybox", "sh", "-c", "exit 3"], "");
    let listed = docker(host, &["ps", "-aq"], "");
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(attached.status.code(), Some(3), "{attached:?}");
    assert_eq!((listed.status.code(), listed.stdout), (Some(0), Vec::new()));
}
