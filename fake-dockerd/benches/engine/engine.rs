//! The engines that are measured.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::Client;

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    /// The same with containers in which nothing runs.
    Pretending,
    /// The one that `ci/real-engine` brings.
    Real,
}

impl Kind {
    pub(crate) fn here() -> Vec<Self> {
        match std::env::var_os("VOLPLUG_DOCKERD") {
            Some(_) => vec![Self::Ours, Self::Real],
            None => vec![Self::Ours],
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "fake-dockerd",
            Self::Pretending => "with --run off",
            Self::Real => "dockerd",
        }
    }

    /// Starts one with empty directories and waits for its first answer.
    pub(crate) fn start(self) -> Engine {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let (socket, sockets) = (path("docker.sock"), path("sockets"));
        std::fs::create_dir(&sockets).unwrap();
        let host = format!("--host=unix://{}", socket.display());
        let mut command = match self {
            Self::Ours | Self::Pretending => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_fake-dockerd"));
                command.arg("--sockets-dir").arg(&sockets);
                command.arg("--specs-dir").arg(path("specs"));
                command.args(["--engine", "20.10"]);
                if self == Self::Pretending {
                    command.args(["--run", "off"]);
                }
                command
            }
            Self::Real => {
                let mut command = Command::new(std::env::var_os("VOLPLUG_DOCKERD").unwrap());
                command.arg("--exec-root").arg(path("exec"));
                command.arg("--pidfile").arg(path("pid"));
                command
            }
        };
        command.arg(host).arg("--data-root").arg(path("data"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let engine = Engine {
            socket,
            sockets,
            pid: process.id(),
            process: Some(process),
            _directory: directory,
        };
        let begun = Instant::now();
        loop {
            if let Some(mut client) = Client::open(&engine.socket) {
                client.call("GET", "/_ping", "");
                return engine;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{self:?} does not start"
            );
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// One to work with: for the real one, that which runs already and has an image.
    pub(crate) fn ready(self) -> Engine {
        if self != Self::Real {
            return self.start();
        }
        let host = std::env::var("DOCKER_HOST").unwrap();
        let socket = PathBuf::from(host.strip_prefix("unix://").unwrap());
        let pid = std::fs::read_to_string(socket.with_file_name("pid")).unwrap();
        Engine {
            socket,
            sockets: "/run/docker/plugins".into(),
            pid: pid.trim().parse().unwrap(),
            process: None,
            _directory: tempfile::tempdir().unwrap(),
        }
    }
}

pub(crate) struct Engine {
    pub(crate) socket: PathBuf,
    /// Where it looks for plugins.
    pub(crate) sockets: PathBuf,
    pid: u32,
    process: Option<Child>,
    _directory: TempDir,
}

impl Engine {
    /// Its resident memory in bytes; without that of containerd, which a real one starts.
    pub(crate) fn memory(&self) -> u64 {
        let path = Path::new("/proc").join(self.pid.to_string());
        let status = std::fs::read_to_string(path.join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // As a user ends it: a real one would leave its containerd behind otherwise.
            let _ = Command::new("kill").arg(self.pid.to_string()).status();
            let _ = process.wait();
        }
    }
}
