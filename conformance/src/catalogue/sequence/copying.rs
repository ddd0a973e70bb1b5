//! `docker cp`: every volume of the container is mounted for it, of a running one with the IDs that
//! it already holds.

use super::SEQUENCE;
use crate::suite::{Case, Harm};

/// What `docker cp` of a running container is built upon.
const SAME_ID: &[&str] = &["ref.same-id-twice"];

const SOURCES: &[&str] = &[
    "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, docker-cp, mount-many-ids-same-container-cp",
    "moby: daemon/archive.go",
];

pub(super) const OUT_OF_RUNNING: Case = Case {
    id: "sequence.cp-out-of-running",
    title: "a container goes on with its volume after a file was copied out of it",
    why: "a backup with `docker cp` takes the volume away from the database that it backs up: what that \
          writes from then on is lost",
    harm: Harm::DataLoss,
    sources: SOURCES,
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "docker cp c1:/data/one /tmp/one",
        "docker exec c1 cat /data/one && docker exec c1 sh -c 'echo two > /data/two'",
        "docker restart c1 && docker exec c1 cat /data/one /data/two",
        "docker rm -f c1",
        "docker volume rm {volume}",
    ],
    follows: SAME_ID,
    ..SEQUENCE
};

pub(super) const INTO_RUNNING: Case = Case {
    id: "sequence.cp-into-running",
    title: "a file that is copied into a running container is there, and so is all the rest",
    why: "the copy fails, or lands beside the volume, or takes it away from the container",
    harm: Harm::DataLoss,
    sources: SOURCES,
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "docker cp /etc/hostname c1:/data",
        "docker exec c1 cat /data/one /data/hostname",
        "docker rm -f c1",
        "docker run --rm -v {volume}:/data busybox cat /data/one /data/hostname",
        "docker volume rm {volume}",
    ],
    follows: SAME_ID,
    ..SEQUENCE
};

pub(super) const STOPPED: Case = Case {
    id: "sequence.cp-stopped",
    title: "files are copied into and out of a container that does not run",
    why: "dockerd mounts for each request of the copy, with new IDs: the copy fails, or is not there \
          when the container starts, or the volume stays mounted",
    sources: SOURCES,
    docker: &[
        "docker create --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker cp /etc/hostname c1:/data",
        "docker start c1 && docker exec c1 cat /data/hostname",
        "docker stop c1",
        "docker cp c1:/data/hostname /tmp/hostname",
        "docker rm c1",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const TWO_PATHS: Case = Case {
    id: "sequence.cp-two-paths",
    title: "a container that has a volume at two paths keeps it at both while files are copied",
    why: "dockerd mounts and unmounts with both of its IDs, in any order: the container loses the volume",
    harm: Harm::DataLoss,
    sources: SOURCES,
    docker: &[
        "docker run -d --name c1 -v {volume}:/a -v {volume}:/b --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /a/one' && docker exec c1 cat /b/one",
        "docker cp /etc/hostname c1:/a",
        "docker cp c1:/b/hostname /tmp/hostname",
        "docker exec c1 cat /a/one /b/hostname",
        "docker rm -f c1",
        "docker volume rm {volume}",
    ],
    follows: SAME_ID,
    ..SEQUENCE
};
