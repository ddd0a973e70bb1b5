//! Steps that the cases about volumes and their mounts have in common.
//!
//! Each ends in [`Halt::Setup`] with the case that explains it best, so that a plugin which breaks
//! one rule is not accused of all those that are built upon it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};

use crate::protocol::{Endpoint, Volume};
use crate::suite::{Answer, CaseResult, Cx, Finding, Halt};
use crate::target::mounts_of;

/// Docker's page about the calls.
pub(super) const CALLS: &str = "https://docs.docker.com/engine/extend/plugins_volume/";

/// How many mounts may be stacked on one mountpoint before something else is wrong.
const DEEPEST_STACK: usize = 16;

/// A step of a case that did not work, and the case whose rule it broke.
pub(super) fn stuck(answer: &Answer, what: &str, explained_by: &str) -> Halt {
    let finding = answer.finding(what).because(explained_by);
    Halt::Setup(answer.endpoint(), Box::new(finding))
}

/// The volume as Get shows it, where that is only a step.
pub(super) async fn known(cx: &mut Cx, name: &str) -> CaseResult<Volume> {
    let get = cx.get(name).await?;
    get.volume().cloned().ok_or_else(|| {
        stuck(
            &get,
            "Get returns a volume that was created",
            "create.works",
        )
    })
}

/// One more hold of a volume that is mounted already.
pub(super) async fn hold_too(cx: &mut Cx, name: &str, id: &str) -> CaseResult<PathBuf> {
    let answer = cx.mount(name, id).await?;
    if answer.is_ok() {
        return Ok(PathBuf::from(answer.mountpoint()));
    }
    Err(stuck(
        &answer,
        "a second Mount of a volume succeeds",
        "ref.same-volume-twice",
    ))
}

/// Makes a Mount fail in the one way that every plugin has: there is no such volume.
pub(super) async fn failed_mount(cx: &mut Cx, name: &str, id: &str) -> CaseResult {
    let answer = cx.mount(name, id).await?;
    if answer.is_refusal() {
        return Ok(());
    }
    Err(stuck(
        &answer,
        "Mount of a volume that does not exist fails",
        "mount.unknown",
    ))
}

/// What a daemon does when it starts: Activate, Capabilities, and Get for each volume it knows.
pub(super) async fn daemon_starts(cx: &mut Cx, volume: &str) -> CaseResult {
    cx.step("dockerd is gone without a word (kill -9), and started again");
    cx.hang_up();
    let activate = cx.activate().await?;
    if !activate.is_ok() {
        return Err(stuck(
            &activate,
            "Activate succeeds at every start of a daemon",
            "act.repeat",
        ));
    }
    cx.capabilities().await?;
    let get = cx.get(volume).await?;
    match get.volume() {
        Some(_) => Ok(()),
        None => Err(stuck(
            &get,
            "Get still returns the volume after another Activate",
            "act.repeat",
        )),
    }
}

/// Waits until `done` says so, at most for `limit`; how long it took, or nothing.
pub(super) async fn wait_until(
    limit: Duration,
    mut done: impl FnMut() -> CaseResult<bool>,
) -> CaseResult<Option<Duration>> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if done()? {
            return Ok(Some(begun.elapsed()));
        }
        if begun.elapsed() >= limit {
            return Ok(None);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Where the kernel shows a mount at `path`: the path itself without links, if there is one.
pub(super) async fn kernel_mount(cx: &Cx, path: &Path) -> CaseResult<Option<PathBuf>> {
    if cx.target().files.blindness().is_some() {
        return Ok(None);
    }
    let given = path.to_owned();
    let real = cx
        .target()
        .files
        .look(move || given.canonicalize())
        .await
        .unwrap_or_else(|_| path.to_owned());
    Ok(cx.is_mounted(&real)?.then_some(real))
}

/// As [`kernel_mount`], where nothing can be judged without.
pub(super) async fn need_kernel_mount(cx: &Cx, path: &Path) -> CaseResult<PathBuf> {
    cx.see(path).await?;
    kernel_mount(cx, path).await?.ok_or_else(|| {
        Halt::skip("its mountpoints are plain directories, not mounts in the kernel")
    })
}

/// Takes the kernel mounts at `path` away behind the plugin's back.
pub(super) async fn umount_behind(cx: &Cx, path: &Path) -> CaseResult {
    cx.step(format!("umount -l {}", path.display()));
    for _ in 0..DEEPEST_STACK {
        if !cx.is_mounted(path)? {
            break;
        }
        let target = path.to_owned();
        cx.target()
            .files
            .look(move || umount2(&target, MntFlags::MNT_DETACH).map_err(Into::into))
            .await
            .map_err(|error| {
                Halt::skip(format!("{} cannot be unmounted: {error}", path.display()))
            })?;
    }
    let hidden = plugin_mounts(cx).await.unwrap_or_default();
    if hidden.contains(&path.to_owned()) {
        return Err(Halt::skip(
            "the plugin lives in a mount namespace of its own, out of reach",
        ));
    }
    Ok(())
}

/// The mountpoints that the plugin itself sees, if its process can be found.
pub(super) async fn plugin_mounts(cx: &Cx) -> Option<Vec<PathBuf>> {
    let socket = cx.target().address.socket()?;
    let stream = tokio::net::UnixStream::connect(socket).await.ok()?;
    let pid = stream.peer_cred().ok()?.pid()?;
    let table = mounts_of(pid).ok()?;
    Some(table.into_iter().map(|entry| entry.path).collect())
}

/// A finding about a path that a case looked at.
pub(super) fn at_path(expected: impl Into<String>, path: &Path, error: &std::io::Error) -> Finding {
    Finding::new(expected, format!("{}: {error}", path.display()))
}

/// Removes a volume as the last step of a case that is about something else.
pub(super) async fn remove_refused(cx: &mut Cx, name: &str) -> CaseResult<bool> {
    let answer = cx.remove(name).await?;
    if answer.response().is_none() {
        return Err(Halt::Setup(
            Endpoint::Remove,
            Box::new(answer.finding("Remove is answered")),
        ));
    }
    Ok(answer.is_refusal())
}
