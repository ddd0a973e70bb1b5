//! A running process in its sandbox, and commands beside it.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use rustix::process::{Signal, pidfd_send_signal};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

use super::kept::{self, Kept, Room};
use super::launch::{Launched, Outlet, Outputs, launch};
use super::sandbox::Rights;
use super::status::Status;
use super::terminal::Control;
use super::tools::{Session, Tools};
use super::user::User;
use super::{lookup, tree};
use crate::containers::ContainerFiles;
use crate::runtime::{BoxFuture, ExecSpec, Output, Process, StartError, Streams, Usage};

/// What a process that a signal ended adds to the signal's number.
const SIGNALED: i32 = 128;
const SIGKILL: i32 = 9;

/// A process, in a container of its own or beside one.
#[derive(Debug)]
pub(super) struct HostProcess {
    pid: u32,
    /// A number may be given to another process, this stands for the one.
    handle: Option<OwnedFd>,
    /// Of its terminal, if it has one.
    control: Option<Control>,
    outlet: Outlet,
    ended: watch::Sender<Option<i32>>,
    /// What is needed to run a command beside it; one that is beside has nothing beside itself.
    place: Option<Place>,
}

/// Where commands beside a container's process run.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) tools: Tools,
    pub(super) rights: Rights,
    pub(super) files: ContainerFiles,
    pub(super) room: Room,
}

impl HostProcess {
    /// A process that was launched. Its exit code is told by the status of its sandbox, if it is
    /// in one of its own.
    pub(super) fn watch(
        pid: u32,
        mut launched: Launched,
        outlet: Outlet,
        place: Option<Place>,
        status: Option<Status>,
    ) -> Arc<Self> {
        let process = Arc::new(Self {
            pid,
            handle: kept::handle(pid),
            control: launched.control.take(),
            outlet,
            ended: watch::Sender::new(None),
            place,
        });
        let watched = Arc::clone(&process);
        tokio::spawn(async move {
            let own = launched.end().await.map(exit_code);
            let told = status.and_then(|status| status.exit_code());
            let code = told.or(own.ok()).unwrap_or(SIGNALED + SIGKILL);
            watched.ended.send_replace(Some(code));
        });
        process
    }

    /// A process that an engine before this one launched, or its end. What it printed last before
    /// it ended without an engine is lost.
    pub(super) fn adopt(directory: &Path, tools: &Tools, rights: Rights) -> Option<Arc<Self>> {
        let kept = Kept::load(directory)?;
        let status = Status::open(&kept::status(directory)).ok()?;
        let pid = status.pid()?;
        // It is polled like a pipe, though nothing can be read from it.
        let monitor = kept.monitor();
        let monitor = monitor.and_then(|fd| Receiver::from_owned_fd_unchecked(fd).ok());
        let ended = match monitor {
            Some(_) => None,
            None => Some(status.exit_code()?),
        };
        let outlet = Outlet::default();
        // As the process itself sees them.
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let process = Arc::new(Self {
            pid,
            handle: monitor.as_ref().and_then(|_| kept::handle(pid)),
            control: None,
            outlet: outlet.clone(),
            ended: watch::Sender::new(ended),
            place: Some(Place {
                tools: tools.clone(),
                rights,
                files: ContainerFiles::new(root, Vec::new(), false),
                room: kept.room,
            }),
        });
        let Some(monitor) = monitor else {
            return Some(process);
        };
        let mut outputs = Outputs::default();
        for output in [Output::Stdout, Output::Stderr] {
            if let Ok(reader) = kept::open_fifo(directory, output) {
                outputs.pass(reader, output, &outlet);
            }
        }
        let watched = Arc::clone(&process);
        tokio::spawn(async move {
            // Readable is what stands for a process that is over.
            let _ = monitor.readable().await;
            outputs.drain().await;
            let code = status.exit_code().unwrap_or(SIGNALED + SIGKILL);
            watched.ended.send_replace(Some(code));
        });
        Some(process)
    }

    pub(super) fn is_running(&self) -> bool {
        self.ended.borrow().is_none()
    }

