//! The rules: each successful Mount is one hold, each successful Unmount takes one back.

use super::Step::{Mount as M, Unmount as U};
use super::{RECORDED, Step, replay_to_end};
use crate::catalogue::observed::Observed;
use crate::catalogue::volume_steps::{CALLS, failed_mount};
use crate::suite::{Case, CaseResult, Cx, Harm, Level, Mode};

pub(super) const BALANCED: Case = Case {
    id: "ref.balanced",
    level: Level::Must,
    title: "in whatever order callers come and go, a volume is mounted exactly while there are more \
            Mounts than Unmounts",
    why: "a count that is too low takes the volume away from a running container, one that is too high \
          keeps it mounted for ever",
    harm: Harm::DataLoss,
    sources: &[
        CALLS,
        "https://github.com/moby/moby/issues/17585",
        "https://github.com/rexray/rexray/issues/171",
    ],
    docker: &[
        "for c in a b c; do docker run -d --name $c -v {volume}:/data --volume-driver {plugin} busybox \
         sleep 600; done",
        "docker stop c2 && docker exec c1 ls /data && docker stop c1 && docker exec c1 ls /data",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &[
        "unmount.not-last",
        "unmount.works",
        "ref.same-volume-twice",
        "mount.data-persists",
        "mount.own-path",
    ],
    run: |cx| Box::pin(balanced(cx)),
};

/// Callers that come and go; no ID is held twice at once, which is a rule of its own.
const ORDERS: &[&[Step]] = &[
    // Three, the first to come is the first to go; and the last.
    &[M('a'), M('b'), M('c'), U('a'), U('b'), U('c')],
    &[M('a'), M('b'), M('c'), U('c'), U('b'), U('a')],
    // Some come while others go.
    &[
        M('a'),
        M('b'),
        U('a'),
        M('c'),
        U('c'),
        M('d'),
        M('e'),
        U('b'),
        U('e'),
        U('d'),
    ],
    // Again and again, the same ones: the third time as the first.
    &[M('a'), U('a'), M('a'), U('a'), M('a'), U('a')],
    &[
        M('a'),
        M('b'),
        U('a'),
        M('a'),
        U('b'),
        M('b'),
        U('b'),
        U('a'),
    ],
    // Six at once.
    &[
        M('a'),
        M('b'),
        M('c'),
        M('d'),
        M('e'),
        M('f'),
        U('c'),
        U('a'),
        U('f'),
        U('b'),
        U('e'),
        U('d'),
    ],
];

async fn balanced(cx: &mut Cx) -> CaseResult {
    for steps in ORDERS {
        replay_to_end(cx, steps).await?;
    }
    side_by_side(cx).await
}

/// Three volumes with two holders each: what happens to one is nothing to the others.
async fn side_by_side(cx: &mut Cx) -> CaseResult {
    let mut volumes = Vec::new();
    for _ in 0..3 {
        let volume = Observed::volume(cx).await?;
        volumes.push((volume, cx.id(), cx.id()));
    }
    for (volume, first, _) in &mut volumes {
        volume.hold(cx, first).await?;
        volume.write(cx).await?;
    }
    for at in 0..volumes.len() {
        if let Some((volume, first, second)) = volumes.get_mut(at) {
            volume.mount(cx, second).await?;
            volume.unmount(cx, first).await?;
        }
        for (volume, ..) in &mut volumes {
            volume.check(cx).await?;
        }
    }
    while let Some((mut volume, _, second)) = volumes.pop() {
        volume.unmount(cx, &second).await?;
        volume.finish(cx).await?;
        for (other, ..) in &mut volumes {
            other.check(cx).await?;
        }
    }
    Ok(())
}

pub(super) const SAME_ID_TWICE: Case = Case {
    id: "ref.same-id-twice",
    level: Level::Must,
    title: "a second Mount with an ID that is held succeeds and needs a second Unmount",
    why: "`docker cp` on a running container sends Mount and Unmount with the container's own ID: a \
          plugin that keeps a set of IDs unmounts under the container, one that refuses fails the cp",
    harm: Harm::DataLoss,
    sources: &[
        RECORDED,
        "https://github.com/moby/moby/issues/37314",
        "https://github.com/moby/moby/issues/47964",
        "https://github.com/aws/amazon-ecs-agent/pull/4425",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker cp c1:/data/. /tmp/copy",
        "docker exec c1 touch /data/file",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["unmount.not-last", "unmount.works", "ref.balanced"],
    run: |cx| Box::pin(replay_to_end(cx, &[M('a'), M('a'), U('a'), U('a')])),
};

pub(super) const SAME_VOLUME_TWICE: Case = Case {
    id: "ref.same-volume-twice",
    level: Level::Must,
    title: "a volume can be held under several IDs at once, and each counts",
    why: "a volume cannot be used by two containers, nor at two places of one; or the first of them \
          that stops takes it away from the other",
    harm: Harm::DataLoss,
    sources: &[CALLS, RECORDED],
    docker: &[
        "docker run -d --name c1 -v {volume}:/a -v {volume}:/b --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 ls /a /b && docker rm -f c1",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["unmount.not-last", "unmount.works"],
    run: |cx| Box::pin(same_volume_twice(cx)),
};

async fn same_volume_twice(cx: &mut Cx) -> CaseResult {
    replay_to_end(cx, &[M('a'), M('b'), U('b'), U('a')]).await?;
    replay_to_end(cx, &[M('a'), M('b'), U('a'), U('b')]).await
}

pub(super) const FAILED_NOT_COUNTED: Case = Case {
    id: "ref.failed-not-counted",
    level: Level::Must,
    title: "a Mount that failed is not counted",
    why: "dockerd sends no Unmount for it: the count never comes back to zero, and the volume stays \
          mounted for ever",
    harm: Harm::Leak,
    sources: &[RECORDED, "https://github.com/moby/moby/pull/27116"],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true   # Mount fails",
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true",
        "docker volume rm {volume}",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &[
        "mount.fail-clean",
        "mount.sibling-failure",
        "unmount.works",
        "err.survive",
    ],
    run: |cx| Box::pin(failed_not_counted(cx)),
};

async fn failed_not_counted(cx: &mut Cx) -> CaseResult {
    let (name, failed, next) = (cx.name(), cx.id(), cx.id());
    failed_mount(cx, &name, &failed).await?;
    cx.create(&name)
        .await?
        .expect_ok("Create succeeds after a Mount of that name failed")?;
    let mut volume = Observed::of(name);
    volume.remember("a Mount that failed, Create,");
    volume.hold(cx, &next).await?;
    volume.write(cx).await?;
    volume.check(cx).await?;
    volume.unmount(cx, &next).await?;
    volume.finish(cx).await
}

pub(super) const FLOOR: Case = Case {
    id: "ref.floor",
    level: Level::Must,
    title: "an Unmount too many takes nothing from a later Mount",
    why: "a count below zero makes the next Mount count for nothing: the container that it was for has \
          its volume unmounted by the first other one that stops",
    harm: Harm::DataLoss,
    sources: &[
        "https://github.com/vieux/docker-volume-sshfs/blob/master/main.go (connections--)",
        "https://github.com/ContainX/docker-volume-netshare/pull/169",
    ],
    docker: &[
        "# after a stray Unmount, as a restart of plugin or daemon causes:",
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker run --rm -v {volume}:/data busybox true",
        "docker exec c1 ls /data",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["unmount.stray", "unmount.not-last", "ref.same-volume-twice"],
    run: |cx| Box::pin(floor(cx)),
};

async fn floor(cx: &mut Cx) -> CaseResult {
    let (first, second, third) = (cx.id(), cx.id(), cx.id());
    let mut volume = Observed::volume(cx).await?;
    // Where the plugin mounts is learnt with a Mount that has its Unmount.
    volume.hold(cx, &first).await?;
    volume.release(cx, &first).await?;
    volume.check(cx).await?;
    for id in [&first, &second] {
        cx.unmount(&volume.name, id)
            .await?
            .expect_answer("Unmount of a volume that is not mounted is answered")?;
        volume.remember("Unmount(too many)");
    }
    volume.mount(cx, &second).await?;
    volume.write(cx).await?;
    volume.check(cx).await?;
    volume.mount(cx, &third).await?;
    volume.unmount(cx, &third).await?;
    volume.check(cx).await?;
    volume.unmount(cx, &second).await?;
    volume.finish(cx).await
}
