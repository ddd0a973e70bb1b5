//! The same volume on two hosts: what one does is seen, or not felt, on the other.

use std::path::Path;

use crate::catalogue::volume_steps::{kernel_mount, stuck};
use crate::suite::{CaseResult, Cx, Finding, Halt, ensure};

/// What a Mount on the second host would fail for, if the volume were not known there.
const VISIBLE: &str = "glob.visible";

pub(super) async fn visible(cx: &mut Cx) -> CaseResult {
    let mut peer = cx.peer().await?;
    let name = cx.volume().await?;
    let get = peer.get(&name).await?;
    ensure(get.volume().is_some(), || {
        get.finding("Get on the second host returns a volume that was made on the first")
    })?;
    let list = peer.list().await?;
    list.step("List succeeds")?;
    ensure(list.names().contains(&name.as_str()), || {
        Finding::new(
            format!("List on the second host shows `{name}`, which was made on the first"),
            format!("it shows {} volumes, and not this one", list.names().len()),
        )
    })?;
    let id = peer.id();
    peer.mount(&name, &id)
        .await?
        .expect_ok("Mount on the second host succeeds without another Create")?;
    peer.release(&name, &id).await
}

pub(super) async fn data(cx: &mut Cx) -> CaseResult {
    let mut peer = cx.peer().await?;
    let name = cx.volume().await?;
    // There, and back again.
    there(cx, &mut peer, &name, "the second host").await?;
    there(&mut peer, cx, &name, "the first host").await
}

/// Data written and closed through `from` are read through `to`.
async fn there(from: &mut Cx, to: &mut Cx, name: &str, place: &str) -> CaseResult {
    let (wrote, reads) = (from.id(), to.id());
    let path = from.hold(name, &wrote).await?;
    let token = from.write_token(&path).await?;
    from.release(name, &wrote).await?;
    let path = hold_there(to, name, &reads).await?;
    to.see(Path::new(&path)).await?;
    let seen = to.check_token(path.as_ref(), &token).await;
    seen.map_err(|instead| {
        Finding::new(
            format!("what was written and closed elsewhere is read on {place}"),
            instead,
        )
    })?;
    to.release(name, &reads).await
}

pub(super) async fn remove_in_use(cx: &mut Cx) -> CaseResult {
    let mut peer = cx.peer().await?;
    let (name, id, path) = cx.held_volume().await?;
    let token = cx.write_token(&path).await.ok();
    let remove = peer.remove(&name).await?;
    if remove.is_ok() {
        // The container on the first host has to be let go of all the same.
        cx.may_hold(&name, &id);
    }
    remove
        .expect_refusal("Remove on the second host fails while the first one holds the volume")?;
    if let Some(token) = token {
        let kept = cx.check_token(&path, &token).await;
        kept.map_err(|instead| {
            Finding::new("a Remove that is refused leaves the data alone", instead)
        })?;
    }
    cx.release(&name, &id).await?;
    peer.remove(&name)
        .await?
        .expect_ok("Remove on the second host succeeds once nobody holds the volume")?;
    Ok(())
}

pub(super) async fn out_of_band_remove(cx: &mut Cx) -> CaseResult {
    let mut peer = cx.peer().await?;
    let (name, id, _) = cx.held_volume().await?;
    cx.release(&name, &id).await?;
    let remove = peer.remove(&name).await?;
    if !remove.is_ok() {
        return Err(stuck(
            &remove,
            "Remove on the second host succeeds",
            VISIBLE,
        ));
    }
    let get = cx.get(&name).await?;
    ensure(get.volume().is_none() && get.response().is_some(), || {
        get.finding("Get denies a volume that the second host has removed")
    })?;
    let list = cx.list().await?;
    ensure(!list.names().contains(&name.as_str()), || {
        Finding::new(
            format!("List no longer shows `{name}`, which the second host has removed"),
            "it does".to_owned(),
        )
    })?;
    cx.create(&name)
        .await?
        .expect_ok("Create of a volume succeeds that the second host has removed")?;
    let id = cx.id();
    cx.mount(&name, &id)
        .await?
        .expect_ok("Mount of a volume succeeds that was made anew")?;
    Ok(())
}

pub(super) async fn per_host_count(cx: &mut Cx) -> CaseResult {
    let mut peer = cx.peer().await?;
    let (name, here, _) = cx.held_volume().await?;
    let there = peer.id();
    let path = hold_there(&mut peer, &name, &there).await?;
    let token = peer.write_token(path.as_ref()).await?;
    let mounted = kernel_mount(&peer, path.as_ref()).await?;
    cx.release(&name, &here).await?;
    let expected = "the second host keeps the volume when the last holder on the first one leaves";
    if let Some(mounted) = mounted {
        ensure(peer.is_mounted(&mounted)?, || {
            Finding::new(
                expected,
                format!("nothing is mounted at {} any more", mounted.display()),
            )
        })?;
    }
    let kept = peer.check_token(path.as_ref(), &token).await;
    kept.map_err(|instead| Finding::new(expected, instead))?;
    peer.unmount(&name, &there)
        .await?
        .expect_ok("Unmount on the second host succeeds: its holders are its own")?;
    Ok(())
}

pub(super) async fn exclusive(cx: &mut Cx) -> CaseResult {
    let mut peer = cx.peer().await?;
    let (name, ..) = cx.held_volume().await?;
    let id = peer.id();
    let mount = peer.mount(&name, &id).await?;
    if mount.is_ok() {
        return Err(Halt::skip("its storage serves several hosts at once"));
    }
    mount.expect_refusal("a Mount on the second host is answered")?;
    let text = mount.error().unwrap_or_default();
    ensure(text.contains(&name), || {
        mount.finding("the Err of a Mount that is refused on the second host names the volume")
    })
}

/// Mounts a volume on the host that has not made it.
async fn hold_there(cx: &mut Cx, name: &str, id: &str) -> CaseResult<String> {
    let mount = cx.mount(name, id).await?;
    if !mount.is_ok() {
        return Err(stuck(
            &mount,
            "Mount of a volume that the other host has made succeeds",
            VISIBLE,
        ));
    }
    Ok(mount.mountpoint().to_owned())
}
