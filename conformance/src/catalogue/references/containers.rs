//! Sequences of calls, as recorded engines sent them for what containers do.

use super::Step::{Get as G, Mount as M, Unmount as U};
use super::{RECORDED, replay_to_end};
use crate::catalogue::observed::Observed;
use crate::catalogue::unmount::keep_busy;
use crate::catalogue::volume_steps::{known, need_kernel_mount};
use crate::suite::{Case, CaseResult, Cx, Halt, Harm, Need};

/// What every sequence is built upon.
const COUNTING: &[&str] = &[
    "unmount.works",
    "unmount.not-last",
    "ref.same-volume-twice",
    "ref.same-id-twice",
    "ref.balanced",
    "mount.data-persists",
];

/// A sequence in which the rules of [`counting`](super::counting) come together.
const SEQUENCE: Case = Case {
    sources: &[RECORDED],
    follows: COUNTING,
    ..Case::BLANK
};

pub(super) const RUN_POPULATED: Case = Case {
    id: "ref.sequence-run-populated",
    title: "a volume can be mounted and unmounted once before its container starts, to be filled from \
            the image",
    why: "dockerd copies the image's files into the volume at `docker create`, with a Mount and an \
          Unmount of their own: without them the container misses its files or does not start",
    docker: &["docker run --rm -v {volume}:/etc --volume-driver {plugin} busybox ls /etc"],
    run: |cx| {
        Box::pin(replay_to_end(
            cx,
            &[G, G, M('a'), G, U('a'), G, M('b'), G, U('b')],
        ))
    },
    ..SEQUENCE
};

pub(super) const STOP_START: Case = Case {
    id: "ref.sequence-stop-start",
    title: "a container can be stopped, started and restarted, with another ID each time",
    why: "the container does not start again, or starts without its files",
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker stop c1 && docker start c1 && docker restart c1 && docker rm -f c1",
    ],
    run: |cx| {
        Box::pin(replay_to_end(
            cx,
            &[
                G,
                M('a'),
                G,
                U('a'),
                G,
                M('b'),
                G,
                U('b'),
                G,
                M('c'),
                G,
                U('c'),
            ],
        ))
    },
    ..SEQUENCE
};

pub(super) const SECOND_CONTAINER: Case = Case {
    id: "ref.sequence-second-container",
    title: "a second container can come and go while the first one keeps the volume",
    why: "the first container loses its volume, or the second one does not start",
    harm: Harm::DataLoss,
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker run --rm -v {volume}:/data busybox true",
        "docker exec c1 touch /data/file",
    ],
    run: |cx| {
        Box::pin(replay_to_end(
            cx,
            &[
                G,
                M('a'),
                G,
                G,
                M('b'),
                G,
                U('b'),
                G,
                G,
                M('c'),
                G,
                U('c'),
                G,
                U('a'),
            ],
        ))
    },
    ..SEQUENCE
};

pub(super) const TWO_TARGETS: Case = Case {
    id: "ref.sequence-two-targets",
    title: "one container can have a volume at two places",
    why: "dockerd sends two Mounts with two IDs: the container does not start, or loses the volume at \
          one of the places",
    docker: &[
        "docker run --rm -v {volume}:/a -v {volume}:/b --volume-driver {plugin} busybox ls /a /b",
    ],
    run: |cx| {
        Box::pin(replay_to_end(
            cx,
            &[G, G, G, M('a'), G, M('b'), G, U('b'), G, U('a')],
        ))
    },
    ..SEQUENCE
};

pub(super) const BAD_COMMAND: Case = Case {
    id: "ref.sequence-bad-command",
    title: "a container that fails after its volume was mounted leaves the volume unused",
    why: "the volume stays mounted for a container that never ran, and cannot be removed",
    harm: Harm::Leak,
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox no-such-command",
        "docker volume rm {volume}",
    ],
    run: |cx| Box::pin(replay_to_end(cx, &[G, M('a'), G, U('a')])),
    ..SEQUENCE
};

