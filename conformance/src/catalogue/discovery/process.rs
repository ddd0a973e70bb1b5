//! The socket over the life of the plugin's process: its stop, its death and its next start.
//!
//! Each case leaves the plugin running, whatever it found.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Command;

use super::definition::socket;
use crate::protocol::Endpoint;
use crate::suite::{Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, Need, ensure};
use crate::target::Stopped;
use crate::wire::{Address, Connection, Request};

/// How long a stop may take: managed plugins are killed after it (moby,
/// `daemon/pkg/plugin/manager_linux.go`).
const STOP: Duration = Duration::from_secs(10);

/// How many volumes a start is measured with.
const VOLUMES: usize = 20;

/// How long a start may take: well below the seventh second, at which dockerd looks for the fourth
/// time.
const START: Duration = Duration::from_secs(5);

pub(super) const CLEANUP: Case = Case {
    id: "disc.cleanup",
    level: Level::Must,
    title: "a clean stop removes the socket",
    why: "a socket that nobody listens on costs 15 s at every `docker volume ls`, also where only \
          local volumes are asked for, and 30 s at every create",
    harm: Harm::Hang,
    sources: &[
        "https://docs.docker.com/engine/extend/plugin_api/#plugin-lifecycle",
        "https://github.com/moby/moby/issues/22653",
        "https://github.com/weaveworks/weave/issues/1934",
        "https://github.com/portainer/portainer/issues/4340",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `docker volume ls` takes 15.0 s beside a \
         socket without a listener",
    ],
    docker: &["# stop the plugin, then:", "time docker volume ls"],
    needs: &[Need::Exec, Need::UnixSocket],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(cleanup(cx)),
};

pub(super) const REBIND: Case = Case {
    id: "disc.rebind",
    level: Level::Must,
    title: "a start after a crash takes the place of the socket that was left",
    why: "a plugin that dies of `address already in use` stays down until somebody removes the \
          file by hand, and every container with one of its volumes with it",
    harm: Harm::NoStart,
    sources: &[
        "https://github.com/ClusterHQ/flocker-docker-plugin/issues/12",
        "https://github.com/hpe-storage/python-hpedockerplugin/issues/470",
        "https://github.com/docker-archive/deploykit/issues/475",
    ],
    docker: &[
        "# kill -9 the plugin and start it, then:",
        "docker volume ls",
    ],
    needs: &[Need::Exec, Need::UnixSocket],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(rebind(cx)),
};

pub(super) const SOCKET_ACTIVATION: Case = Case {
    id: "disc.socket-activation",
    level: Level::May,
    title: "the plugin takes a listening socket from systemd",
    why: "with socket activation the socket is there before the plugin and outlives it, so that \
          dockerd waits for a plugin that restarts instead of failing",
    harm: Harm::NoStart,
    sources: &["https://docs.docker.com/engine/extend/plugin_api/#systemd-socket-activation"],
    docker: &[],
    needs: &[Need::Exec, Need::UnixSocket],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(socket_activation(cx)),
};

pub(super) const EARLY: Case = Case {
    id: "disc.early",
    level: Level::Should,
    title: "the plugin listens before slow work: with 20 volumes it answers within 5 s of its start",
    why: "dockerd looks for an absent plugin at 0, 1, 3, 7 and 15 s and then gives up: containers \
          that restart with the machine stay down",
    harm: Harm::NoStart,
    sources: &[
        "https://docs.docker.com/engine/extend/plugin_api/#plugin-lifecycle",
        "moby: pkg/plugins/plugins.go (loadWithRetry)",
        "https://github.com/vmware-archive/vsphere-storage-for-docker/issues/323",
    ],
    docker: &[
        "# restart the plugin, then at once:",
        "docker start a-container-with-one-of-its-volumes",
    ],
    needs: &[Need::Exec],
    mode: Mode::Alone,
    follows: &["disc.rebind"],
    run: |cx| Box::pin(early(cx)),
};

async fn cleanup(cx: &mut Cx) -> CaseResult {
    let socket = socket(cx)?;
    // One that has died, or is about to, is no matter of a clean stop.
    if !cx.plugin()?.is_running().await || cx.activate().await?.wire_error().is_some() {
        cx.forgive_trouble();
        cx.restart_plugin().await?;
    }
    cx.step("kill -TERM of the plugin");
    cx.hang_up();
    let stopped = cx.plugin()?.terminate(STOP).await;
    if stopped == Stopped::NotRunning {
        start(cx).await?;
        return Err(Halt::skip("the plugin was not running"));
    }
    let gone = vanishes(&socket).await;
    if !gone {
        // Whether the plugin copes with it at its start is for disc.rebind to say.
        remove(&socket);
    }
    // A file that names the plugin is looked up like a socket, and waited for as long.
    let named = cx.target().found.as_ref().map(|found| found.path.clone());
    let definition = named.filter(|path| *path != socket);
    let forgotten = match &definition {
        Some(path) => vanishes(path).await,
        None => true,
    };
    let started = start(cx).await;
    ensure(gone, || {
        Finding::new(
            format!("{} is gone after SIGTERM", socket.display()),
            format!("it is still there, and the plugin {stopped}"),
        )
    })?;
    ensure(forgotten, || {
        let path = definition.unwrap_or_default();
        Finding::new(
            format!("{} is gone after SIGTERM", path.display()),
            format!("it is still there, and the plugin {stopped}"),
        )
    })?;
    started
}

