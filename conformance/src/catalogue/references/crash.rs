//! What a daemon that crashed sends when it is back: it remembers IDs, and has forgotten that it
//! mounted.
//!
//! From the socket a crash (`Mount(a)`, silence, `Mount(a)`, `Unmount(a)`) cannot be told from
//! `docker cp` (`Mount(a)`, `Mount(a)`, `Unmount(a)`). So a hold that stays behind after a crash is
//! no finding here; a volume that is taken away from a running container is.
//!
//! These run alone: an Activate concerns all volumes of a plugin.

use super::Step::{Daemon as D, Get as G, Mount as M, Unmount as U};
use super::{RECORDED, replay};
use crate::catalogue::observed::Observed;
use crate::catalogue::volume_steps::{daemon_starts, known, need_kernel_mount, umount_behind};
use crate::suite::{Case, CaseResult, Cx, Harm, Level, Mode, Need};

pub(super) const AFTER_DAEMON_CRASH: Case = Case {
    id: "ref.after-daemon-crash",
    level: Level::Must,
    title: "Mount with an ID that was held when the daemon crashed succeeds",
    why: "dockerd sent no Unmount and starts the container with the ID that it had: a plugin that \
          refuses it keeps the container down until the plugin is restarted or cleaned by hand",
    harm: Harm::NoStart,
    sources: &[RECORDED, "moby: daemon/volume/mounts/mounts.go"],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "kill -9 $(pidof dockerd)   # and start it again",
        "docker start c1",
    ],
    needs: &[],
    mode: Mode::Alone,
    follows: &["act.repeat", "ref.same-id-twice", "unmount.works"],
    run: |cx| Box::pin(after_daemon_crash(cx)),
};

async fn after_daemon_crash(cx: &mut Cx) -> CaseResult {
    replay(cx, &[G, M('a'), D, G, M('a')]).await?;
    Ok(())
}

pub(super) const LEAK_NOT_YANK: Case = Case {
    id: "ref.leak-not-yank",
    level: Level::Should,
    title: "when it is unclear whether an ID is held once or twice, the volume stays mounted",
    why: "after a crash of the daemon `docker cp` takes the volume away from the running container: a \
          mount too many costs a mount, one too few costs data",
    harm: Harm::DataLoss,
    sources: &[RECORDED, "https://github.com/moby/moby/issues/47964"],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "kill -9 $(pidof dockerd)   # and start it again",
        "docker start c1 && docker cp c1:/data/. /tmp/copy && docker exec c1 ls /data",
    ],
    needs: &[],
    mode: Mode::Alone,
    follows: &[
        "act.repeat",
        "ref.same-id-twice",
        "ref.after-daemon-crash",
        "ref.live-restore",
        "unmount.not-last",
        "unmount.works",
    ],
    run: |cx| Box::pin(leak_not_yank(cx)),
};

async fn leak_not_yank(cx: &mut Cx) -> CaseResult {
    let mut volume = replay(cx, &[G, M('a'), D, G, M('a'), G, M('a'), G, U('a')]).await?;
    // Now the container is stopped. One hold may be left of the crash.
    volume.unmount_newest(cx).await?;
    volume.note_leak(cx).await
}

pub(super) const LIVE_RESTORE: Case = Case {
    id: "ref.live-restore",
    level: Level::Must,
    title: "a hold outlives a restart of the daemon that left its containers running",
    why: "with live-restore dockerd sends no Mount again, and Unmount with the old ID when the container \
          stops: until then the container works in the volume",
    harm: Harm::DataLoss,
    sources: &[RECORDED, "moby: daemon/volume/mounts/mounts.go"],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "systemctl restart docker   # with \"live-restore\": true",
        "docker run --rm -v {volume}:/data busybox true && docker exec c1 ls /data",
        "docker stop c1 && docker volume rm {volume}",
    ],
    needs: &[],
    mode: Mode::Alone,
    follows: &[
        "act.repeat",
        "ref.same-volume-twice",
        "unmount.not-last",
        "unmount.works",
    ],
    run: |cx| Box::pin(live_restore(cx)),
};

async fn live_restore(cx: &mut Cx) -> CaseResult {
    let volume = replay(cx, &[G, M('a'), D, G, G, G, M('b'), G, U('b'), G, U('a')]).await?;
    volume.finish(cx).await
}

pub(super) const REBOOT: Case = Case {
    id: "ref.reboot",
    level: Level::Must,
    title: "after a reboot Mount really mounts, whatever the plugin has written down",
    why: "the container runs on the empty directory below the mountpoint: its files are missing, and \
          what it writes is lost",
    harm: Harm::DataLoss,
    sources: &[
        "https://github.com/containers/docker-lvm-plugin/issues/24",
        "https://github.com/containers/docker-lvm-plugin/issues/59",
    ],
    docker: &[
        "docker run -d --restart always -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "reboot -f",
    ],
    needs: &[Need::Exec, Need::Filesystem, Need::Root],
    mode: Mode::Alone,
    follows: &[
        "restart.remembers",
        "restart.faithful",
        "restart.remount",
        "disc.rebind",
        "mount.data-persists",
        "ref.same-volume-twice",
    ],
    run: |cx| Box::pin(reboot(cx)),
};

