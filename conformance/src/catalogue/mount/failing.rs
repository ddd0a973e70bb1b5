//! What a Mount leaves behind that failed, or that nobody waited for.

use std::time::{Duration, Instant};

use crate::catalogue::observed::Observed;
use crate::catalogue::volume_steps::failed_mount;
use crate::protocol::{Endpoint, hold_body};
use crate::suite::{Case, CaseResult, Cx, Halt, Harm, Level, Mode};
use crate::wire::{Request, WireError};

pub(super) const FAIL_CLEAN: Case = Case {
    id: "mount.fail-clean",
    level: Level::Must,
    title: "a failed Mount leaves no holder, no lock and no mount behind",
    why: "dockerd sends no Unmount for a Mount that failed: what it left stays for ever, and the \
          volume cannot be removed",
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
    needs: &[],
    mode: Mode::Shared,
    follows: &["create.works", "err.survive"],
    run: |cx| Box::pin(fail_clean(cx)),
};

async fn fail_clean(cx: &mut Cx) -> CaseResult {
    let (name, id) = (cx.name(), cx.id());
    failed_mount(cx, &name, &id).await?;
    // Whatever the first one left behind, the second one meets.
    cx.mount(&name, &id)
        .await?
        .expect_refusal("a Mount that failed once is refused again")?;
    cx.create(&name)
        .await?
        .expect_ok("Create succeeds after a Mount of that name failed")?;
    cx.remove(&name)
        .await?
        .expect_ok("Remove succeeds after a Mount of that name failed, since nobody holds it")?;
    Ok(())
}

pub(super) const SIBLING_FAILURE: Case = Case {
    id: "mount.sibling-failure",
    level: Level::Must,
    title: "when one volume of a container cannot be mounted, the others are unmounted, and all can be \
            removed",
    why: "dockerd unmounts the volumes that it had mounted for the container, and only those: a plugin \
          that mistakes that for something else keeps them mounted",
    harm: Harm::Leak,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: Get Mount(a), Get Mount(b) fails, Get \
         Unmount(a)",
        "https://github.com/ContainX/docker-volume-netshare/issues/91",
    ],
    docker: &["docker run --rm -v {volume}:/a -v broken:/b --volume-driver {plugin} busybox true"],
    needs: &[],
    mode: Mode::Shared,
    follows: &["mount.fail-clean", "unmount.works", "err.survive"],
    run: |cx| Box::pin(sibling_failure(cx)),
};

async fn sibling_failure(cx: &mut Cx) -> CaseResult {
    let (mounted, failing) = (cx.id(), cx.id());
    let mut sibling = Observed::volume(cx).await?;
    let broken = cx.name();
    sibling.hold(cx, &mounted).await?;
    sibling.write(cx).await?;
    failed_mount(cx, &broken, &failing).await?;
    sibling.remember("Mount(of another volume, which failed)");
    sibling.check(cx).await?;
    sibling.unmount(cx, &mounted).await?;
    sibling.finish(cx).await?;
    cx.create(&broken)
        .await?
        .expect_ok("the volume that could not be mounted can be created")?;
    cx.remove(&broken)
        .await?
        .expect_ok("the volume that could not be mounted can be removed")?;
    Ok(())
}

pub(super) const LATE_CLIENT: Case = Case {
    id: "mount.late-client",
    level: Level::Must,
    title: "a Mount whose caller gave up while it was under way leaves no hold behind",
    why: "dockerd gives up after 120 s, tells the user that the container could not be started, and \
          sends no Unmount; the next start has another ID",
    harm: Harm::Leak,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: no Unmount after a Mount that hung",
        "https://github.com/docker/go-plugins-helpers/issues/129",
        "https://github.com/moby/moby/issues/37426",
        "https://github.com/moby/moby/issues/37765",
    ],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true   # times out",
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true",
        "docker volume rm {volume}",
    ],
    needs: &[],
    mode: Mode::Alone,
    follows: &["unmount.last"],
    run: |cx| Box::pin(late_client(cx)),
};

async fn late_client(cx: &mut Cx) -> CaseResult {
    /// A Mount below this, in milliseconds, is over before a caller could give up.
    const SLOW: u64 = 100;
    /// After which part of the time of a Mount its caller gives up. The next Mount may be faster
    /// than the one that was measured: if it is answered before, a more hasty caller is tried.
    const PARTS: [u32; 3] = [2, 4, 8];
    let (trial, id) = (cx.volume().await?, cx.id());
    cx.slow_storage(&trial).await?;
    let mount = cx.mount(&trial, &id).await?;
    mount.step("Mount of an existing volume succeeds")?;
    cx.release(&trial, &id).await?;
    if mount.ms() < SLOW {
        return Err(Halt::skip(
            "its Mount is over too soon to give up while it is under way (with --storage-slow it \
             would not be)",
        ));
    }

    let slow = Duration::from_millis(mount.ms());
    let mut volume = Observed::volume(cx).await?;
    cx.slow_storage(&volume.name).await?;
    let mut given_up = false;
    for part in PARTS {
        given_up = give_up(cx, &mut volume, slow / part).await?;
        if given_up {
            break;
        }
    }
    if !given_up {
        return Err(Halt::skip(
            "some of its Mounts are over too soon to give up while they are under way",
        ));
    }
    // Time to be done with it, and to undo it.
    tokio::time::sleep((slow * 2).min(cx.limit())).await;

    let next = cx.id();
    volume.remember("Mount(given up)");
    volume.mount(cx, &next).await?;
    volume.check(cx).await?;
    volume.unmount(cx, &next).await?;
    volume.finish(cx).await
}

/// Makes a Mount and hangs up if there is no answer after `patience`; whether it came to that. A
/// Mount that is answered in time has a holder, and is undone.
async fn give_up(cx: &mut Cx, volume: &mut Observed, patience: Duration) -> CaseResult<bool> {
    let id = cx.id();
    let request = Request::docker(Endpoint::Mount.path(), hold_body(&volume.name, &id));
    let mut connection = cx.connect().await?;
    cx.may_hold(&volume.name, &id);
    let begun = Instant::now();
    let sent = match connection.write(&request.bytes(), cx.limit()).await {
        Ok(()) => connection.read(patience).await,
        Err(error) => Err(error),
    };
    if begun.elapsed() < cx.limit() && sent.as_ref().is_err_and(WireError::is_timeout) {
        drop(connection);
        cx.step(format!(
            "sent Mount of `{}` on a connection of its own, and hung up after {} ms without an \
             answer",
            volume.name,
            patience.as_millis()
        ));
        return Ok(true);
    }
    let answer = cx.keep(Endpoint::Mount, &request, sent, begun);
    answer.step("Mount of an existing volume succeeds")?;
    volume.held(cx, &id, answer.mountpoint()).await?;
    volume.release(cx, &id).await?;
    Ok(false)
}
