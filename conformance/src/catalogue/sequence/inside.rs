//! The containers of a sequence: processes that look into their volumes, and run nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fake_dockerd::BoundMount;
use fake_dockerd::runtime::{
    About, BoxFuture, ExecSpec, HostPaths, Images, Process, ProcessSpec, Runtime, StartError,
};
use tokio::sync::watch;

use super::files::{Seen, within};

/// What the image has at its one path with files.
const IMAGE_FILE: (&str, &str) = ("passwd", "root:x:0:0:root:/root:/bin/sh\n");

/// The path at which the image has files.
const IMAGE_PATH: &str = "/etc";

/// Every container of a sequence, and what was seen in them.
#[derive(Debug)]
pub(super) struct Containers {
    pub(super) seen: Arc<Seen>,
    /// Where the engine keeps volumes of its own driver.
    local: PathBuf,
    running: Mutex<BTreeMap<String, Arc<Running>>>,
    /// What the last process complained about.
    said: Mutex<Option<String>>,
    /// The path in a container at which a volume of the engine's own was to be.
    shadow: Mutex<Option<String>>,
    /// Whether a mountpoint was no directory.
    unusable: AtomicBool,
}

impl Containers {
    pub(super) fn new(seen: Arc<Seen>, local: PathBuf) -> Self {
        Self {
            seen,
            local,
            running: Mutex::default(),
            said: Mutex::default(),
            shadow: Mutex::default(),
            unusable: AtomicBool::new(false),
        }
    }

    /// The containers whose process runs, by ID.
    pub(super) fn running(&self) -> Vec<(String, Arc<Running>)> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, process| process.ended.borrow().is_none());
        running
            .iter()
            .map(|(id, process)| (id.clone(), Arc::clone(process)))
            .collect()
    }

    /// What the last process that failed complained about.
    pub(super) fn take_complaint(&self) -> Option<String> {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Where a container would have run on a volume of the engine's own: it was not started.
    pub(super) fn take_shadow(&self) -> Option<String> {
        self.shadow
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Whether a mountpoint was no directory.
    pub(super) fn take_unusable(&self) -> bool {
        self.unusable.swap(false, Ordering::Relaxed)
    }

    fn complain(&self, what: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        *said = Some(what);
    }

    /// What a container runtime finds at the sources of its mounts.
    async fn enter(&self, mounts: Vec<BoundMount>) -> Result<Vec<Inside>, StartError> {
        let mut inside = Vec::new();
        for mount in mounts {
            let source = PathBuf::from(&mount.source);
            let missing = || {
                self.unusable.store(true, Ordering::Relaxed);
                StartError::UnusableSource {
                    source: mount.source.clone(),
                    destination: mount.destination.clone(),
                    why: "no such file or directory".to_owned(),
                }
            };
            // dockerd would hand the directory of the container's own bundle to it.
            if !source.is_absolute() {
                return Err(missing());
            }
            if source.starts_with(&self.local) {
                let path = mount.destination;
                let mut shadow = self.shadow.lock().unwrap_or_else(PoisonError::into_inner);
                *shadow = Some(path.clone());
                return Err(StartError::Other(format!("{path} is a local volume")));
            }
            if self.seen.sees() && !self.seen.is_directory(&source).await.unwrap_or(false) {
                return Err(missing());
            }
            inside.push(Inside {
                real: self.seen.kernel_mount(&source).await,
                source,
                destination: mount.destination,
                writable: mount.writable,
                files: Mutex::default(),
            });
        }
        Ok(inside)
    }

    /// Runs one command: the exit code.
    async fn act(&self, command: &[String], mounts: &[Inside]) -> Result<i32, StartError> {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let result = match words.as_slice() {
            ["true", ..] => Ok(()),
            ["false", ..] => Err("false".to_owned()),
            ["no-such-command", ..] => {
                return Err(StartError::CommandNotFound("no-such-command".to_owned()));
            }
            ["cat", paths @ ..] => self.cat(paths, mounts).await,
            ["test", "!", "-e", path] => match host_path(path, mounts) {
                Some((_, path)) => self.seen.check_absent(path).await,
                None => Ok(()),
            },
            ["mkdir", path] => match host_path(path, mounts) {
                Some((_, path)) => self.seen.make_directory(path).await,
                None => Ok(()),
            },
            ["sh", "-c", script] => self.echo(script, mounts).await,
            _ => return Err(StartError::Other(format!("not understood: {command:?}"))),
        };
        Ok(match result {
            Ok(()) => 0,
            Err(complaint) => {
                self.complain(complaint);
                1
            }
        })
    }

    async fn cat(&self, paths: &[&str], mounts: &[Inside]) -> Result<(), String> {
        for path in paths {
            if let Some((mount, host)) = host_path(path, mounts) {
                self.seen.check(host.clone()).await?;
                mount.watch(host);
            }
        }
        Ok(())
    }

    /// `echo TEXT > PATH`.
    async fn echo(&self, script: &str, mounts: &[Inside]) -> Result<(), String> {
        let (text, path) = script.split_once(" > ").ok_or("not understood")?;
        let text = text.trim_start_matches("echo ");
        let Some((mount, host)) = host_path(path, mounts) else {
            return Ok(());
        };
        if !mount.writable {
            return Err(format!("{path}: Read-only file system"));
        }
        if self.seen.write(host.clone(), &format!("{text}\n")).await? {
            mount.watch(host);
        }
        Ok(())
    }
}

/// A path of the container's on the host, and the mount that it is in.
fn host_path<'a>(path: &str, mounts: &'a [Inside]) -> Option<(&'a Inside, PathBuf)> {
    let holding = |mount: &&Inside| Path::new(path).starts_with(&mount.destination);
    let mount = mounts
        .iter()
        .filter(holding)
        .max_by_key(|mount| mount.destination.len())?;
    let rest = Path::new(path).strip_prefix(&mount.destination).ok()?;
    Some((mount, mount.source.join(rest)))
}