pub(super) const CP_OUT_OF: Case = Case {
    id: "ref.sequence-cp-out-of",
    title: "`docker cp` out of a running container leaves the container its volume",
    why: "dockerd mounts and unmounts with the container's own ID: the container loses its volume, or \
          the copy fails",
    harm: Harm::DataLoss,
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker cp c1:/data/. /tmp/copy && docker exec c1 ls /data",
    ],
    run: |cx| {
        Box::pin(replay_to_end(
            cx,
            &[G, M('a'), G, M('a'), G, U('a'), G, U('a')],
        ))
    },
    ..SEQUENCE
};

pub(super) const CP_INTO: Case = Case {
    id: "ref.sequence-cp-into",
    title: "`docker cp` into a running container leaves the container its volume",
    why: "dockerd mounts and unmounts twice with the container's own ID: the container loses its \
          volume, or the copy fails",
    harm: Harm::DataLoss,
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker cp /etc/hostname c1:/data/ && docker exec c1 ls /data",
    ],
    run: |cx| {
        Box::pin(replay_to_end(
            cx,
            &[
                G,
                M('a'),
                G,
                M('a'),
                G,
                U('a'),
                G,
                M('a'),
                G,
                U('a'),
                G,
                U('a'),
            ],
        ))
    },
    ..SEQUENCE
};

pub(super) const CP_TWO_TARGETS: Case = Case {
    id: "ref.sequence-cp-two-targets",
    title: "`docker cp` into a container that has a volume at two places leaves it both",
    why: "dockerd mounts and unmounts with both of the container's IDs, in any order: the container \
          loses its volume, or the copy fails",
    harm: Harm::DataLoss,
    docker: &[
        "docker run -d --name c1 -v {volume}:/a -v {volume}:/b --volume-driver {plugin} busybox sleep 600",
        "docker cp /etc/hostname c1:/a/ && docker exec c1 ls /a /b",
    ],
    run: |cx| {
        Box::pin(replay_to_end(
            cx,
            &[
                G,
                M('a'),
                G,
                M('b'),
                G,
                M('a'),
                G,
                M('b'),
                G,
                U('a'),
                G,
                U('b'),
                G,
                M('b'),
                G,
                M('a'),
                G,
                U('b'),
                G,
                U('a'),
                G,
                U('a'),
                G,
                U('b'),
            ],
        ))
    },
    ..SEQUENCE
};

pub(super) const UNMOUNT_FAILS_THEN_START: Case = Case {
    id: "ref.sequence-unmount-fails-then-start",
    title: "after an Unmount that failed, the container can be started again with the same ID",
    why: "dockerd keeps the ID of a failed Unmount and sends it with the next Mount, even after its own \
          restart: the container never starts again",
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "# keep a file of the volume open on the host, so that umount fails",
        "docker stop c1 && docker start c1 && docker exec c1 ls /data",
    ],
    needs: &[Need::Filesystem],
    follows: &[
        "unmount.works",
        "unmount.busy",
        "unmount.never-deletes",
        "unmount.not-last",
        "ref.same-id-twice",
        "mount.data-persists",
    ],
    run: |cx| Box::pin(unmount_fails_then_start(cx)),
    ..SEQUENCE
};

async fn unmount_fails_then_start(cx: &mut Cx) -> CaseResult {
    let id = cx.id();
    let mut volume = Observed::volume(cx).await?;
    volume.hold(cx, &id).await?;
    let path = need_kernel_mount(cx, volume.path()?).await?;
    volume.write(cx).await?;
    let file = keep_busy(cx, &path).await?;
    known(cx, &volume.name).await?;
    let failed = cx.unmount(&volume.name, &id).await?;
    if failed.is_ok() {
        return Err(Halt::skip(
            "Unmount cannot be made to fail: it succeeds for a busy volume, too",
        ));
    }
    failed.expect_answer("Unmount of a busy volume is answered")?;
    volume.remember("Unmount(a) of a busy volume, which failed");
    known(cx, &volume.name).await?;
    // From here on there is one container again, which is stopped once: whether its ID now counts
    // for one hold or for two is the plugin's choice, but it must not count for none.
    volume.forget(&id);
    volume.mount(cx, &id).await?;
    volume.check(cx).await?;
    cx.step("closed that file");
    drop(file);
    volume.check(cx).await?;
    volume.unmount(cx, &id).await
}
