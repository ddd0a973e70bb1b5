//! Names and security: names and values that nobody should have to trust.
//!
//! dockerd checks neither volume names nor options for plugin drivers, so whoever may run
//! `docker volume create` speaks to the plugin directly, and the plugin runs as root. `strange`
//! holds odd but harmless names, `injective` pairs of them, `traversal` and `injection` what aims
//! at the host (at canaries here), `links` symbolic links inside of volumes, `exposure` what the
//! plugin leaves open.

mod exposure;
mod injection;
mod injective;
mod links;
mod strange;
mod traversal;

use crate::suite::{Case, Harm, Level, Mode, Need};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "sec.any-name",
        level: Level::Must,
        title: "every name is either a volume like any other or refused with Err",
        why: "dockerd forwards any name: one that is half taken is a volume that can be made and not \
              mounted, or not removed; one that the plugin dies of takes all others with it",
        harm: Harm::VolumeLost,
        sources: &[
            "moby: daemon/volume/mounts/linux_parser.go, ValidateVolumeName allows everything",
            "https://github.com/moby/moby/issues/17734",
            "https://github.com/hpe-storage/python-hpedockerplugin/issues/131",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2 forward `a/b`, `a b`, `a:b`, `é1` and 300 letters",
        ],
        docker: &["docker volume create -d {plugin} {volume}"],
        needs: &[],
        mode: Mode::Alone,
        follows: &[
            "get.same-name",
            "list.complete",
            "list.agrees",
            "create.works",
            "get.unknown",
            "enc.escapes",
            "err.survive",
            "sec.no-traversal",
            "sec.injective",
        ],
        run: |cx| Box::pin(strange::any_name(cx)),
    },
    Case {
        id: "sec.no-traversal",
        level: Level::Must,
        title: "no name reaches outside of the plugin's own directories",
        why: "a name with `..` or an absolute one makes directories anywhere, shows the host's files \
              in a container, or lets Remove delete them, all as root",
        harm: Harm::HostAtRisk,
        sources: &["recorded: dockerd 20.10.24, 26.1.5 and 28.5.2 forward such names unchanged"],
        docker: &["docker volume create -d {plugin} {volume}"],
        needs: &[Need::Hostile, Need::Filesystem],
        mode: Mode::Alone,
        follows: &["err.survive"],
        run: |cx| Box::pin(traversal::no_traversal(cx)),
    },
    Case {
        id: "sec.injective",
        level: Level::Must,
        title: "two different names are two different volumes",
        why: "two users' volumes share their data, or removing one removes the other's",
        harm: Harm::DataLoss,
        sources: &["https://docs.docker.com/engine/extend/plugins_volume/"],
        docker: &[
            "docker run --rm --volume-driver {plugin} -v {volume}:/data busybox touch /data/mine",
            "docker run --rm --volume-driver {plugin} -v OTHER:/data busybox ls /data",
        ],
        needs: &[],
        mode: Mode::Alone,
        follows: &[
            "mount.own-path",
            "get.same-name",
            "sec.no-traversal",
            "create.works",
            "list.complete",
            "list.agrees",
            "mount.writable",
        ],
        run: |cx| Box::pin(injective::injective(cx)),
    },
    Case {
        id: "sec.no-shell",
        level: Level::Must,
        title: "names and option values never reach a shell",
        why: "whoever may name a volume runs commands as root on the host",
        harm: Harm::HostAtRisk,
        sources: &[
            "https://github.com/ContainX/docker-volume-netshare/blob/master/netshare/drivers/nfs.go",
            "https://github.com/vieux/docker-volume-sshfs/blob/master/main.go",
        ],
        docker: &["docker volume create -d {plugin} '$(touch /tmp/canary)'"],
        needs: &[Need::Hostile, Need::Filesystem],
        mode: Mode::Alone,
        follows: &["err.survive"],
        run: |cx| Box::pin(injection::no_shell(cx)),
    },
    Case {
        id: "sec.no-option-injection",
        level: Level::Must,
        title: "an option's value adds no mount options or flags",
        why: "a password with a comma mounts the volume with options that nobody asked for: \
              `pw,uid=0` gives files to root, `pw,ro` makes it read-only",
        harm: Harm::HostAtRisk,
        sources: &["https://github.com/kubernetes-csi/csi-driver-smb/issues/507"],
        docker: &[
            "docker volume create -d {plugin} -o password=secret,ro {volume}",
            "docker run --rm -v {volume}:/data busybox touch /data/file",
        ],
        needs: &[Need::Hostile, Need::Filesystem],
        mode: Mode::Alone,
        follows: &[],
        run: |cx| Box::pin(injection::no_option_injection(cx)),
    },
    Case {
        id: "sec.symlinks",
        level: Level::Must,
        title: "links inside of a volume are not followed by Create, Mount, Unmount or Remove",
        why: "a container plants a link to the host's files, and the plugin, as root, deletes them \
              with the volume or gives them to somebody else",
        harm: Harm::HostAtRisk,
        sources: &["https://docs.docker.com/engine/extend/plugins_volume/"],
        docker: &[
            "docker run --rm --volume-driver {plugin} -v {volume}:/data busybox ln -s /etc /data/link",
            "docker volume rm {volume}",
        ],
        needs: &[Need::Hostile, Need::Filesystem],
        mode: Mode::Alone,
        follows: &[],
        run: |cx| Box::pin(links::symlinks(cx)),
    },
    Case {
        id: "sec.state-mode",
        level: Level::Should,
        title: "state files are not readable by everybody",
        why: "what is written down about volumes holds options, and with them passwords: everybody \
              on the host can read them",
        harm: Harm::SecretShown,
        sources: &["https://github.com/vieux/docker-volume-sshfs/blob/master/main.go"],
        docker: &[],
        needs: &[Need::Exec],
        mode: Mode::Alone,
        follows: &[],
        run: |cx| Box::pin(exposure::state_mode(cx)),
    },
    Case {
        id: "sec.no-open-tcp",
        level: Level::Should,
        title: "the plugin listens on no TCP port that others can reach",
        why: "whoever reaches the port mounts and deletes volumes without a password",
        harm: Harm::HostAtRisk,
        sources: &["https://docs.docker.com/engine/extend/plugin_api/"],
        docker: &[],
        needs: &[Need::Exec],
        mode: Mode::Alone,
        follows: &[],
        run: |cx| Box::pin(exposure::no_open_tcp(cx)),
    },
];
