//! Volumes by themselves: created, looked up, removed, with containers that only come by.

use super::SEQUENCE;
use crate::suite::{Case, Harm};

pub(super) const FIRST_USE: Case = Case {
    id: "sequence.first-use",
    title: "a volume that Docker has just been told is unknown can be created, used and removed",
    why: "dockerd asks for every new name before it creates it: `docker volume create` says that all \
          went well, and the first container does not start",
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, volume-create, volume-inspect, volume-rm",
        "moby: volume/service/store.go, (*VolumeStore).create",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "docker volume inspect {volume}",
        "docker run --rm -v {volume}:/data busybox sh -c 'echo one > /data/one'",
        "docker run --rm -v {volume}:/data busybox cat /data/one",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const CREATE_AGAIN: Case = Case {
    id: "sequence.create-again",
    title: "a volume that was created before is used as it is, and its name can be used again",
    why: "scripts and Compose create their volumes before each use: the data of the last use are gone, \
          or a name that was removed is lost for good",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, volume-create-twice, \
         container-create-existing-volume",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "docker run --rm -v {volume}:/data busybox sh -c 'echo one > /data/one'",
        "docker volume create -d {plugin} {volume}",
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox cat /data/one",
        "docker volume rm {volume}",
        "docker volume create -d {plugin} {volume}",
        "docker run --rm -v {volume}:/data busybox sh -c 'echo two > /data/two'",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const PRUNE: Case = Case {
    id: "sequence.prune",
    title: "listing and pruning leaves a plugin's volumes alone",
    why: "`docker volume prune` spares the volumes of plugins, used or not: what a plugin does when it \
          is listed must not cost any",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, volume-ls, volume-prune-oob, system-df",
        "moby: volume/service/service.go, (*VolumesService).Prune",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "docker run --rm -v {volume}:/data busybox sh -c 'echo one > /data/one'",
        "docker volume ls && docker volume prune -af && docker volume ls",
        "docker run --rm -v {volume}:/data busybox cat /data/one",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const ANONYMOUS: Case = Case {
    id: "sequence.anonymous",
    title: "volumes that Docker names itself come and go with their containers",
    why: "their names have 64 hexadecimal digits: the container does not start, or each one leaves a \
          volume behind that nobody knows, for Docker says nothing when it cannot remove one",
    harm: Harm::Leak,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, anonymous-volume, rm-fv-anonymous, \
         volume-create-no-name",
    ],
    docker: &[
        "docker run --rm -v /data --volume-driver {plugin} busybox sh -c 'echo one > /data/one'",
        "docker run -d --name c1 -v /data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo two > /data/two'",
        "docker stop c1 && docker start c1 && docker exec c1 cat /data/two",
        "docker rm -fv c1",
    ],
    ..SEQUENCE
};

pub(super) const DELETED_BEHIND: Case = Case {
    id: "sequence.deleted-behind",
    title: "a volume that was removed behind Docker's back is gone for Docker, and can be made again",
    why: "Docker goes on with a volume that there is not, and containers fail to start only later, or \
          the name can never be used again",
    harm: Harm::VolumeLost,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, volume-rm-oob-deleted, oob-deleted-run-driver",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "# remove the volume behind Docker's back: {volume}",
        "docker volume inspect {volume} || echo 'refused: no such volume'",
        "docker volume create -d {plugin} {volume}",
        "docker run --rm -v {volume}:/data busybox sh -c 'echo one > /data/one'",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};
