//! A runtime that runs nothing.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    About, BoxFuture, ExecSpec, HostPaths, Process, ProcessSpec, RealPaths, Runtime, StartError,
    source_of,
};
use crate::clock::Clock;

/// The file of a process that outlives its engine.
const LIFE: &str = "pretended.json";
const SIGKILL: i32 = 9;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// A process that a signal ended tells so by its exit code.
const KILLED: i32 = 128 + SIGKILL;

/// Knows how a few commands end, and pretends.
///
/// `true`, `false`, `sleep N` and `sh -c 'exit N'` end as they would. A command whose name says that
/// it does not exist (`/nosuchcmd`) is not found. Anything else ends at once with 0, or runs until
/// it is stopped if nobody waits for its output.
#[derive(Debug)]
pub struct Simulated {
    clock: Clock,
    host: Arc<dyn HostPaths>,
    running: Mutex<HashMap<String, Weak<Pretended>>>,
    /// Why nothing is run, for `docker info`.
    warning: Option<String>,
}

impl Default for Simulated {
    fn default() -> Self {
        Self::new(Clock::REAL, Arc::new(RealPaths))
    }
}

impl Simulated {
    /// A runtime in which time passes as on `clock`, and mounts come from `host`.
    #[must_use]
    pub fn new(clock: Clock, host: Arc<dyn HostPaths>) -> Self {
        Self {
            clock,
            host,
            running: Mutex::default(),
            warning: None,
        }
    }

    /// Says in `docker info` that commands are not run.
    #[must_use]
    pub fn warning(mut self, warning: impl Into<String>) -> Self {
        self.warning = Some(warning.into());
        self
    }

    /// Begins, or goes on with, a life.
    fn pretend(&self, container: String, life: Life) -> Arc<Pretended> {
        let process = Arc::new(Pretended {
            ended: watch::Sender::new(None),
            ignores_term: life.ignores_term,
        });
        if let Some((end, code)) = life.ends {
            let left = Duration::try_from(end.duration_since(Timestamp::now()));
            match left {
                Ok(left) if !left.is_zero() => {
                    let process = Arc::clone(&process);
                    tokio::spawn(async move {
                        tokio::time::sleep(left).await;
                        process.end(code);
                    });
                }
                _ => process.end(code),
            }
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, process| process.strong_count() > 0);
        // The process outlives the daemon that started it.
        running.insert(container, Arc::downgrade(&process));
        keep_until_end(Arc::clone(&process));
        process
    }

    fn check(&self, spec: &ProcessSpec) -> Result<(), StartError> {
        for mount in &spec.mounts {
            let source = source_of(mount, &spec.container);
            // An empty source is the bundle itself, which is there.
            if !mount.source.is_empty() && !self.host.exists(&source) {
                return Err(StartError::UnusableSource {
                    source: source.display().to_string(),
                    destination: mount.destination.clone(),
                    why: "no such file or directory".to_owned(),
                });
            }
        }
        let command = spec.command.first().map(String::as_str).unwrap_or_default();
        if is_missing(command) {
            return Err(StartError::CommandNotFound(command.to_owned()));
        }
        Ok(())
    }
}

/// Whether no image has this command. Nothing is known of images here, so its name has to say so.
fn is_missing(command: &str) -> bool {
    const SAYING: [&str; 5] = ["nosuch", "no-such", "nonexist", "notfound", "not-found"];
    SAYING.iter().any(|word| command.contains(word))
}

impl Runtime for Simulated {
    fn start(&self, spec: ProcessSpec) -> BoxFuture<'_, Result<Arc<dyn Process>, StartError>> {
        Box::pin(async move {
            self.check(&spec)?;
            let ends = match fate(&spec) {
                Fate::Ends(code) => Some((Timestamp::now(), code)),
                Fate::Sleeps(time) => after(self.clock.real(time)).map(|end| (end, 0)),
                Fate::RunsOn => None,
            };
            let life = Life {
                ends,
                ignores_term: matches!(
                    spec.command.first().map(String::as_str),
                    Some("sleep" | "sh" | "tail" | "cat")
                ),
            };
            life.keep(&spec.kept, spec.survives)
                .map_err(|error| StartError::Other(error.to_string()))?;
            Ok(self.pretend(spec.container, life) as Arc<dyn Process>)
        })
    }

    fn find(&self, container: &str, kept: &Path) -> Option<Arc<dyn Process>> {
        let known = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.get(container).cloned()
        };
        let Some(known) = known else {
            let life = Life::kept(kept)?;
            return Some(self.pretend(container.to_owned(), life));
        };
        let process = known.upgrade()?;
        let alive = process.ended.borrow().is_none();
        alive.then_some(process as Arc<dyn Process>)
    }

    fn about(&self) -> About {
        About {
            name: "off",
            warnings: self.warning.iter().cloned().collect(),
        }
    }
}

