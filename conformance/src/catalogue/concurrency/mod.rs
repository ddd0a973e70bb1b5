//! Concurrency: calls at the same time.
//!
//! dockerd serialises Create, Get and Remove of one name, and nothing else: Mounts and Unmounts of
//! one volume overlap whenever containers start and stop together, and calls on different volumes
//! always do. `races` lets calls on one volume meet, `waiting` looks who waits for whom, `histories`
//! checks that answers to calls that met go together.

mod histories;
mod races;
mod waiting;

use crate::suite::{Case, Harm, Level, Mode, Need};

/// The case that lets calls meet at random.
pub(crate) const LINEARIZABLE: &str = "conc.linearizable";

pub(super) const CASES: &[Case] = &[
    Case {
        id: "conc.other-volumes",
        level: Level::Must,
        title: "a slow call on one volume does not delay calls on others",
        why: "dockerd makes calls on different volumes at the same time and gives each 60 or 120 s: \
              behind one slow or stalled call all other containers with volumes of the plugin wait, \
              and then fail",
        harm: Harm::Hang,
        sources: &[
            "https://github.com/moby/moby/issues/18504",
            "moby: daemon/volume/service/store.go, which locks one name at a time",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, while one Mount hangs other containers start",
        ],
        docker: &[
            "docker run -d --volume-driver {plugin} -v slow:/data busybox sleep 60 &",
            "docker run --rm --volume-driver {plugin} -v {volume}:/data busybox true",
        ],
        needs: &[],
        // It measures how long calls take.
        mode: Mode::Alone,
        follows: &["http.parallel-connections", "http.disconnect"],
        run: |cx| Box::pin(waiting::other_volumes(cx)),
    },
    Case {
        id: "conc.same-volume-mounts",
        level: Level::Must,
        title: "many Mounts of one volume at once give as many holders of one mount",
        why: "dockerd does not serialise Mounts: containers that start together mount their common \
              volume at the same moment. A hold that got lost is a volume that is unmounted under a \
              running container",
        harm: Harm::DataLoss,
        sources: &[
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, five Mounts of one volume in flight at once",
            "moby: daemon/volume/service/service.go, Mount",
        ],
        docker: &[
            "docker volume create -d {plugin} {volume}",
            "for i in 1 2 3 4 5; do docker run -d -v {volume}:/data busybox sleep 60 & done",
        ],
        needs: &[],
        mode: Mode::Shared,
        follows: &[
            "ref.balanced",
            "ref.same-volume-twice",
            "unmount.not-last",
            "unmount.last",
            "mount.writable",
            "mount.visible",
            "http.parallel-connections",
        ],
        run: |cx| Box::pin(races::same_volume_mounts(cx)),
    },
    Case {
        id: "conc.create-race",
        level: Level::Must,
        title: "many Creates of one name at once make one volume",
        why: "one dockerd serialises the Creates of a name, two engines that share a plugin do not; \
              a volume that is there twice cannot be removed, or is removed under its other owner",
        harm: Harm::VolumeLost,
        sources: &[
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, of 20 Creates at once one reaches the plugin",
            "https://github.com/docker-archive/classicswarm/pull/2354",
        ],
        docker: &[
            "# from two engines that share the plugin, at the same time:",
            "docker volume create -d {plugin} {volume}",
        ],
        needs: &[],
        mode: Mode::Shared,
        follows: &[
            "list.complete",
            "create.works",
            "get.unknown",
            "remove.works",
            "http.parallel-connections",
        ],
        run: |cx| Box::pin(races::create_race(cx)),
    },
    Case {
        id: "conc.mount-unmount",
        level: Level::Must,
        title: "when the last Unmount meets a new Mount, the volume ends mounted",
        why: "one container stops while the next one starts: the new one gets a path that is \
              unmounted under it, and writes into the empty directory below",
        harm: Harm::DataLoss,
        sources: &[
            "https://docs.docker.com/engine/extend/plugins_volume/",
            "https://github.com/moby/moby/issues/17585",
        ],
        docker: &[
            "docker volume create -d {plugin} {volume}",
            "docker run -d --name c1 -v {volume}:/data busybox sleep 600",
            "docker rm -f c1 & docker run --rm -v {volume}:/data busybox ls /data",
        ],
        needs: &[],
        mode: Mode::Shared,
        follows: &[
            "conc.same-volume-mounts",
            "ref.balanced",
            "mount.data-persists",
            "ref.same-volume-twice",
            "mount.writable",
            "mount.visible",
            "http.parallel-connections",
        ],
        run: |cx| Box::pin(races::mount_unmount(cx)),
    },
    Case {
        id: "conc.remove-mount",
        level: Level::Must,
        title: "when Remove meets Mount, one of them fails",
        why: "a volume of a global driver is removed by one engine while another one mounts it: both \
              are told that it worked, and the container runs on data that are gone",
        harm: Harm::DataLoss,
        sources: &["https://docs.docker.com/engine/extend/plugins_volume/"],
        docker: &[
            "docker volume create -d {plugin} {volume}",
            "docker volume rm {volume} & # on one engine",
            "docker run --rm -v {volume}:/data busybox true # on another one",
        ],
        needs: &[],
        mode: Mode::Shared,
        follows: &[
            "remove.in-use",
            "conc.same-volume-mounts",
            "mount.unknown",
            "create.works",
            "http.parallel-connections",
            "err.survive",
            "mount.sibling-failure",
            "unmount.works",
        ],
        run: |cx| Box::pin(races::remove_mount(cx)),
    },
    Case {
        id: "conc.no-callback",
        level: Level::Must,
        title: "no call waits for the Docker API",
        why: "dockerd calls plugins while it starts, before its own API answers: a plugin that asks \
              the daemon first waits for the one that waits for it",
        harm: Harm::Hang,
        sources: &[
            "https://github.com/vmware-archive/vsphere-storage-for-docker/issues/366",
            "https://github.com/vmware-archive/vsphere-storage-for-docker/pull/1047",
        ],
        docker: &["systemctl restart docker # with a container of --restart always"],
        needs: &[Need::Exec],
        mode: Mode::Alone,
        follows: &[],
        run: |cx| Box::pin(waiting::no_callback(cx)),
    },
    Case {
        id: LINEARIZABLE,
        level: Level::Should,
        title: "what concurrent calls answer could have been answered one after the other",
        why: "dockerd and orchestrators decide by answers: two that contradict each other leave a \
              volume that one of them still counts on",
        harm: Harm::Misled,
        sources: &[
            "https://docs.docker.com/engine/extend/plugins_volume/",
            "Herlihy and Wing, Linearizability, 1990",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, which calls Mount, Unmount and List of one \
             volume at the same time",
        ],
        docker: &[
            "# from two engines that share the plugin, at the same time:",
            "# the calls drawn above",
        ],
        needs: &[],
        mode: Mode::Shared,
        follows: &[
            "conc.remove-mount",
            "conc.mount-unmount",
            "conc.same-volume-mounts",
            "conc.create-race",
            "http.parallel-connections",
            "http.keep-alive",
            // What happens only now and then even where calls come one after the other.
            "prop.well-formed",
            "prop.holds-own",
            "prop.holds-floor",
            "prop.holds-kept",
            "prop.outside",
            "prop.released",
            "prop.agree",
            "prop.calls-work",
            "prop.steady",
        ],
        run: |cx| Box::pin(histories::linearizable(cx)),
    },
];
