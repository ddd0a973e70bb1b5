//! Real storage for tests: the servers that `ci/storage/` starts, as processes of their own.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// A storage system that runs until this is dropped.
#[derive(Debug)]
pub struct Storage {
    child: Child,
    pub directory: TempDir,
    settings: BTreeMap<String, String>,
}

impl Storage {
    /// Starts `ci/storage/NAME`; `None`, with the reason on stderr, where a program that it or its
    /// client needs is not installed.
    pub fn start(name: &str, arguments: &[&str], programs: &[&str]) -> Option<Self> {
        for program in programs {
            if !is_installed(program) {
                eprintln!("skipped: {program} is not installed");
                return None;
            }
        }
        let began = Instant::now();
        let directory = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../ci/storage")
            .join(name);
        let mut child = Command::new(script)
            .arg(directory.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut settings = BTreeMap::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while settings.len() < 2 {
            let Some(line) = lines.next() else {
                panic!("{name} has ended: {:?}", child.wait());
            };
            if let Some((key, value)) = line.unwrap().split_once('=') {
                settings.insert(key.to_owned(), value.to_owned());
            }
        }
        eprintln!("started {name} in {:.1} s", began.elapsed().as_secs_f32());
        Some(Self {
            child,
            directory,
            settings,
        })
    }

    /// What the script printed, such as `HOST`.
    pub fn setting(&self, key: &str) -> &str {
        &self.settings[key]
    }

    /// Sends a signal to the server whose process ID the script wrote into this file.
    pub fn signal(&self, pid_file: &str, signal: Signal) {
        let pid = fs::read_to_string(self.directory.path().join(pid_file)).unwrap();
        kill(Pid::from_raw(pid.trim().parse().unwrap()), signal).unwrap();
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        let _ = kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            Signal::SIGTERM,
        );
        let _ = self.child.wait();
    }
}

fn is_installed(program: &str) -> bool {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    std::env::split_paths(&path).any(|directory| directory.join(program).exists())
}

/// The processes whose command line holds a text, such as the daemon of one mountpoint.
pub fn processes_with(text: &str) -> Vec<i32> {
    let holds = |path: PathBuf| {
        let words = fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(text)
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let pid = entry.file_name().to_str()?.parse().ok()?;
            holds(entry.path()).then_some(pid)
        })
        .collect()
}
