//! `docker start`.
//!
//! Follows moby's `daemon/start.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::MountKind;
use super::container::{Container, Inner};
use super::mountpoint::BoundMount;
use super::mounts::MountPoints;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::runtime::{ProcessSpec, TmpfsMount};

/// The exit code of a container that could not be started for no particular reason.
const UNKNOWN: i32 = 128;
/// The exit code if the command, or a mount's source, does not exist.
const NOT_FOUND: i32 = 127;
/// The exit code if the command may not be run.
const NOT_PERMITTED: i32 = 126;

/// Whether a client still waits for what it asked for.
pub(crate) trait Patience: Send + Sync {
    /// Whether the client went away.
    fn is_gone(&self) -> bool;
}

/// Nobody in particular waits: the daemon starts a container by itself.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Patience for Nobody {
    fn is_gone(&self) -> bool {
        false
    }
}

impl Core {
    /// Starts a container for a command.
    pub(crate) async fn start(
        self: &Arc<Self>,
        container: &Arc<Container>,
        client: &dyn Patience,
    ) -> Result<()> {
        {
            let _inner = container.inner.lock().await;
            let state = container.state();
            if state.paused {
                return Err(Error::conflict(
                    "cannot start a paused container, try unpause instead",
                ));
            }
            if state.running {
                let kind = crate::error::ErrorKind::NotModified;
                return Err(Error::new(kind, "container is already running"));
            }
        }
        self.start_container(container, client, true).await
    }

    /// Starts a container for a command or, if not `by_command`, for its restart policy.
    pub(super) async fn start_container(
        self: &Arc<Self>,
        container: &Arc<Container>,
        client: &dyn Patience,
        by_command: bool,
    ) -> Result<()> {
        let mut inner = container.inner.lock().await;
        let state = container.state();
        if by_command && state.running {
            return Ok(());
        }
        if state.removing || state.dead {
            return Err(Error::conflict(
                "container is marked for removal and cannot be started",
            ));
        }
        let Err(failure) = self
            .try_start(container, &mut inner, client, by_command)
            .await
        else {
            return Ok(());
        };
        let Failure { error, exit_code } = failure;
        container.change(|lifecycle| {
            let state = &mut lifecycle.state;
            error.message().clone_into(&mut state.error);
            if exit_code != 0 {
                state.exit_code = exit_code;
            } else if state.exit_code == 0 {
                state.exit_code = UNKNOWN;
            }
        });
        container.streams.end();
        self.containers.save(container, &inner);
        self.unmount_volumes(&container.id, &mut inner.mounts).await;
        drop(inner);
        if container.asked.auto_remove
            && let Err(error) = self.force_remove(container).await
        {
            tracing::error!("can't remove container {}: {error}", container.id);
        }
        Err(error)
    }

    async fn try_start(
        self: &Arc<Self>,
        container: &Arc<Container>,
        inner: &mut Inner,
        client: &dyn Patience,
        by_command: bool,
    ) -> Result<(), Failure> {
        let network = self.check_network(&container.asked.network);
        if !self.profile().mounts_before_network {
            network.clone()?;
        }
        let mounts = self
            .setup_mounts(&container.id, &container.asked, &mut inner.mounts)
            .await?;
        if by_command {
            inner.restart = super::container::RestartManager::default();
            inner.flags.manually_stopped = false;
            inner.flags.restart_count = 0;
        }
        if self.profile().start_follows_client && client.is_gone() {
            return Err(Error::system("context canceled").into());
        }
        network.map_err(|error| error.context("failed to set up container networking"))?;
        container.streams.begin();
        let spec = self.process_of(container, mounts, &inner.mounts);
        let started = self.runtime.start(spec).await;
        let process = started.map_err(|error| Failure::of_runtime(&error.text(self.profile())))?;

        inner.process = Some(Arc::clone(&process));
        inner.starts += 1;
        inner.flags.manually_restarted = false;
        inner.flags.started_before = true;
        container.change(|lifecycle| lifecycle.state.set_running());
        self.containers.save(container, inner);
        self.container_event(container, "start", None);
        self.watch(container, process, inner.starts);
        Ok(())
    }

