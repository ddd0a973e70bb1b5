//! Managed plugins: `config.json`, the rootfs, and what the engine makes of both (`--managed`).
//!
//! What happens inside a real engine, an upgrade for one, is not judged here.

mod bundle;
mod process;

use crate::suite::{Case, Harm, Level, Mode, Need};

const CONFIG: &str = "https://docs.docker.com/engine/extend/config/";

pub(super) const CASES: &[Case] = &[
    Case {
        id: "man.interface",
        level: Level::Must,
        title: "config.json names docker.volumedriver/1.0 and the socket that the process makes",
        why: "dockerd finds no volume driver in the plugin, or waits for a socket that never comes",
        harm: Harm::Refused,
        sources: &[CONFIG, "moby: daemon/pkg/plugin/store.go"],
        docker: &["docker plugin enable {plugin}"],
        needs: &[Need::Managed],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(bundle::interface(cx)),
    },
    Case {
        id: "man.starts",
        level: Level::Must,
        title: "the socket takes connections within 9 s of the start",
        why: "dockerd tries four times, 0.5 s after the start and then every 3 s; then enabling the \
              plugin fails, also when the machine boots",
        harm: Harm::NoStart,
        sources: &[
            "moby: daemon/pkg/plugin/manager_linux.go, pluginPostStart",
            "https://github.com/moby/moby/issues/37641",
        ],
        docker: &["docker plugin enable {plugin}"],
        needs: &[Need::Managed, Need::Exec],
        mode: Mode::Alone,
        follows: &["disc.rebind", "disc.early"],
        run: |cx| Box::pin(process::starts(cx)),
    },
    Case {
        id: "man.rootfs",
        level: Level::Must,
        title: "the rootfs holds /run/docker/plugins and an entrypoint that is the plugin itself",
        why: "without the directory the socket cannot be made; with a shell in between the plugin \
              never gets the signal to stop, and is killed",
        harm: Harm::NoStart,
        sources: &[
            "https://docs.docker.com/engine/extend/",
            "https://github.com/docker/go-plugins-helpers/issues/123",
        ],
        docker: &["docker plugin disable {plugin}"],
        needs: &[Need::Managed],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(bundle::rootfs(cx)),
    },
    Case {
        id: "man.propagated",
        level: Level::Must,
        title: "every mountpoint lies below propagatedMount",
        why: "dockerd takes any other path for one inside of the plugin's rootfs, where the mount \
              cannot be seen: the container gets an empty directory",
        harm: Harm::DataLoss,
        sources: &[
            CONFIG,
            "https://docs.docker.com/engine/extend/plugins_volume/",
            "https://github.com/moby/moby/issues/33378",
        ],
        docker: &["docker run --rm --volume-driver {plugin} -v {volume}:/data busybox mount"],
        needs: &[Need::Managed],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(bundle::propagated(cx)),
    },
    Case {
        id: "man.state-outside",
        level: Level::Must,
        title: "the plugin's state lies below propagatedMount or a mount, not in its rootfs",
        why: "`docker plugin upgrade` replaces the rootfs, and with it all that the plugin knew",
        harm: Harm::VolumeLost,
        sources: &[
            CONFIG,
            "https://github.com/sapk/docker-volume-gluster/issues/6",
        ],
        docker: &["docker plugin upgrade {plugin}", "docker volume ls"],
        needs: &[Need::Managed],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(process::state_outside(cx)),
    },
    Case {
        id: "man.mount-sources",
        level: Level::Must,
        title: "every entry of mounts has a source or can be given one",
        why: "dockerd refuses to enable the plugin, and there is no way to change that",
        harm: Harm::NoStart,
        sources: &[
            CONFIG,
            "moby: daemon/pkg/plugin/v2/plugin_linux.go, InitSpec",
        ],
        docker: &["docker plugin enable {plugin}"],
        needs: &[Need::Managed],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(bundle::mount_sources(cx)),
    },
    Case {
        id: "man.least-privilege",
        level: Level::Should,
        title: "the plugin asks for no capability, device or host namespace that it does not need",
        why: "every one is granted with a single `y` at installation, and is root on the host to \
              whoever takes the plugin over",
        harm: Harm::HostAtRisk,
        sources: &[CONFIG],
        docker: &["docker plugin install {plugin}"],
        needs: &[Need::Managed],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(bundle::least_privilege(cx)),
    },
    Case {
        id: "man.survives-restart",
        level: Level::Must,
        title: "volumes and mounts outlive `docker plugin disable -f` and `enable`, and a crash",
        why: "dockerd starts a crashed plugin again within seconds and tells nobody: what it has \
              forgotten is gone for the containers that run",
        harm: Harm::VolumeLost,
        sources: &[
            "https://github.com/moby/moby/issues/32515",
            "https://github.com/moby/moby/issues/34603",
        ],
        docker: &[
            "docker plugin disable -f {plugin}",
            "docker plugin enable {plugin}",
            "docker volume ls",
        ],
        needs: &[Need::Managed, Need::Exec],
        mode: Mode::Alone,
        follows: &["restart.remembers", "restart.old-ids", "act.optional"],
        run: |cx| Box::pin(process::survives_restart(cx)),
    },
];