    fn run_beside(&self, spec: &ExecSpec) -> Result<Arc<dyn Process>, StartError> {
        let Some(place) = &self.place else {
            return Err(StartError::Other("there is no container".to_owned()));
        };
        let room = &place.room;
        let user = if spec.user.is_empty() {
            &room.user
        } else {
            &spec.user
        };
        let own = User::parse(&room.user).map_err(StartError::Other)?;
        let user = User::parse(user).map_err(StartError::Other)?;
        if place.rights.user_namespace && (own.uid, user.uid) != (0, 0) {
            let other = if own.uid == 0 { user.uid } else { own.uid };
            return Err(StartError::Other(format!(
                "unable to run a command as or beside user {other}: without root there is one user \
                 for a container, and only root's can be entered; leave out --user, or run \
                 fake-dockerd as root"
            )));
        }
        let working_dir = if spec.working_dir.is_empty() {
            &room.working_dir
        } else {
            &spec.working_dir
        };
        let mut env = room.env.clone();
        env.extend_from_slice(&spec.env);
        let environment = lookup::environment(&env, &room.hostname, spec.tty, &user);
        let path = environment.iter().find(|(key, _)| key == "PATH");
        let path = path.map_or(lookup::PATH, |(_, path)| path);
        let name = spec.command.first().map(String::as_str).unwrap_or_default();
        lookup::command(name, path, working_dir, &place.files)?;

        let mut words = self.way_in(place, &user);
        let mut set = Vec::new();
        let mut hidden = Vec::new();
        for (key, value) in environment {
            // What steers the loader is not for the tools on the way.
            if key.starts_with("LD_") {
                set.push(format!("{key}={value}"));
            } else {
                hidden.push((key, value));
            }
        }
        let directory = if working_dir.is_empty() {
            "/"
        } else {
            working_dir
        };
        words.extend(["env", "-C", directory].map(str::to_owned));
        words.extend(set);
        words.extend(spec.command.iter().cloned());
        let mut command = place.tools.command(words, Session::of(spec.tty));
        command.env_clear().envs(hidden);
        let outlet = Outlet::new(Arc::clone(&spec.streams));
        let mut launched = launch(command, spec.tty, spec.stdin, None)
            .map_err(|error| StartError::Other(format!("nsenter: {error}")))?;
        launched.connect(spec.stdin, &spec.streams, &outlet);
        let pid = launched.child.id().unwrap_or_default();
        // What enters ends as what it runs does.
        Ok(Self::watch(pid, launched, outlet, None, None))
    }

    /// The words in front of a command that is to run in the container.
    fn way_in(&self, place: &Place, user: &User) -> Vec<String> {
        let mut words = vec![
            place.tools.nsenter.display().to_string(),
            format!("--target={}", self.pid),
        ];
        if place.rights.user_namespace {
            words.extend(["--user", "--preserve-credentials"].map(str::to_owned));
        }
        if !place.room.has_network {
            words.push("--net".to_owned());
        }
        words.extend(["--mount", "--pid", "--uts", "--ipc", "--"].map(str::to_owned));
        if !place.rights.user_namespace {
            words.extend(user.switch(&place.tools.setpriv));
        }
        words
    }
}

/// As shells number it.
fn exit_code(status: ExitStatus) -> i32 {
    let signaled = status.signal().map(|signal| SIGNALED + signal);
    status.code().or(signaled).unwrap_or(SIGNALED + SIGKILL)
}

impl Process for HostProcess {
    fn wait(&self) -> BoxFuture<'_, i32> {
        let mut ended = self.ended.subscribe();
        Box::pin(async move {
            let end = ended.wait_for(Option::is_some).await;
            end.ok().and_then(|end| *end).unwrap_or(SIGNALED + SIGKILL)
        })
    }

    fn signal(&self, number: i32) {
        let Some(signal) = Signal::from_named_raw(number) else {
            tracing::warn!("signal {number} cannot be sent: it has no name");
            return;
        };
        if let Some(handle) = &self.handle
            && let Err(error) = pidfd_send_signal(handle, signal)
        {
            tracing::debug!(pid = self.pid, "signal {number}: {error}");
        }
    }

    fn pause(&self, paused: bool) {
        if self.is_running() {
            tree::pause(self.pid, paused);
        }
    }

    fn pid(&self) -> Option<u32> {
        self.is_running().then_some(self.pid)
    }

    fn processes(&self) -> Vec<u32> {
        if self.is_running() {
            tree::processes(self.pid)
        } else {
            Vec::new()
        }
    }

    fn usage(&self) -> Usage {
        if self.is_running() {
            tree::usage(self.pid)
        } else {
            Usage::default()
        }
    }

    fn resize(&self, rows: u16, columns: u16) {
        if let Some(control) = &self.control
            && let Err(error) = control.resize(rows, columns)
        {
            tracing::debug!(pid = self.pid, "resize: {error}");
        }
    }

    fn redirect(&self, streams: Arc<Streams>) {
        self.outlet.redirect(streams);
    }

    fn exec(&self, spec: ExecSpec) -> BoxFuture<'_, Result<Arc<dyn Process>, StartError>> {
        Box::pin(async move { self.run_beside(&spec) })
    }
}
