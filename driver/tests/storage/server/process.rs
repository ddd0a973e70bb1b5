//! A server as processes of this machine.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    mount::{MsFlags, mount},
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{Control, Kind, free_ports, read_settings, script, shown};

/// How long a server may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// The script and all that it started, in a process group of their own.
#[derive(Debug)]
pub(super) struct Process {
    kind: Kind,
    directory: PathBuf,
    ports: String,
    child: Child,
}

impl Process {
    pub(super) fn start(kind: Kind, directory: &Path) -> (Self, BTreeMap<String, String>) {
        if let Some((part, bytes)) = kind.little_room() {
            limit(&directory.join(part), bytes);
        }
        let ports = shown(&free_ports(kind.ports()));
        let (child, settings) = run(kind, directory, &ports);
        let process = Self {
            kind,
            directory: directory.to_owned(),
            ports,
            child,
        };
        (process, settings)
    }

    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = killpg(group, signal);
    }

    fn end(&mut self) {
        self.signal(Signal::SIGCONT);
        self.signal(Signal::SIGTERM);
        // A master whose disk is full would try to save its metadata for ever.
        let patience = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < patience {
            thread::sleep(Duration::from_millis(5));
        }
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Gives the directory a file system with little room, in the test's own mount namespace.
fn limit(directory: &Path, bytes: u32) {
    fs::create_dir(directory).unwrap();
    let options = format!("mode=0777,size={bytes}");
    let (none, tmpfs) = (None::<&str>, Some("tmpfs"));
    let (flags, options) = (MsFlags::empty(), Some(options.as_str()));
    mount(none, directory, tmpfs, flags, options).unwrap();
}

fn run(kind: Kind, directory: &Path, ports: &str) -> (Child, BTreeMap<String, String>) {
    let mut child = Command::new(script(kind))
        .arg(directory)
        .args(kind.arguments())
        .env("PORTS", ports)
        .env("RPCBIND", "yes")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    while !read_settings(&text).contains_key(kind.last_setting()) {
        let read = output.read_line(&mut text).unwrap();
        assert_ne!(read, 0, "{} has ended: {:?}", kind.name(), child.wait());
    }
    (child, read_settings(&text))
}

impl Control for Process {
    fn pause(&mut self) {
        self.signal(Signal::SIGSTOP);
    }

    fn resume(&mut self) {
        self.signal(Signal::SIGCONT);
    }

    fn restart(&mut self) {
        self.end();
        (self.child, _) = run(self.kind, &self.directory, &self.ports);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
