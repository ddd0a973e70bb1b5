//! One container and its volumes.

use super::SEQUENCE;
use crate::suite::{Case, Harm, Need};

pub(super) const RUN: Case = Case {
    id: "sequence.run",
    title: "one container after the other finds what the last one wrote",
    why: "the container does not start, starts without the data, or leaves the volume mounted",
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, run-rm-foreground, run-foreground, \
         container-create-v, container-create-nodriver",
    ],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox sh -c 'echo one > /data/one'",
        "docker run --rm -v {volume}:/data busybox cat /data/one",
        "docker run --rm --mount type=volume,src={volume},dst=/data,volume-driver={plugin} busybox cat \
         /data/one",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const POPULATE: Case = Case {
    id: "sequence.populate",
    title: "a new volume is filled from the image, and keeps what it was filled with",
    why: "dockerd mounts the volume once to fill it and once to use it: what was copied is gone, and \
          the program in the container does not find its files",
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, copy-up, copy-up-two, nocopy",
        "moby: daemon/create_unix.go, (*Daemon).populateVolumes",
    ],
    docker: &[
        "docker run --rm -v {volume}:/etc --volume-driver {plugin} busybox cat /etc/passwd",
        "docker run --rm -v {volume}:/etc busybox cat /etc/passwd",
        "docker run --rm --mount type=volume,src={volume},dst=/etc,volume-nocopy busybox cat /etc/passwd",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const STOP_START: Case = Case {
    id: "sequence.stop-start",
    title: "a container that is stopped, started, restarted and killed always comes back to its data",
    why: "the container does not start again, or starts without its data",
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, run-detached-lifecycle, running-container-misc",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "docker stop c1",
        "docker start c1 && docker exec c1 cat /data/one",
        "docker restart c1 && docker exec c1 cat /data/one",
        "docker kill c1",
        "docker start c1 && docker exec c1 cat /data/one",
        "docker stop c1 && docker rm c1",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const REMOVE_FORCE: Case = Case {
    id: "sequence.rm-force",
    title: "a container that is removed while it runs leaves the volume unused, with its data",
    why: "the volume stays mounted for a container that is gone, and cannot be removed",
    harm: Harm::Leak,
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, rm-force, unmount-order-rm-volume"],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "docker rm -f c1",
        "docker run --rm -v {volume}:/data busybox cat /data/one",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const TWO_PATHS: Case = Case {
    id: "sequence.two-paths",
    title: "a container that has a volume at two paths finds the same data at both",
    why: "dockerd mounts twice, with two IDs: the container does not start, or has other data at one of \
          the paths, or loses it",
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, same-volume-two-paths"],
    docker: &[
        "docker run -d --name c1 -v {volume}:/a -v {volume}:/b --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /a/one'",
        "docker exec c1 cat /a/one /b/one",
        "docker stop c1 && docker start c1 && docker exec c1 cat /a/one /b/one",
        "docker rm -f c1",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const TWO_VOLUMES: Case = Case {
    id: "sequence.two-volumes",
    title: "a container with two volumes has each at its own path, also after it was stopped",
    why: "dockerd mounts and unmounts them in any order: the container finds one's data in the other, \
          or loses one with the other",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, two-volumes-one-container, bind-and-volume",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/a -v {other}:/b --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /a/one' && docker exec c1 sh -c 'echo two > /b/two'",
        "docker exec c1 test ! -e /a/two && docker exec c1 test ! -e /b/one",
        "docker run --rm -v {other}:/data busybox cat /data/two",
        "docker stop c1 && docker start c1 && docker exec c1 cat /a/one /b/two",
        "docker rm -f c1",
        "docker volume rm {volume} && docker volume rm {other}",
    ],
    ..SEQUENCE
};

pub(super) const READ_ONLY: Case = Case {
    id: "sequence.read-only",
    title: "a container that may only read a volume reads what another one writes",
    why: "dockerd makes the volume read-only itself and tells the plugin nothing of it: the reader does \
          not start, or the writer loses its volume when the reader ends",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, read-only-mount, \
         mount-read-write-propagation-opts",
    ],
    docker: &[
        "docker run -d --name writer -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec writer sh -c 'echo one > /data/one'",
        "docker run --rm -v {volume}:/data:ro busybox cat /data/one",
        "docker run --rm -v {volume}:/data:ro busybox sh -c 'echo two > /data/two' || echo 'refused: read-only'",
        "docker exec writer sh -c 'echo three > /data/three'",
        "docker rm -f writer",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const SUBPATH: Case = Case {
    id: "sequence.subpath",
    title: "a container can have a directory of a volume, and a missing one leaves nothing mounted",
    why: "dockerd looks for the directory below the mountpoint: the container does not start, or the \
          volume stays mounted for one that could not",
    sources: &[
        "recorded: dockerd 26.1.5 and 28.5.2, subpath",
        "https://docs.docker.com/engine/storage/volumes/#mount-a-volume-subdirectory",
    ],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox mkdir /data/dir",
        "docker run --rm --mount type=volume,src={volume},dst=/part,volume-subpath=dir busybox sh -c \
         'echo one > /part/one'",
        "docker run --rm -v {volume}:/data busybox cat /data/dir/one",
        "docker run --rm --mount type=volume,src={volume},dst=/part,volume-subpath=missing busybox true || echo 'refused: no such directory'",
        "docker volume rm {volume}",
    ],
    needs: &[Need::Filesystem, Need::Root],
    ..SEQUENCE
};

pub(super) const RESTART_POLICY: Case = Case {
    id: "sequence.restart-policy",
    title: "a container that fails and is started again by its policy leaves the volume unused in the end",
    why: "dockerd mounts and unmounts with a new ID for each attempt, a tenth of a second apart: a later \
          attempt does not start, or mounts pile up",
    harm: Harm::Leak,
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, run-restart-policy"],
    docker: &[
        "docker run -d --name c1 --restart on-failure:2 -v {volume}:/data --volume-driver {plugin} \
         busybox false",
        "docker wait c1",
        "docker rm c1",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};