    fn process_of(
        &self,
        container: &Container,
        mounts: Vec<BoundMount>,
        points: &MountPoints,
    ) -> ProcessSpec {
        let asked = &container.asked;
        ProcessSpec {
            container: container.id.clone(),
            image: asked.image.clone(),
            command: asked.command.clone(),
            env: asked.env.clone(),
            user: asked.user.clone(),
            working_dir: asked.working_dir.clone(),
            mounts,
            rootfs: self.rootfs(&container.id),
            read_only: asked.read_only,
            // Who attaches does so before the start.
            detached: asked.detached && !container.streams.is_attached(),
            hostname: asked.hostname(&container.id).to_owned(),
            tty: asked.switch("Tty"),
            stdin: asked.switch("OpenStdin"),
            has_network: asked.network != "none",
            tmpfs: tmpfs_of(&asked.tmpfs, points),
            streams: Arc::clone(&container.streams),
            kept: self.container_directory(&container.id),
            survives: self.live_restore,
        }
    }
}

/// What `--tmpfs` and `--mount type=tmpfs` ask for.
fn tmpfs_of(asked: &BTreeMap<String, String>, points: &MountPoints) -> Vec<TmpfsMount> {
    let mut all: Vec<_> = asked
        .iter()
        .map(|(destination, options)| tmpfs(destination, options))
        .collect();
    let points = points.values();
    let mounts = points.filter(|point| point.kind == MountKind::Tmpfs);
    all.extend(mounts.map(|point| {
        let options = point.spec.tmpfs_options.as_ref();
        TmpfsMount {
            destination: point.destination.clone(),
            size: options
                .map(|options| options.size_bytes)
                .filter(|size| *size > 0),
            mode: options.map(|options| options.mode).filter(|mode| *mode > 0),
            read_only: !point.rw,
        }
    }));
    all
}

/// `size=64m,mode=1777,ro`; other options of mount(8) change nothing here.
fn tmpfs(destination: &str, options: &str) -> TmpfsMount {
    let mut mount = TmpfsMount {
        destination: destination.to_owned(),
        ..TmpfsMount::default()
    };
    for option in options.split(',') {
        match option.split_once('=') {
            Some(("size", size)) => mount.size = bytes(size),
            Some(("mode", mode)) => mount.mode = u32::from_str_radix(mode, 8).ok(),
            None if option == "ro" => mount.read_only = true,
            _ => {}
        }
    }
    mount
}

/// `64m`, as mount(8) takes it.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)?.to_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Why a container was not started, and the exit code that this sets.
struct Failure {
    error: Error,
    /// 0 where it has none of its own.
    exit_code: i32,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            exit_code: 0,
        }
    }
}

impl Failure {
    /// Sorts a runtime's error by its text, as `setExitCodeFromError` in moby's `daemon/errors.go`.
    fn of_runtime(text: &str) -> Self {
        let lower = text.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let (text, exit_code) = if says(&["permission denied"]) {
            (text.to_owned(), NOT_PERMITTED)
        } else if says(&["is a directory"]) {
            (format!("{text}: permission denied"), NOT_PERMITTED)
        } else if says(&["not a directory"]) {
            let hint = "Are you trying to mount a directory onto a file (or vice-versa)? Check if \
                        the specified host path exists and is the expected type";
            (format!("{text}: {hint}"), NOT_FOUND)
        } else if says(&["executable file not found", "no such file or directory"]) {
            (text.to_owned(), NOT_FOUND)
        } else {
            return Self {
                error: Error::system(text),
                exit_code: UNKNOWN,
            };
        };
        Self {
            error: Error::invalid(text),
            exit_code,
        }
    }
}