async fn rebind(cx: &mut Cx) -> CaseResult {
    let socket = socket(cx)?;
    cx.kill_plugin().await?;
    if socket.symlink_metadata().is_err() {
        cx.note("the socket is gone even after kill -9: there is nothing to take the place of");
    }
    let Err(halt) = cx.start_plugin().await else {
        let activate = cx.activate().await?;
        activate.expect_answer("a plugin started after kill -9 answers Activate")?;
        return Ok(());
    };
    let Halt::Finding(refused) = halt else {
        return Err(halt);
    };
    cx.step(format!("rm {}", socket.display()));
    cx.plugin()?.clear_stale_sockets();
    let cured = start(cx).await.is_ok();
    let expected = format!(
        "the plugin starts after kill -9, with its old {} in the way",
        socket.display()
    );
    let actual = if cured {
        format!("{}; with the file removed it starts", refused.actual)
    } else {
        format!("{}, and not without the file either", refused.actual)
    };
    Err(Finding::new(expected, actual).into())
}

async fn early(cx: &mut Cx) -> CaseResult {
    let begun = Instant::now();
    for made in 0..VOLUMES {
        if begun.elapsed() > cx.limit() {
            cx.note(format!(
                "measured with {made} volumes, which took long enough"
            ));
            break;
        }
        cx.volume().await?;
    }
    cx.kill_plugin().await?;
    let begun = Instant::now();
    cx.start_plugin().await?;
    let activate = cx.activate().await?;
    activate.expect_answer("a plugin that was just started answers Activate")?;
    let took = begun.elapsed();
    ensure(took < START, || {
        Finding::new(
            format!(
                "with {VOLUMES} volumes the plugin answers within {} s of its start",
                START.as_secs()
            ),
            format!("the first answer came after {:.1} s", took.as_secs_f32()),
        )
    })
}

async fn socket_activation(cx: &mut Cx) -> CaseResult {
    const TOOL: &str = "systemd-socket-activate";
    if !in_path(TOOL) {
        return Err(Halt::skip(format!("{TOOL} is not installed")));
    }
    let handed = cx.target().work.join("activated.sock");
    let words = cx.plugin()?.words();
    // It shares its directories with the one that runs: there may only be one.
    cx.kill_plugin().await?;
    cx.step(format!(
        "{TOOL} -l {} {}",
        handed.display(),
        words.join(" ")
    ));
    let mut command = Command::new(TOOL);
    // The tool passes on only what it is told to.
    for (name, _) in std::env::vars_os() {
        command.arg("-E").arg(name);
    }
    let child = command
        .arg("--listen")
        .arg(&handed)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let taken = match child {
        Ok(mut child) => {
            let taken = answers_on(cx, &handed).await;
            let group = child.id().and_then(|id| i32::try_from(id).ok());
            if let Some(group) = group.map(Pid::from_raw) {
                // It may have ended by itself: then there is nobody to tell.
                let _ = killpg(group, Signal::SIGTERM);
                if tokio::time::timeout(STOP, child.wait()).await.is_err() {
                    let _ = killpg(group, Signal::SIGKILL);
                    let _ = child.wait().await;
                }
            }
            Ok(taken)
        }
        Err(error) => Err(Halt::skip(format!("{TOOL} could not be started: {error}"))),
    };
    remove(&handed);
    start(cx).await?;
    ensure(taken?, || {
        Finding::new(
            "a plugin started with LISTEN_FDS=1 answers on the socket that it was handed",
            "it did not, with this command",
        )
    })
}

/// Starts the plugin for the cases that follow, which find it activated as a daemon leaves it.
async fn start(cx: &mut Cx) -> CaseResult {
    cx.start_plugin().await?;
    cx.activate().await?;
    Ok(())
}

/// Whether Activate is answered on a socket that was handed to the plugin. Ends early where the
/// plugin is seen to listen on its own socket instead.
async fn answers_on(cx: &Cx, handed: &Path) -> bool {
    let piece = Duration::from_millis(100);
    let request = Request::docker(Endpoint::Activate.path(), Vec::new());
    let mut connection = None;
    for _ in 0..30 {
        let Some(open) = &mut connection else {
            let address = Address::Unix(handed.to_owned());
            match Connection::open(&address, piece).await {
                Err(_) => tokio::time::sleep(piece).await,
                Ok(mut open) => {
                    // What goes wrong here shows when the answer is read.
                    let _ = open.write(&request.bytes(), piece).await;
                    connection = Some(open);
                }
            }
            continue;
        };
        match open.read(piece).await {
            Ok(_) => return true,
            Err(error) if !error.is_timeout() => return false,
            Err(_) => {}
        }
        if Connection::open(&cx.target().address, piece).await.is_ok() {
            return open.read(piece).await.is_ok();
        }
    }
    false
}

/// Whether `path` goes away within half a second: what stops the plugin may tidy up behind it.
async fn vanishes(path: &Path) -> bool {
    for _ in 0..50 {
        if path.symlink_metadata().is_err() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// Removes a socket that nobody listens on.
fn remove(socket: &Path) {
    // Where it is gone already, all is well.
    let _ = std::fs::remove_file(socket);
}

fn in_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    })
}