async fn reboot(cx: &mut Cx) -> CaseResult {
    let (before, after) = (cx.id(), cx.id());
    let mut volume = Observed::volume(cx).await?;
    volume.hold(cx, &before).await?;
    let path = need_kernel_mount(cx, volume.path()?).await?;
    volume.write(cx).await?;
    cx.kill_plugin().await?;
    let gone = umount_behind(cx, &path).await;
    // The plugin must run again, whatever came of it.
    cx.start_plugin().await?;
    gone?;
    volume.remember("(reboot)");
    volume.forget(&before);
    daemon_starts(cx, &volume.name).await?;
    known(cx, &volume.name).await?;
    volume.mount(cx, &after).await?;
    volume.check_newest(cx).await
}

/// A sequence after a crash.
const SEQUENCE: Case = Case {
    sources: &[RECORDED],
    mode: Mode::Alone,
    follows: &[
        "act.repeat",
        "ref.after-daemon-crash",
        "ref.live-restore",
        "ref.leak-not-yank",
        "ref.same-id-twice",
        "unmount.not-last",
        "unmount.works",
        "ref.balanced",
        "mount.data-persists",
    ],
    ..Case::BLANK
};

pub(super) const DAEMON_CRASH: Case = Case {
    id: "ref.sequence-daemon-crash",
    title: "after a crash of the daemon a container can be started, stopped, and started again",
    why: "dockerd goes on with the ID from before the crash, and with new ones from the next start on: \
          the container does not start, or starts without its files",
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "kill -9 $(pidof dockerd)   # and start it again",
        "docker start c1 && docker restart c1 && docker exec c1 ls /data",
    ],
    run: |cx| Box::pin(daemon_crash(cx)),
    ..SEQUENCE
};

async fn daemon_crash(cx: &mut Cx) -> CaseResult {
    crash_and_restart(cx, &[G, M('a'), D, G, M('a')]).await
}

pub(super) const DAEMON_CRASH_RESTART_POLICY: Case = Case {
    id: "ref.sequence-daemon-crash-restart-policy",
    title: "a container with a restart policy comes back by itself after a crash of the daemon",
    why: "dockerd starts it at once, with the ID from before the crash: it stays down, and is not tried \
          again",
    docker: &[
        "docker run -d --restart always --name c1 -v {volume}:/data --volume-driver {plugin} busybox \
         sleep 600",
        "kill -9 $(pidof dockerd)   # and start it again",
        "docker exec c1 ls /data",
    ],
    run: |cx| Box::pin(daemon_crash_restart_policy(cx)),
    ..SEQUENCE
};

async fn daemon_crash_restart_policy(cx: &mut Cx) -> CaseResult {
    crash_and_restart(cx, &[G, M('a'), D, G, G, M('a')]).await
}

/// Replays a crash after which the container runs again, and restarts the container.
async fn crash_and_restart(cx: &mut Cx, steps: &[super::Step]) -> CaseResult {
    let mut volume = replay(cx, steps).await?;
    volume.unmount_newest(cx).await?;
    let next = cx.id();
    known(cx, &volume.name).await?;
    // The hold from before the crash may still count, or not: only the new one is looked at.
    volume.forget_all();
    volume.mount(cx, &next).await?;
    volume.check(cx).await?;
    known(cx, &volume.name).await?;
    volume.unmount(cx, &next).await?;
    volume.note_leak(cx).await
}

pub(super) const LIVE_RESTORE_CP: Case = Case {
    id: "ref.sequence-live-restore-cp",
    level: Level::Should,
    title: "`docker cp` leaves a container its volume that a restarted daemon found running",
    why: "the first Mount that the new daemon sends for the container is that of the cp: a plugin that \
          takes it for the container's own unmounts the volume with the cp's Unmount",
    harm: Harm::DataLoss,
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "systemctl restart docker   # with \"live-restore\": true",
        "docker cp c1:/data/. /tmp/copy && docker exec c1 ls /data",
    ],
    run: |cx| Box::pin(live_restore_cp(cx)),
    ..SEQUENCE
};

async fn live_restore_cp(cx: &mut Cx) -> CaseResult {
    // dockerd 20.10 sends no Unmount after this, later ones do.
    replay(cx, &[G, M('a'), D, G, G, M('a'), G, U('a'), G]).await?;
    Ok(())
}
