//! The daemon ends and comes back.

use super::SEQUENCE;
use crate::suite::{Case, Harm, Level};

/// What a daemon that starts is built upon.
const RESTARTED: &[&str] = &["act.repeat"];

/// What a daemon that crashed is built upon.
const CRASHED: &[&str] = &[
    "act.repeat",
    "ref.after-daemon-crash",
    "ref.leak-not-yank",
    "ref.same-id-twice",
];

/// What a daemon that left its containers running is built upon.
const RESTORED: &[&str] = &[
    "act.repeat",
    "ref.live-restore",
    "ref.leak-not-yank",
    "ref.same-id-twice",
];

pub(super) const RESTART: Case = Case {
    id: "sequence.daemon-restart",
    title: "after a restart of the daemon containers find their volumes, and the volumes their driver",
    why: "dockerd asks for every volume that it knows when it starts: what the plugin denies then is \
          forgotten, and a container with it does not start",
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, daemon-restart-running, \
         daemon-restart-running-always, daemon-restart-volume-only",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker run -d --name c2 --restart always -v {volume}:/data busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "systemctl restart docker",
        "docker exec c2 cat /data/one",
        "docker start c1 && docker exec c1 cat /data/one",
        "docker rm -f c1 && docker rm -f c2",
        "docker volume rm {volume}",
    ],
    follows: RESTARTED,
    ..SEQUENCE
};

pub(super) const CRASH: Case = Case {
    id: "sequence.daemon-crash",
    title: "a container starts again after a crash of the daemon, with its data, as often as it is asked to",
    why: "dockerd never unmounts what was mounted when it died, and starts the container with the same \
          ID: the container stays down until the plugin is restarted or cleaned by hand",
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, daemon-kill-running"],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "kill -9 $(pidof dockerd)   # and start it again",
        "docker start c1 && docker exec c1 cat /data/one",
        "docker restart c1 && docker exec c1 cat /data/one",
        "docker run --rm -v {volume}:/data busybox cat /data/one",
        "docker exec c1 cat /data/one",
    ],
    follows: CRASHED,
    ..SEQUENCE
};

pub(super) const CRASH_RESTART_ALWAYS: Case = Case {
    id: "sequence.daemon-crash-restart-always",
    title: "a container that is always restarted runs again after a crash of the daemon, with its data",
    why: "dockerd tries once, with the ID from before the crash: the service stays down until somebody \
          looks",
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, daemon-kill-running-always"],
    docker: &[
        "docker run -d --name c1 --restart always -v {volume}:/data --volume-driver {plugin} busybox \
         sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "kill -9 $(pidof dockerd)   # and start it again",
        "docker exec c1 cat /data/one",
        "kill -9 $(pidof dockerd)   # and start it again",
        "docker exec c1 cat /data/one",
    ],
    follows: CRASHED,
    ..SEQUENCE
};

pub(super) const CRASH_CP: Case = Case {
    id: "sequence.daemon-crash-cp",
    level: Level::Should,
    title: "a container that came back after a crash of the daemon keeps its volume when files are copied",
    why: "the container's ID may count once or twice by now, and the copy takes one hold away: one too \
          few, and the container works in an empty directory",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, daemon-kill-running, docker-cp",
        "https://github.com/moby/moby/issues/47964",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "kill -9 $(pidof dockerd)   # and start it again",
        "docker start c1 && docker exec c1 cat /data/one",
        "docker cp c1:/data/one /tmp/one",
        "docker exec c1 cat /data/one",
    ],
    follows: CRASHED,
    ..SEQUENCE
};

pub(super) const LIVE_RESTORE: Case = Case {
    id: "sequence.live-restore",
    title: "containers that run on while the daemon is restarted keep their volume, and release it",
    why: "dockerd mounts nothing again: a plugin that starts over when it is activated takes the volume \
          away from a running container, or never lets it go",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, daemon-restart-live-restore",
        "https://docs.docker.com/engine/daemon/live-restore/",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "systemctl restart docker   # with \"live-restore\": true",
        "docker exec c1 cat /data/one",
        "docker run --rm -v {volume}:/data busybox cat /data/one",
        "docker exec c1 sh -c 'echo two > /data/two'",
        "docker stop c1 && docker start c1 && docker exec c1 cat /data/one /data/two",
        "docker rm -f c1",
        "docker volume rm {volume}",
    ],
    follows: RESTORED,
    ..SEQUENCE
};

pub(super) const LIVE_RESTORE_CP: Case = Case {
    id: "sequence.live-restore-cp",
    level: Level::Should,
    title: "a container that ran on while the daemon was restarted keeps its volume when files are copied",
    why: "the copy brings the first Mount and Unmount that the plugin sees of the container since: the \
          container works in an empty directory, and what it writes is lost",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, daemon-restart-live-restore, docker-cp",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "systemctl restart docker   # with \"live-restore\": true",
        "docker cp c1:/data/one /tmp/one",
        "docker exec c1 cat /data/one && docker exec c1 sh -c 'echo two > /data/two'",
        "docker rm -f c1",
        "docker volume rm {volume}",
    ],
    follows: RESTORED,
    ..SEQUENCE
};
