//! The daemon's binary with a plugin, in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::time::Duration;

use tempfile::TempDir;

use crate::plugin::Plugin;

pub(crate) struct Engine {
    root: TempDir,
    process: Child,
    pub(crate) plugin: Plugin,
}

impl Engine {
    /// The newest engine. Each volume of the plugin is a directory of [`Self::volume`].
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// An engine with more arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let volumes = root.path().join("volumes");
        let plugin = Plugin::start(root.path(), "mine", move |path, body| {
            if path != "/VolumeDriver.Mount" {
                return None;
            }
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            let volume = volumes.join(body["Name"].as_str().unwrap());
            std::fs::create_dir_all(&volume).unwrap();
            let answer = serde_json::json!({ "Mountpoint": volume });
            Some(Some(answer.to_string()))
        });
        let process = launch(root.path(), arguments);
        Self {
            root,
            process,
            plugin,
        }
    }

    /// Kills the daemon and starts it again.
    pub(crate) fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::fs::remove_file(self.path("docker")).unwrap();
        self.process = launch(self.root.path(), &[]);
    }

    /// Where the plugin keeps a volume.
    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.path("volumes").join(name)
    }

    /// The address.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path("docker").display())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> Output {
        docker(&self.host(), arguments)
    }

    pub(crate) fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the CLI says when it fails.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// Runs the CLI against an engine at `host`.
pub(crate) fn docker(host: &str, arguments: &[&str]) -> Output {
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

fn launch(root: &Path, arguments: &[&str]) -> Child {
    let path = |name: &str| root.join(name);
    let process = Command::new(env!("CARGO_BIN_EXE_fake-dockerd"))
        .arg(format!("--host=unix://{}", path("docker").display()))
        .arg("--sockets-dir")
        .arg(root)
        .arg("--specs-dir")
        .arg(path("specs"))
        .arg("--data-root")
        .arg(path("state"))
        .arg("--trace")
        .arg(path("trace.jsonl"))
        .arg("--run=off")
        .args(arguments)
        .spawn()
        .unwrap();
    for _ in 0..500 {
        if path("docker").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}
