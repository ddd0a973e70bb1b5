//! The plugin ends and comes back, and dockerd does not notice.

use super::SEQUENCE;
use crate::suite::{Case, Harm, Need};

/// What a plugin that comes back is built upon.
const CAME_BACK: &[&str] = &[
    "restart.remembers",
    "restart.faithful",
    "restart.old-ids",
    "restart.remount",
    "disc.rebind",
    "act.optional",
];

pub(super) const RESTART_IDLE: Case = Case {
    id: "sequence.plugin-restart",
    title: "volumes that nobody uses, and their data, outlive a restart of the plugin",
    why: "an update of the plugin costs the volumes: Docker calls them missing, or the next container \
          starts without its data",
    harm: Harm::VolumeLost,
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, plugin-restart-lost-state"],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox sh -c 'echo one > /data/one'",
        "# kill -9 the plugin and start it again",
        "docker volume inspect {volume}",
        "docker run --rm -v {volume}:/data busybox cat /data/one",
        "docker volume rm {volume}",
    ],
    needs: &[Need::Exec],
    follows: CAME_BACK,
    ..SEQUENCE
};

pub(super) const RESTART_IN_USE: Case = Case {
    id: "sequence.plugin-restart-in-use",
    title: "a container whose plugin was restarted under it comes back to its data when it is restarted",
    why: "dockerd unmounts with an ID from before and mounts with a new one: the container does not \
          start again, starts without its data, or the volume can never be removed",
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, plugin-restart-while-mounted"],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "# kill -9 the plugin and start it again",
        "docker restart c1 && docker exec c1 cat /data/one",
        "docker rm -f c1",
        "docker volume rm {volume}",
    ],
    needs: &[Need::Exec],
    follows: CAME_BACK,
    ..SEQUENCE
};

pub(super) const RESTART_BOTH: Case = Case {
    id: "sequence.plugin-and-daemon-restart",
    title: "containers and volumes are there again when both the plugin and the daemon were restarted",
    why: "a machine that is updated restarts both: containers that are always restarted stay down, or \
          start without their data",
    sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, daemon-and-plugin-restart-running"],
    docker: &[
        "docker run -d --name c1 --restart always -v {volume}:/data --volume-driver {plugin} busybox \
         sleep 600",
        "docker exec c1 sh -c 'echo one > /data/one'",
        "# kill -9 the plugin and start it again",
        "systemctl restart docker",
        "docker exec c1 cat /data/one",
        "docker rm -f c1",
        "docker volume rm {volume}",
    ],
    needs: &[Need::Exec],
    follows: CAME_BACK,
    ..SEQUENCE
};