/// A process that does what its command says, and nothing more.
#[derive(Debug)]
pub(super) struct Running {
    containers: std::sync::Weak<Containers>,
    /// Its mounts, outer paths first.
    pub(super) mounts: Vec<Inside>,
    ended: watch::Sender<Option<i32>>,
}

/// A volume as its container has it.
#[derive(Debug)]
pub(super) struct Inside {
    /// Where it is on the host, as the plugin answered.
    pub(super) source: PathBuf,
    /// Where the kernel showed it when the container started.
    pub(super) real: Option<PathBuf>,
    /// Where it is in the container.
    pub(super) destination: String,
    writable: bool,
    /// Files that the container wrote or read.
    files: Mutex<Vec<PathBuf>>,
}

impl Inside {
    fn watch(&self, path: PathBuf) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.contains(&path) {
            files.push(path);
        }
    }

    /// Files that the container wrote or read, on the host.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.clone()
    }
}

/// How a process ends that a signal ends.
const KILLED: i32 = 137;

impl Process for Running {
    fn wait(&self) -> BoxFuture<'_, i32> {
        let mut ended = self.ended.subscribe();
        Box::pin(async move {
            let end = ended.wait_for(Option::is_some).await;
            end.ok().and_then(|end| *end).unwrap_or(KILLED)
        })
    }

    /// Every signal ends it: ten seconds of patience teach nothing about a plugin.
    fn signal(&self, _signal: i32) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            ended.get_or_insert(KILLED);
            first
        });
    }

    /// What runs beside the process is over when it is there: commands only look and write.
    fn exec(&self, spec: ExecSpec) -> BoxFuture<'_, Result<Arc<dyn Process>, StartError>> {
        Box::pin(async move {
            let code = match self.containers.upgrade() {
                Some(containers) => containers.act(&spec.command, &self.mounts).await?,
                None => KILLED,
            };
            let over = Self {
                containers: std::sync::Weak::clone(&self.containers),
                mounts: Vec::new(),
                ended: watch::Sender::new(Some(code)),
            };
            Ok(Arc::new(over) as Arc<dyn Process>)
        })
    }
}

/// The runtime that an engine is given: the containers outlive it.
#[derive(Debug, Clone)]
pub(super) struct Shared(pub(super) Arc<Containers>);

impl Runtime for Shared {
    fn about(&self) -> About {
        About {
            name: "sequence",
            warnings: Vec::new(),
        }
    }

    fn start(&self, spec: ProcessSpec) -> BoxFuture<'_, Result<Arc<dyn Process>, StartError>> {
        Box::pin(async move {
            let mounts = self.0.enter(spec.mounts).await?;
            let sleeps = spec.command.first().is_some_and(|name| name == "sleep");
            let ended = if sleeps {
                None
            } else {
                Some(self.0.act(&spec.command, &mounts).await?)
            };
            let process = Arc::new(Running {
                containers: Arc::downgrade(&self.0),
                mounts,
                ended: watch::Sender::new(ended),
            });
            let mut running = self
                .0
                .running
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            running.insert(spec.container, Arc::clone(&process));
            Ok(process as Arc<dyn Process>)
        })
    }

    fn find(&self, container: &str, _kept: &Path) -> Option<Arc<dyn Process>> {
        let running = self.0.running();
        let (_, process) = running.into_iter().find(|(id, _)| id == container)?;
        Some(process as Arc<dyn Process>)
    }
}

impl Images for Shared {
    fn has_path(&self, _image: &str, path: &str) -> bool {
        path == IMAGE_PATH
    }

    /// As dockerd: into an empty directory only.
    fn copy_path(&self, _image: &str, _path: &str, to: &Path) -> std::io::Result<()> {
        let seen = &self.0.seen;
        if !seen.sees() {
            return Ok(());
        }
        let directory = to.to_owned();
        let listed = within(seen.limit, move || {
            Ok(std::fs::read_dir(directory)?.next().is_none())
        });
        if listed.is_err() {
            self.0.unusable.store(true, Ordering::Relaxed);
        }
        if listed? {
            let (name, content) = IMAGE_FILE;
            seen.write_now(to.join(name), content)
                .map_err(std::io::Error::other)?;
        }
        Ok(())
    }
}

impl HostPaths for Shared {
    fn exists(&self, path: &Path) -> bool {
        if !self.0.seen.sees() {
            return true;
        }
        let path = path.to_owned();
        let there = within(self.0.seen.limit, move || path.symlink_metadata()).is_ok();
        if !there {
            self.0.unusable.store(true, Ordering::Relaxed);
        }
        there
    }
}
