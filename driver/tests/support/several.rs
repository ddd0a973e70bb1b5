//! A driver process that is started with any command line, and what it needs around it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{Client, wait_until};

pub const BINARY: &str = env!("CARGO_BIN_EXE_volplug-driver");

/// A directory for a driver's files, and the log of the last one started.
#[derive(Debug)]
pub struct Yard {
    directory: TempDir,
}

impl Yard {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// One `[[plugin]]` on directories of this yard.
    pub fn plugin(&self, name: &str, more: &str) -> String {
        format!(
            "[[plugin]]\nname = {name:?}\nbackend = \"local\"\nsocket = {:?}\ndata-root = {:?}\n{more}\n",
            self.path(&format!("{name}.sock")),
            self.path(&format!("{name}.root")),
        )
    }

    /// Starts a program of which the driver is a part, its stderr in the log.
    pub fn spawn(&self, command: &mut Command) -> Process {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.path("log")).unwrap())
            .spawn()
            .unwrap();
        Process(child)
    }

    /// Starts the driver and waits until a socket answers.
    pub fn start(&self, arguments: &[&str], socket: &Path) -> Process {
        let mut process = self.spawn(Command::new(BINARY).args(arguments));
        wait_until("the driver listens", || {
            if let Some(status) = process.0.try_wait().unwrap() {
                panic!("the driver ended with {status}: {}", self.log());
            }
            Client::try_connect(socket).is_ok()
        });
        process
    }

    /// Runs the driver where it is expected to end by itself, and returns its last words.
    #[track_caller]
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = Command::new(BINARY).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let line = text.lines().last().unwrap_or_default().to_owned();
        assert!(line.starts_with("volplug-driver: cannot "), "{text}");
        line
    }

    /// Waits until the log says something.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        wait_until(&format!("the log says {text:?}"), || {
            self.log().contains(text)
        });
    }
}

/// A process; killed when dropped.
#[derive(Debug)]
pub struct Process(pub Child);

impl Process {
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }

    /// SIGTERM, and wait for the end.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.0.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