/// Holds a process for as long as it runs.
fn keep_until_end(process: Arc<Pretended>) {
    tokio::spawn(async move { process.wait().await });
}

/// What is known beforehand of a process, and kept for an engine that takes it over.
#[derive(Debug, Serialize, Deserialize)]
struct Life {
    /// When it ends by itself, and how.
    ends: Option<(Timestamp, i32)>,
    ignores_term: bool,
}

impl Life {
    /// Writes it down, or takes away what was written of the process before.
    fn keep(&self, directory: &Path, survives: bool) -> io::Result<()> {
        let file = directory.join(LIFE);
        if survives {
            fs::create_dir_all(directory)?;
            return fs::write(file, serde_json::to_vec(self)?);
        }
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn kept(directory: &Path) -> Option<Self> {
        let kept = fs::read(directory.join(LIFE)).ok()?;
        serde_json::from_slice(&kept).ok()
    }
}

/// The time in a while; none if that is later than any time.
fn after(time: Duration) -> Option<Timestamp> {
    let time = SignedDuration::try_from(time).ok()?;
    Timestamp::now().checked_add(time).ok()
}

/// How a command goes on.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Ends(i32),
    Sleeps(Duration),
    RunsOn,
}

fn fate(spec: &ProcessSpec) -> Fate {
    let words: Vec<&str> = spec.command.iter().map(String::as_str).collect();
    let known = command_fate(&words, spec);
    known.unwrap_or(if spec.detached {
        Fate::RunsOn
    } else {
        Fate::Ends(0)
    })
}

fn command_fate(words: &[&str], spec: &ProcessSpec) -> Option<Fate> {
    let name = words.first().and_then(|first| first.rsplit('/').next())?;
    Some(match (name, words.get(1..).unwrap_or_default()) {
        ("true" | "ls" | "cat" | "mkdir" | "mount" | "echo", _) => Fate::Ends(0),
        ("false", _) => Fate::Ends(1),
        ("touch" | "rm", paths) => {
            let refused = paths.iter().any(|path| !is_writable(path, spec));
            Fate::Ends(i32::from(refused))
        }
        ("sleep", [seconds, ..]) => {
            let seconds: f64 = seconds.trim_end_matches('s').parse().ok()?;
            Fate::Sleeps(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        }
        ("sh" | "bash" | "ash", ["-c", script, ..]) => {
            let script: Vec<&str> = script.split_whitespace().collect();
            match script.as_slice() {
                ["exit", code] => Fate::Ends(code.parse().ok()?),
                _ => return command_fate(&script, spec),
            }
        }
        _ => return None,
    })
}

/// Whether a path can be written to, by the mounts alone.
fn is_writable(path: &str, spec: &ProcessSpec) -> bool {
    let mounts = spec.mounts.iter().rev();
    let mut under = mounts.filter(|mount| Path::new(path).starts_with(&mount.destination));
    under.next().map_or(!spec.read_only, |mount| mount.writable)
}

/// A process that is not there.
#[derive(Debug)]
struct Pretended {
    ended: watch::Sender<Option<i32>>,
    /// The first process of a container gets only the signals that it asked for; shells and the
    /// like ask for none.
    ignores_term: bool,
}

impl Pretended {
    fn end(&self, code: i32) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            ended.get_or_insert(code);
            first
        });
    }
}

impl Process for Pretended {
    fn wait(&self) -> BoxFuture<'_, i32> {
        let mut ended = self.ended.subscribe();
        Box::pin(async move {
            let end = ended.wait_for(Option::is_some).await;
            end.ok().and_then(|end| *end).unwrap_or(KILLED)
        })
    }

    fn signal(&self, signal: i32) {
        match signal {
            SIGKILL => self.end(KILLED),
            SIGTERM | SIGINT if !self.ignores_term => self.end(0),
            _ => {}
        }
    }

    fn exec(&self, spec: ExecSpec) -> BoxFuture<'_, Result<Arc<dyn Process>, StartError>> {
        Box::pin(async move {
            let name = spec.command.first().map(String::as_str).unwrap_or_default();
            if is_missing(name) {
                return Err(StartError::CommandNotFound(name.to_owned()));
            }
            let code = i32::from(name == "false");
            let process = Arc::new(Pretended {
                ended: watch::Sender::new(Some(code)),
                ignores_term: false,
            });
            Ok(process as Arc<dyn Process>)
        })
    }
}
