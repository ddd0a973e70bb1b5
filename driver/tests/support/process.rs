//! The driver as a process of its own.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{Client, wait_until};

/// A place for a driver: socket, data root and log in a directory of their own.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
    /// The subcommand and what belongs to it.
    storage: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Place {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            storage: vec!["local".to_owned()],
            environment: Vec::new(),
        }
    }

    /// The same place for another kind of storage: the subcommand and its options.
    #[must_use]
    pub fn on(mut self, storage: &[&str]) -> Self {
        self.storage = storage.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The same with one more variable in the driver's environment.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("plug.sock")
    }

    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Starts the driver here and waits until it answers.
    pub fn start(&self) -> Driver {
        self.start_with(&[])
    }

    pub fn start_with(&self, arguments: &[&str]) -> Driver {
        let child = self
            .command(arguments)
            .stderr(File::create(self.path("log")).unwrap())
            .spawn()
            .unwrap();
        let mut driver = Driver {
            child,
            socket: self.socket(),
        };
        wait_until("the driver listens", || {
            if let Some(status) = driver.child.try_wait().unwrap() {
                panic!("the driver ended with {status}: {}", self.log());
            }
            Client::try_connect(&driver.socket).is_ok()
        });
        driver
    }

    /// Runs the driver where it is expected to end by itself.
    pub fn fails(&self, arguments: &[&str]) -> String {
        let Output { status, stderr, .. } = self.command(arguments).output().unwrap();
        let text = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{text}");
        let line = text.lines().last().unwrap_or_default().to_owned();
        assert!(line.starts_with("volplug-driver: cannot "), "{text}");
        line
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_volplug-driver"));
        command
            .args(&self.storage)
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        if !arguments.contains(&"--socket") {
            command.arg("--socket").arg(self.socket());
        }
        if !arguments.contains(&"--data-root") {
            command.arg("--data-root").arg(self.root());
        }
        command
    }
}

/// A running driver; killed when dropped.
#[derive(Debug)]
pub struct Driver {
    pub child: Child,
    socket: PathBuf,
}

impl Driver {
    pub fn client(&self) -> Client {
        Client::connect(&self.socket)
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    /// SIGKILL, and wait for the end.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9));
    }

    /// SIGTERM, and wait for the end.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.child.wait().unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
