//! Several containers and one volume.

use super::SEQUENCE;
use crate::suite::{Case, Harm};

pub(super) const TWO_CONTAINERS: Case = Case {
    id: "sequence.two-containers",
    title: "two containers share a volume, and each keeps it when the other one goes",
    why: "dockerd counts nothing, and trusts the plugin to: the container that stays works in an empty \
          directory from then on, and what it writes is lost",
    harm: Harm::DataLoss,
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, two-containers-share"],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "docker run -d --name c2 -v {volume}:/data busybox sleep 600",
        "docker exec c2 cat /data/one && docker exec c2 sh -c 'echo two > /data/two'",
        "docker exec c1 cat /data/two",
        "docker rm -f c1",
        "docker exec c2 cat /data/one /data/two",
        "docker run --rm -v {volume}:/data busybox cat /data/two",
        "docker exec c2 sh -c 'echo three > /data/three'",
        "docker rm -f c2",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const VOLUMES_FROM: Case = Case {
    id: "sequence.volumes-from",
    title: "a container with the volumes of another one outlives it",
    why: "dockerd mounts for it with IDs of its own: it does not start, or loses the volume with the \
          container that it was taken from",
    harm: Harm::DataLoss,
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, volumes-from"],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "docker run -d --name c2 --volumes-from c1 busybox sleep 600",
        "docker exec c2 cat /data/one",
        "docker stop c1 && docker rm c1",
        "docker exec c2 cat /data/one",
        "docker rm -f c2",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const IN_USE: Case = Case {
    id: "sequence.in-use",
    title: "a volume in use outlives the attempt to remove it",
    why: "dockerd refuses by itself and only looks the volume up: a plugin that does more than answer \
          takes it away from the container",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, volume-rm-in-use-running, \
         volume-rm-in-use-stopped",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "docker volume rm {volume} || echo 'refused: in use'",
        "docker exec c1 cat /data/one",
        "docker stop c1",
        "docker volume rm {volume} || echo 'refused: in use'",
        "docker start c1 && docker exec c1 cat /data/one",
        "docker rm -f c1",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};
