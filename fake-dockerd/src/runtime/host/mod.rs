//! A runtime that runs commands of the host, each in a mount namespace of its own.
//!
//! Bubblewrap makes the [`sandbox`]: the container's mounts at their paths, the host's programs
//! read-only, pid, ipc and host name of its own; the network is the host's unless the container
//! has none. Images are only names, so that what runs is the host's `sh`, whatever the image.
//!
//! Processes die with the daemon that started them, also when it is killed: what a plugin mounted
//! for them is not kept busy by a process that nobody can stop any more.
//!
//! With live-restore they go on, and the next daemon finds them: as in dockerd, what they print
//! meanwhile waits in FIFOs, and holds them up once 64 KiB are full. There is no shim here that
//! stays beside a container, and so three things end with the daemon that outlive dockerd: a
//! container with a terminal (`-t`); what is typed (`-i`), of which the process sees the end; and the
//! output that waits when a process ends while no daemon is there. Its exit code is known even then.

mod kept;
mod launch;
mod lookup;
mod process;
mod sandbox;
mod status;
mod terminal;
mod tools;
mod tree;
mod user;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use command_fds::{CommandFdExt as _, FdMapping};

use self::kept::{Kept, Room};
use self::launch::{Outlet, launch};
use self::process::{HostProcess, Place};
use self::sandbox::{Base, Rights};
use self::status::Status;
pub use self::tools::Unavailable;
use self::tools::{Session, Tools};
use self::user::User;
use super::{About, BoxFuture, Process, ProcessSpec, Runtime, StartError, source_of};

/// Where bubblewrap finds its status and its arguments.
const STATUS_FD: i32 = 3;
const ARGUMENTS_FD: i32 = 4;
/// How much of bubblewrap's complaint is kept, in bytes.
const COMPLAINT: u64 = 4096;

/// Runs commands of the host.
#[derive(Debug)]
pub struct HostRuntime {
    tools: Tools,
    rights: Rights,
    running: Mutex<HashMap<String, Weak<HostProcess>>>,
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
        let environment = lookup::environment(&spec.env, &spec.hostname, spec.tty, &user);
        let path = environment.iter().find(|(key, _)| key == "PATH");
        let path = path.map_or(lookup::PATH, |(_, path)| path);
        let name = spec.command.first().map(String::as_str).unwrap_or_default();
        lookup::command(name, path, &spec.working_dir, &files)?;

        let arguments = sandbox::arguments(&spec, &base, &user, &environment, self.rights);
        let survival = spec.survival().map(Path::to_owned);
        let survival = survival.as_deref();
        let status = match survival {
            Some(directory) => {
                kept::begin(directory).map_err(other)?;
                Status::create(&kept::status(directory)).map_err(other)?
            }
            None => {
                kept::forget(&spec.kept).map_err(other)?;
                Status::in_memory().map_err(other)?
            }
        };
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
        let session = match survival {
            Some(_) => Session::Own,
            None => Session::of(spec.tty),
        };
        let mut command = self.tools.command(words, session);
        let mappings = vec![
            FdMapping {
                parent_fd: status.end().map_err(other)?,
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
        let mut launched = launch(command, spec.tty, spec.stdin, survival).map_err(other)?;
        let room = Room {
            env: spec.env,
            user: spec.user,
            working_dir: spec.working_dir,
            hostname: spec.hostname,
            has_network: spec.has_network,
        };
        if let (Some(directory), Some(monitor)) = (survival, launched.child.id()) {
            Kept::save(directory, monitor, &room).map_err(other)?;
        }
        let begun = status.begin(&mut launched.child, &self.tools.bwrap).await;
        let Some(pid) = begun else {
            let said = launched.last_words(COMPLAINT).await;
            return Err(StartError::NotMade(said));
        };
        let outlet = Outlet::new(Arc::clone(&spec.streams));
        launched.connect(spec.stdin, &spec.streams, &outlet);
        let place = Place {
            tools: self.tools.clone(),
            rights: self.rights,
            files,
            room,
        };
        let (place, status) = (Some(place), Some(status));
        Ok(HostProcess::watch(pid, launched, outlet, place, status))
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

    fn find(&self, container: &str, kept: &Path) -> Option<Arc<dyn Process>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = running.get(container) else {
            let process = HostProcess::adopt(kept, &self.tools, self.rights)?;
            running.insert(container.to_owned(), Arc::downgrade(&process));
            return Some(process);
        };
        let process = known.upgrade()?;
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
