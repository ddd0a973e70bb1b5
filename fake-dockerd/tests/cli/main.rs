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
#[expect(dead_code, reason = "the engine finds the socket by itself")]
mod plugin;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::Duration;

use fake_dockerd::PluginCall;
use libtest_mimic::{Arguments, Trial};
use plugin::Plugin;
use tempfile::TempDir;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let missing = Command::new("docker").arg("--version").output().is_err();
    let tests: [(&str, fn()); 3] = [
        ("volumes_and_their_trace", volumes_and_their_trace),
        (
            "containers_end_as_they_should",
            containers_end_as_they_should,
        ),
        ("over_tcp", over_tcp),
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

struct Engine {
    root: TempDir,
    process: Child,
    plugin: Plugin,
}

impl Engine {
    fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        let plugin = Plugin::start(root.path(), "mine", |_, _| None);
        let path = |name: &str| root.path().join(name);
        let process = Command::new(env!("CARGO_BIN_EXE_fake-dockerd"))
            .arg(format!("--host=unix://{}", path("docker").display()))
            .arg("--sockets-dir")
            .arg(root.path())
            .arg("--specs-dir")
            .arg(path("specs"))
            .arg("--data-root")
            .arg(path("state"))
            .arg("--run=off")
            .arg("--trace")
            .arg(path("trace.jsonl"))
            .spawn()
            .unwrap();
        let engine = Self {
            root,
            process,
            plugin,
        };
        for _ in 0..200 {
            if engine.path("docker").exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        engine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn docker(&self, arguments: &[&str]) -> Output {
        let host = format!("unix://{}", self.path("docker").display());
        docker(&host, arguments)
    }

    fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

fn docker(host: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new("docker");
    command.args(["-H", host]).args(arguments);
    command.output().unwrap()
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
    let refused = engine.docker(&["commit", "x"]);
    let refused = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.contains("does not serve POST /commit"), "{refused}");

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
    let attached = docker(host, &["run", "--rm", "busybox", "sh", "-c", "exit 3"]);
    let listed = docker(host, &["ps", "-aq"]);
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(attached.status.code(), Some(3), "{attached:?}");
    assert_eq!((listed.status.code(), listed.stdout), (Some(0), Vec::new()));
}
