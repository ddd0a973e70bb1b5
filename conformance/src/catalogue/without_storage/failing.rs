//! What a call leaves behind that failed for want of its storage.

use super::{HEALING, LONG, SHORT, data_are_back, until_healed};
use crate::catalogue::volume_steps::{CALLS, stuck};
use crate::protocol::Endpoint;
use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Harm, Level, Mode, Need};

pub(in crate::catalogue) const CREATE: Case = Case {
    id: "create.atomic-without-storage",
    level: Level::Must,
    title: "a Create that the storage did not carry out can be made again",
    why: "dockerd has no record of the volume, and sends Create again: a name that is half taken can \
          neither be used nor removed",
    harm: Harm::VolumeLost,
    sources: &[CALLS],
    docker: &["docker volume create -d {plugin} {volume}   # twice"],
    needs: &[Need::StorageFault],
    mode: Mode::Alone,
    follows: &["create.works", "err.in-time"],
    run: |cx| Box::pin(create(cx)),
};

async fn create(cx: &mut Cx) -> CaseResult {
    let name = cx.name();
    if cx.cuts_one_volume() {
        return Err(crate::suite::Halt::skip(
            "--storage-cut cuts the storage of one volume, and a new one has none yet",
        ));
    }
    cx.prepare(&name).await?;
    cx.cut_storage(&name).await?;
    let usual = cx.wait_for_calls(LONG);
    let create = cx.create(&name).await?;
    cx.wait_for_calls(usual);
    cx.restore_storage().await?;
    answered(&create)?;
    if create.is_refusal() {
        let again = until_healed(cx, Endpoint::Create, &name, "").await?;
        again.expect_ok(&expected("Create that failed succeeds"))?;
    }
    let id = cx.id();
    let mount = until_healed(cx, Endpoint::Mount, &name, &id).await?;
    mount.expect_ok("a volume can be mounted whose Create succeeded")?;
    Ok(())
}

pub(in crate::catalogue) const MOUNT: Case = Case {
    id: "mount.fail-clean-without-storage",
    level: Level::Must,
    title: "a Mount that the storage did not carry out leaves no holder and no lock behind",
    why: "dockerd sends no Unmount for a Mount that failed: the volume is \"in use\" for ever and \
          cannot be removed",
    harm: Harm::Leak,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after a failed Mount that volume gets no \
         Unmount",
        "https://github.com/moby/moby/pull/27116",
        "https://github.com/vmware-archive/vsphere-storage-for-docker/issues/608",
    ],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true   # Mount fails",
        "docker volume rm {volume}",
    ],
    needs: &[Need::StorageFault],
    mode: Mode::Alone,
    follows: &["mount.fail-clean", "err.in-time"],
    run: |cx| Box::pin(mount(cx)),
};

async fn mount(cx: &mut Cx) -> CaseResult {
    let (name, id) = (cx.volume().await?, cx.id());
    cx.cut_storage(&name).await?;
    let usual = cx.wait_for_calls(LONG);
    let mount = cx.mount(&name, &id).await?;
    cx.wait_for_calls(usual);
    cx.restore_storage().await?;
    answered(&mount)?;
    if mount.is_ok() {
        return cx.release(&name, &id).await;
    }
    let remove = until_healed(cx, Endpoint::Remove, &name, "").await?;
    remove.expect_ok(&expected("volume whose Mount failed can be removed"))?;
    Ok(())
}

pub(in crate::catalogue) const REMOVE: Case = Case {
    id: "remove.failed-keeps-without-storage",
    level: Level::Must,
    title: "a Remove that the storage did not carry out leaves the volume usable",
    why: "dockerd keeps the volume and tells the user that it is still there: the next container \
          does not start, or runs on what is left of the data",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after an Err of Remove the volume stays known",
    ],
    docker: &[
        "docker volume rm {volume}   # fails",
        "docker run --rm -v {volume}:/data busybox ls /data",
    ],
    needs: &[Need::StorageFault],
    mode: Mode::Alone,
    follows: &["remove.failed-keeps", "err.in-time"],
    run: |cx| Box::pin(remove(cx)),
};

async fn remove(cx: &mut Cx) -> CaseResult {
    let (name, id, path) = cx.held_volume().await?;
    // Where the data cannot be seen, there is still what the plugin says.
    let token = cx.write_token(&path).await.ok();
    cx.release(&name, &id).await?;
    cx.cut_storage(&name).await?;
    let usual = cx.wait_for_calls(SHORT);
    let remove = cx.remove(&name).await?;
    cx.wait_for_calls(usual);
    cx.restore_storage().await?;
    answered(&remove)?;
    if remove.is_ok() {
        let get = cx.get(&name).await?;
        return match get.volume() {
            None => Ok(()),
            Some(_) => Err(get
                .finding("Get denies a volume whose Remove was answered with success")
                .into()),
        };
    }
    let id = cx.id();
    let mount = until_healed(cx, Endpoint::Mount, &name, &id).await?;
    mount.expect_ok(&expected("volume whose Remove failed can be mounted"))?;
    if let Some(token) = token {
        let kept = data_are_back(cx, mount.mountpoint().as_ref(), &token).await;
        kept.map_err(|instead| {
            Finding::new("a volume whose Remove failed still has its data", instead)
        })?;
    }
    Ok(())
}

/// Ends the case where the call hung: that is another rule's business.
fn answered(answer: &Answer) -> CaseResult {
    if answer.response().is_some() {
        return Ok(());
    }
    let what = format!("{} is answered", answer.endpoint());
    Err(stuck(answer, &what, "err.in-time"))
}

fn expected(what: &str) -> String {
    format!(
        "a {what} once the storage is back, within {} s",
        HEALING.as_secs()
    )
}
