//! An engine to run scripts against, real or ours, with a plugin of its own.

use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::plugin::Plugin;
use super::scripts::Script;
use super::transcript::Transcript;
use super::volumes::Volumes;

/// Where a real dockerd looks for sockets.
const SOCKETS: &str = "/run/docker/plugins";

/// The name of the plugin of every script.
const PLUGIN: &str = "mine";

pub(crate) struct Engine {
    host: String,
    plugin: Plugin,
    directory: TempDir,
    process: Option<Child>,
}

impl Engine {
    /// The engine of `ci/real-engine`. Any other that DOCKER_HOST may name belongs to somebody, who
    /// would not like what the scripts do to it.
    pub(crate) fn real() -> Option<Self> {
        std::env::var_os("VOLPLUG_DOCKERD")?;
        let host = std::env::var("DOCKER_HOST").ok()?;
        let directory = tempfile::tempdir().unwrap();
        Some(Self {
            host,
            plugin: plugin(Path::new(SOCKETS), directory.path()),
            directory,
            process: None,
        })
    }

    /// This project's, which plays the version that a real one told: `20.10.24+dfsg1`.
    pub(crate) fn ours(version: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let sockets = path("sockets");
        std::fs::create_dir(&sockets).unwrap();
        let release: Vec<&str> = version.split('.').take(2).collect();
        let socket = path("docker.sock");
        let process = Command::new(env!("CARGO_BIN_EXE_fake-dockerd"))
            .arg(format!("--host=unix://{}", socket.display()))
            .args(["--engine", &release.join("."), "--log-level", "error"])
            .arg("--data-root")
            .arg(path("data"))
            .arg("--sockets-dir")
            .arg(&sockets)
            .arg("--specs-dir")
            .arg(path("specs"))
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while !socket.exists() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "fake-dockerd does not start"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Self {
            host: format!("unix://{}", socket.display()),
            plugin: plugin(&sockets, directory.path()),
            directory,
            process: Some(process),
        }
    }

    /// What it says its version is.
    pub(crate) fn version(&self) -> String {
        let output = self.docker(&["version", "--format", "{{.Server.Version}}"]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs every command of a script, and removes what it leaves.
    pub(crate) fn run(&self, script: &Script) -> Transcript {
        self.plugin.take_whole();
        let mut transcript = Transcript::new(self.directory.path());
        for line in script.commands {
            let words: Vec<&str> = line.split_whitespace().collect();
            transcript.ended(line, &self.docker(&words));
        }
        for (list, remove) in [
            (&["ps", "-aq"][..], &["rm", "-f", "-v"][..]),
            (&["volume", "ls", "-q"], &["volume", "rm"]),
        ] {
            let left = String::from_utf8(self.docker(list).stdout).unwrap();
            let left: Vec<&str> = left.split_whitespace().collect();
            if !left.is_empty() {
                let output = self.docker(&[remove, &left[..]].concat());
                assert!(output.status.success(), "{}: {output:?}", script.name);
            }
        }
        transcript.called(self.plugin.take_whole());
        transcript
    }

    fn docker(&self, arguments: &[&str]) -> Output {
        Command::new("docker")
            .args(["-H", &self.host])
            .args(arguments)
            // No settings of whoever runs the tests.
            .env("DOCKER_CONFIG", self.directory.path())
            .env_remove("DOCKER_HOST")
            .current_dir(self.directory.path())
            .output()
            .unwrap()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A plugin with volumes below `directory`, found in `sockets`.
fn plugin(sockets: &Path, directory: &Path) -> Plugin {
    let volumes = Volumes::below(&directory.join("volumes"));
    Plugin::start(sockets, PLUGIN, move |path, body| {
        volumes.answer(path, body).map(Some)
    })
}
