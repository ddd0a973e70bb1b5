//! A runtime that runs commands of the host, each in a mount namespace of its own.
//!
//! Bubblewrap makes the [`sandbox`]: the container's mounts at their paths, the host's programs
//! read-only, pid, ipc and host name of its own; the network is the host's unless the container
//! has none. Images are only names, so that what runs is the host's `sh`, whatever the image.
//!
//! Processes die with the daemon that started them, also when it is killed: what a plugin mounted
//! for them is not kept busy by a process that nobody can stop any more.

mod launch;
mod lookup;
mod process;
mod sandbox;
mod terminal;
mod tree;
mod user;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::unix::pipe::Receiver;

use self::launch::{Outlet, launch};
use self::process::{HostProcess, Place};
use self::sandbox::{Base, Rights};
use self::user::User;
use super::{About, BoxFuture, Process, ProcessSpec, Runtime, StartError, source_of};

/// Where bubblewrap finds its status and its arguments.
const STATUS_FD: i32 = 3;
const ARGUMENTS_FD: i32 = 4;
/// How often a sandbox is looked at while it becomes the command.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// How often at most: whatever it is then, it runs.
const LOOKS: usize = 2000;
/// How much of bubblewrap's complaint is kept, in bytes.
const COMPLAINT: u64 = 4096;

/// Why commands cannot be run on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(String);

/// Runs commands of the host.
#[derive(Debug)]
pub struct HostRuntime {
    tools: Tools,
    rights: Rights,
    running: Mutex<HashMap<String, Weak<HostProcess>>>,
}

#[derive(Debug, Clone)]
struct Tools {
    bwrap: PathBuf,
    nsenter: PathBuf,
    setpriv: PathBuf,
    setsid: PathBuf,
}

