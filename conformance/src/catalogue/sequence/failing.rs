//! Something fails on the way.

use super::SEQUENCE;
use crate::suite::{Case, Harm, Need};

pub(super) const BAD_COMMAND: Case = Case {
    id: "sequence.bad-command",
    title: "a container that cannot start leaves its volume unmounted",
    why: "dockerd has mounted the volume when it learns that there is no such command: the volume stays \
          mounted for a container that never ran",
    harm: Harm::Leak,
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, run-command-not-found"],
    docker: &[
        "docker run --name c1 -v {volume}:/data --volume-driver {plugin} busybox no-such-command || echo 'refused: no such command'",
        "docker start c1 || echo 'refused: no such command'",
        "docker rm c1",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const MOUNT_AMONG_SEVERAL: Case = Case {
    id: "sequence.mount-fails-among-several",
    title: "when one of a container's volumes is gone, the others are released, and start without it",
    why: "dockerd unmounts what it had mounted so far: a volume stays mounted, or is lost to all \
          containers, because another one could not be mounted",
    harm: Harm::Leak,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, mount-err-second-volume, oob-deleted-start",
    ],
    docker: &[
        "docker create --name c1 -v {volume}:/a -v {other}:/b --volume-driver {plugin} busybox sleep 600",
        "# remove the volume behind Docker's back: {other}",
        "docker start c1 || echo 'refused: no such volume'",
        "docker start c1 || echo 'refused: no such volume'",
        "docker start c1 || echo 'refused: no such volume'",
        "docker run --rm -v {volume}:/data busybox sh -c 'echo one > /data/one'",
        "docker rm c1",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const UNMOUNT: Case = Case {
    id: "sequence.unmount-fails-then-start",
    title: "a container whose volume could not be unmounted starts again, with its data",
    why: "`docker stop` says nothing of it, and dockerd keeps the ID for the next start: the container \
          never starts again, or starts without its data",
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, unmount-err-then-rm-f, \
         daemon-restart-unmount-failed",
        "moby: volume/mounts/mounts.go, (*MountPoint).Cleanup",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "# keep a file of the volume open on the host, so that umount fails",
        "docker stop c1",
        "docker start c1 && docker exec c1 cat /data/one",
        "# close that file",
        "docker exec c1 cat /data/one",
        "docker restart c1 && docker exec c1 cat /data/one",
    ],
    needs: &[Need::Filesystem],
    follows: &["unmount.busy", "unmount.never-deletes", "ref.same-id-twice"],
    ..SEQUENCE
};