impl Tools {
    fn find() -> Result<Self, Unavailable> {
        let tool = |name: &str, package: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let usual = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
            let mut directories = std::env::split_paths(&path).chain(usual);
            let found = directories.find_map(|directory| {
                let file = directory.join(name);
                (file.is_absolute() && file.is_file()).then_some(file)
            });
            found.ok_or_else(|| Unavailable(format!("{package} ({name}) is not installed")))
        };
        Ok(Self {
            bwrap: tool("bwrap", "bubblewrap")?,
            nsenter: tool("nsenter", "util-linux")?,
            setpriv: tool("setpriv", "util-linux")?,
            setsid: tool("setsid", "util-linux")?,
        })
    }

    /// Makes a sandbox with nothing in it.
    fn try_sandbox(&self, rights: Rights) -> Result<(), Unavailable> {
        let mut command = Command::new(&self.bwrap);
        if rights.user_namespace {
            command.args(["--unshare-user", "--uid", "0", "--gid", "0"]);
        }
        command.args(["--unshare-pid", "--unshare-uts", "--unshare-ipc"]);
        command.args(["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]);
        command.arg("--").arg(&self.bwrap).arg("--version");
        let cannot = |why: &str| {
            let bwrap = self.bwrap.display();
            Unavailable(format!("{bwrap} cannot make a sandbox here: {why}"))
        };
        let output = command
            .output()
            .map_err(|error| cannot(&error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(cannot(String::from_utf8_lossy(&output.stderr).trim()))
    }
}

impl HostRuntime {
    /// Tries what this machine and this user can do.
    ///
    /// # Errors
    /// Why commands cannot be run.
    pub fn probe() -> Result<Self, Unavailable> {
        let tools = Tools::find()?;
        let root = Rights {
            user_namespace: false,
        };
        let other = Rights {
            user_namespace: true,
        };
        let is_root = nix::unistd::geteuid().is_root();
        let rights = if is_root && tools.try_sandbox(root).is_ok() {
            root
        } else {
            tools.try_sandbox(other)?;
            other
        };
        Ok(Self {
            tools,
            rights,
            running: Mutex::default(),
        })
    }

    async fn start_sandbox(&self, mut spec: ProcessSpec) -> Result<Arc<HostProcess>, StartError> {
        find_sources(&mut spec)?;
        let other = |error: std::io::Error| StartError::Other(error.to_string());
        let base = Base::prepare(&spec.rootfs).map_err(other)?;
        let files = base.files(&spec);
        let user = User::parse(&spec.user).map_err(StartError::Other)?;
        let environment = environment(&spec.env, &spec.hostname, spec.tty, &user);
        let path = environment.iter().find(|(key, _)| key == "PATH");
        let path = path.map_or(lookup::PATH, |(_, path)| path);
        let name = spec.command.first().map(String::as_str).unwrap_or_default();
        lookup::command(name, path, &spec.working_dir, &files)?;

        let arguments = sandbox::arguments(&spec, &base, &user, &environment, self.rights);
        let (status, status_end) = std::io::pipe().map_err(other)?;
        let bwrap = self.tools.bwrap.display().to_string();
        let status_fd = STATUS_FD.to_string();
        let arguments_fd = ARGUMENTS_FD.to_string();
        let mut words: Vec<String> = [
            bwrap.as_str(),
            "--json-status-fd",
            &status_fd,
            "--args",
            &arguments_fd,
            "--",
        ]
        .map(str::to_owned)
        .to_vec();
        if !self.rights.user_namespace && (user.uid, user.gid) != (0, 0) {
            words.extend(user.switch(&self.tools.setpriv));
        }
        words.extend(spec.command.iter().cloned());
        let mut command = self.tools.command(words, spec.tty);
        let mappings = vec![
            FdMapping {
                parent_fd: OwnedFd::from(status_end),
                child_fd: STATUS_FD,
            },
            FdMapping {
                parent_fd: in_memory(&arguments).map_err(other)?,
                child_fd: ARGUMENTS_FD,
            },
        ];
        command
            .fd_mappings(mappings)
            .map_err(|error| StartError::Other(error.to_string()))?;
        let mut launched = launch(command, spec.tty, spec.stdin).map_err(other)?;
        let status = Receiver::from_owned_fd(OwnedFd::from(status)).map_err(other)?;
        let mut status = Status(BufReader::new(status).lines());
        let Some(begun) = status.begin(&self.tools.bwrap).await else {
            let said = launched.last_words(COMPLAINT).await;
            return Err(StartError::NotMade(said));
        };
        let outlet = Outlet::new(Arc::clone(&spec.streams));
        launched.connect(spec.stdin, &outlet);
        let place = Place {
            tools: self.tools.clone(),
            rights: self.rights,
            files,
            env: spec.env,
            user: spec.user,
            working_dir: spec.working_dir,
            hostname: spec.hostname,
            has_network: spec.has_network,
        };
        let end = async move {
            match begun.exit_code {
                Some(code) => Some(code),
                None => status.exit_code().await,
            }
        };
        let pid = begun.pid;
        Ok(HostProcess::watch(pid, launched, outlet, Some(place), end))
    }
}

impl Runtime for HostRuntime {
    fn start(&self, spec: ProcessSpec) -> BoxFuture<'_, Result<Arc<dyn Process>, StartError>> {
        Box::pin(async move {
            let container = spec.container.clone();
            let process = self.start_sandbox(spec).await?;
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.retain(|_, process| process.strong_count() > 0);
            running.insert(container, Arc::downgrade(&process));
            Ok(process as Arc<dyn Process>)
        })
    }

    fn find(&self, container: &str) -> Option<Arc<dyn Process>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let process = running.get(container)?.upgrade()?;
        process.is_running().then_some(process as Arc<dyn Process>)
    }

    fn about(&self) -> About {
        About {
            name: "host",
            warnings: Vec::new(),
        }
    }
}

/// Makes sources absolute, and looks whether they can be mounted.
fn find_sources(spec: &mut ProcessSpec) -> Result<(), StartError> {
    for mount in &mut spec.mounts {
        let source = source_of(mount, &spec.container);
        if mount.source.is_empty() {
            // In Docker it is the bundle, which has the root file system in it.
            mount.source = spec.rootfs.display().to_string();
            continue;
        }
        match std::fs::metadata(&source) {
            Ok(_) => mount.source = source.display().to_string(),
            Err(error) => {
                return Err(StartError::UnusableSource {
                    source: source.display().to_string(),
                    destination: mount.destination.clone(),
                    why: go_text(&error),
                });
            }
        }
    }
    Ok(())
}

/// An error of the operating system as Go words it: without a number, in lower case.
fn go_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

/// What the process finds in its environment, as moby's `CreateDaemonEnvironment` puts it together.
fn environment(asked: &[String], hostname: &str, tty: bool, user: &User) -> Vec<(String, String)> {
    let home = user.home.display().to_string();
    let mut all = vec![
        ("PATH".to_owned(), lookup::PATH.to_owned()),
        ("HOSTNAME".to_owned(), hostname.to_owned()),
        ("HOME".to_owned(), home),
    ];
    if tty {
        all.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    for variable in asked {
        let (key, value) = match variable.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (variable.as_str(), None),
        };
        all.retain(|(known, _)| known != key);
        // Without a value it is one that is to be taken away.
        all.extend(value.map(|value| (key.to_owned(), value.to_owned())));
    }
    all
}

/// A file in memory with arguments, which can be many, and secret.
fn in_memory(arguments: &[String]) -> std::io::Result<OwnedFd> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("arguments", flags)?);
    for argument in arguments {
        file.write_all(argument.as_bytes())?;
        file.write_all(&[0])?;
    }
    file.rewind()?;
    Ok(file.into())
}

/// What bubblewrap tells of a sandbox: a JSON object when it is begun, one when it is over.
struct Status(Lines<BufReader<Receiver>>);

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Line {
    child_pid: Option<u32>,
    exit_code: Option<i32>,
}

struct Begun {
    pid: u32,
    /// Known already if it was over at once.
    exit_code: Option<i32>,
}

impl Status {
    async fn next(&mut self) -> Option<Line> {
        let line = self.0.next_line().await.ok()??;
        serde_json::from_str(&line).ok()
    }

    /// Waits until the sandbox has become its command; nothing if it never did.
    async fn begin(&mut self, bwrap: &Path) -> Option<Begun> {
        let pid = self.next().await?.child_pid?;
        let program = PathBuf::from(format!("/proc/{pid}/exe"));
        for _ in 0..LOOKS {
            let now = std::fs::read_link(&program);
            if now.is_ok_and(|program| program != bwrap) {
                break;
            }
            // An exit code is told only of a command that was run.
            if let Ok(line) = tokio::time::timeout(LOOK_AGAIN, self.next()).await {
                let exit_code = line?.exit_code;
                return Some(Begun { pid, exit_code });
            }
        }
        Some(Begun {
            pid,
            exit_code: None,
        })
    }

    async fn exit_code(&mut self) -> Option<i32> {
        self.next().await?.exit_code
    }
}
