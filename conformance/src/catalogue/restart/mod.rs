//! Restart and persistence: the plugin's process ends and comes back.
//!
//! dockerd does not notice: it neither activates again nor asks what the plugin still knows. What
//! the plugin has forgotten, Docker calls missing, and makes a local volume in its place.
//! `memory` looks at volumes and data, `kills` kills at any moment, `state` spoils what was
//! written down, `holders` looks at mounts in use, `stop` at an orderly end.

mod holders;
mod kills;
mod memory;
mod state;
mod stop;

use super::sequence::play;
use super::without_storage;
use crate::suite::{Case, CaseResult, Cx, Finding, Harm, Level, Mode, Need};

/// The case that kills the plugin at any moment.
pub(crate) const ANY_MOMENT: &str = "restart.any-moment";

pub(super) const CASES: &[Case] = &[
    Case {
        id: "restart.remembers",
        level: Level::Must,
        title: "all volumes with their options survive a restart of the plugin",
        why: "dockerd takes a volume that Get denies for gone: the next `docker run -v name:…` makes \
              an empty local volume of that name, and exits with 0",
        harm: Harm::VolumeLost,
        sources: &[
            "https://github.com/rclone/rclone/issues/6769",
            "https://github.com/trajano/docker-volume-plugins/issues/5",
            "https://github.com/ContainX/docker-volume-netshare/issues/161",
            "https://github.com/MatchbookLab/local-persist/issues/33",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, plugin restarted without its state",
        ],
        docker: &[
            "docker volume create -d {plugin} {volume}",
            "# kill -9 the plugin, or stop it, and start it again",
            "docker volume inspect {volume}",
            "docker run --rm -v {volume}:/data busybox true",
        ],
        needs: &[Need::Exec],
        mode: Mode::Alone,
        follows: &[
            "list.complete",
            "create.works",
            "create.durable",
            "act.optional",
        ],
        run: |cx| Box::pin(memory::remembers(cx)),
    },
    Case {
        id: "restart.faithful",
        level: Level::Must,
        title: "after a restart of the plugin the volumes hold the same data",
        why: "the volume is there, and what is in it is not: the container starts on an empty \
              directory, or on another volume's data",
        harm: Harm::DataLoss,
        sources: &["https://github.com/rclone/rclone/issues/9853"],
        docker: &[
            "docker run --rm --volume-driver {plugin} -v {volume}:/data busybox touch /data/here",
            "# kill -9 the plugin, or stop it, and start it again",
            "docker run --rm -v {volume}:/data busybox ls /data",
        ],
        needs: &[Need::Exec, Need::Filesystem],
        mode: Mode::Alone,
        follows: &["restart.remembers", "mount.writable", "act.optional"],
        run: |cx| Box::pin(memory::faithful(cx)),
    },
    Case {
        id: ANY_MOMENT,
        level: Level::Must,
        title: "kill -9 at any moment leaves a state that the next start accepts",
        why: "machines lose power and plugins run out of memory while they write: a plugin that then \
              does not start keeps every container with one of its volumes from starting",
        harm: Harm::VolumeLost,
        sources: &["https://github.com/rclone/rclone/issues/7466"],
        docker: &[
            "while :; do docker volume create -d {plugin} {volume}; docker volume rm {volume}; done &",
            "# kill -9 the plugin and start it again",
        ],
        needs: &[Need::Exec],
        mode: Mode::Alone,
        follows: &[
            "restart.remembers",
            "create.durable",
            "remove.works",
            "create.works",
            "get.unknown",
            "act.optional",
            "remove.stays-removed",
        ],
        run: |cx| Box::pin(kills::any_moment(cx, 12)),
    },
    Case {
        id: "restart.any-moment-soak",
        level: Level::Must,
        title: "kill -9 at any of many moments leaves a state that the next start accepts",
        why: "machines lose power and plugins run out of memory while they write: a plugin that then \
              does not start keeps every container with one of its volumes from starting",
        harm: Harm::VolumeLost,
        sources: &["https://github.com/rclone/rclone/issues/7466"],
        docker: &[
            "while :; do docker volume create -d {plugin} {volume}; docker volume rm {volume}; done &",
            "# kill -9 the plugin and start it again",
        ],
        needs: &[Need::Exec, Need::Soak],
        mode: Mode::Alone,
        follows: &[
            ANY_MOMENT,
            "restart.remembers",
            "create.durable",
            "remove.works",
            "create.works",
            "get.unknown",
            "act.optional",
        ],
        run: |cx| Box::pin(kills::any_moment(cx, 50)),
    },
    Case {
        id: "restart.bad-state",
        level: Level::Should,
        title: "a spoilt state file is set aside, and the plugin starts",
        why: "a full disk or a bad block spoils one file: a plugin that then does not start takes \
              all volumes down with it, and one that deletes the file takes away what could be mended",
        harm: Harm::NoStart,
        sources: &[
            "https://github.com/rclone/rclone/issues/7466",
            "https://github.com/vieux/docker-volume-sshfs/blob/master/main.go",
        ],
        docker: &[],
        needs: &[Need::Exec],
        mode: Mode::Alone,
        follows: &[ANY_MOMENT, "act.optional"],
        run: |cx| Box::pin(state::bad_state(cx)),
    },
    Case {
        id: "restart.partial",
        level: Level::Must,
        title: "one volume that cannot be restored stops no other one, and stays listed",
        why: "one storage server is down while the plugin starts: the volumes on all others are \
              needed now, and those on this one when it is back",
        harm: Harm::VolumeLost,
        sources: &["https://github.com/rclone/rclone/blob/master/cmd/serve/docker/driver.go"],
        docker: &[],
        needs: &[Need::Exec, Need::StorageFault],
        mode: Mode::Alone,
        follows: &[
            "restart.remembers",
            "restart.faithful",
            "get.always-when-known",
            "list.fails-loudly",
            "list.prompt",
            "act.optional",
        ],
        run: |cx| Box::pin(without_storage::partial(cx)),
    },
    Case {
        id: "restart.remount",
        level: Level::Should,
        title: "mounts in use outlive a restart of the plugin, or the next Mount heals them",
        why: "dockerd does not mount again for containers that run: they see `Transport endpoint is \
              not connected`, and so does the next container where the dead mount is not replaced",
        harm: Harm::NoStart,
        sources: &[
            "https://github.com/vmware-archive/vsphere-storage-for-docker/issues/194",
            "https://github.com/trajano/docker-volume-plugins/issues/32",
        ],
        docker: &[
            "docker run -d --volume-driver {plugin} -v {volume}:/data busybox sleep 600",
            "# kill -9 the plugin and start it again",
            "docker run --rm -v {volume}:/data busybox ls /data",
        ],
        needs: &[Need::Exec, Need::Filesystem],
        mode: Mode::Alone,
        follows: &[
            "restart.remembers",
            "restart.faithful",
            "mount.heals",
            "mount.writable",
            "mount.visible",
            "act.optional",
        ],
        run: |cx| Box::pin(holders::remount(cx)),
    },
    Case {
        id: "restart.old-ids",
        level: Level::Must,
        title: "an ID that was mounted before the restart can be unmounted, and others keep their hold",
        why: "containers outlive the plugin's process, and dockerd unmounts them by the IDs from \
              before: refused, the volume is held for ever; taken for the last one, it is unmounted \
              under the others",
        harm: Harm::DataLoss,
        sources: &["https://github.com/vieux/docker-volume-sshfs/issues/14"],
        docker: &[
            "docker run -d --name c1 --volume-driver {plugin} -v {volume}:/data busybox sleep 600",
            "docker run -d --name c2 -v {volume}:/data busybox sleep 600",
            "# kill -9 the plugin, or stop it, and start it again",
            "docker rm -f c1",
            "docker exec c2 ls /data",
        ],
        needs: &[Need::Exec],
        mode: Mode::Alone,
        follows: &[
            "restart.remembers",
            "unmount.not-last",
            "ref.same-volume-twice",
            "mount.writable",
            "act.optional",
        ],
        run: |cx| Box::pin(holders::old_ids(cx)),
    },
    Case {
        id: "restart.graceful",
        level: Level::Should,
        title: "on SIGTERM the plugin answers the calls under way and ends within 10 s",
        why: "dockerd kills managed plugins 10 s after SIGTERM, and systemd others after 90 s: what \
              is cut off then is left half done, and dockerd repeats the call with an empty body",
        harm: Harm::Hang,
        sources: &[
            "moby: daemon/pkg/plugin/manager_linux.go, shutdownTimeout",
            "https://github.com/docker/go-plugins-helpers/issues/123",
        ],
        docker: &["systemctl stop {plugin}"],
        needs: &[Need::Exec],
        mode: Mode::Alone,
        follows: &["http.parallel-connections", "act.optional"],
        run: |cx| Box::pin(stop::graceful(cx)),
    },
    Case {
        id: "restart.no-shadow",
        level: Level::Must,
        title: "after a restart of the plugin, `docker run` with a known name reaches the plugin",
        why: "otherwise dockerd makes a local volume of that name, and the container runs on it",
        harm: Harm::VolumeLost,
        sources: &[
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, plugin restarted without its state",
        ],
        docker: &[
            "docker volume create -d {plugin} {volume}",
            "# kill -9 the plugin and start it again",
            "docker run --rm -v {volume}:/data busybox true",
            "docker volume inspect {volume}",
            "docker volume rm {volume}",
        ],
        needs: &[Need::Exec],
        mode: Mode::Alone,
        follows: &["restart.remembers", "create.durable", "act.optional"],
        run: |cx| Box::pin(play(cx)),
    },
];

/// How the plugin's process ends before it comes back.
#[derive(Debug, Clone, Copy)]
enum End {
    /// As by `kill -9`: what is to outlive it has to be written down by then.
    Killed,
    /// In good order, by SIGTERM: what it still does then must not be to throw away what others need.
    Stopped,
}

impl End {
    const BOTH: [Self; 2] = [Self::Killed, Self::Stopped];

    /// The process ends, and the next one comes.
    async fn restart(self, cx: &mut Cx) -> CaseResult {
        match self {
            Self::Killed => cx.kill_plugin().await?,
            Self::Stopped => cx.stop_plugin().await?,
        }
        cx.start_plugin().await.map(drop)
    }

    /// The end of a sentence about what was before.
    const fn before(self) -> &'static str {
        match self {
            Self::Killed => "before the plugin was killed and started again",
            Self::Stopped => "before the plugin was stopped (SIGTERM) and started again",
        }
    }
}

/// Starts the plugin and waits for an answer: one that listens before it reads its state may end
/// right after.
async fn start_for_good(cx: &mut Cx, when: &str) -> CaseResult {
    let expected = format!("the plugin starts again {when}");
    cx.step("start of the plugin");
    cx.hang_up();
    let plugin = cx.plugin()?;
    if let Err(why) = plugin.start().await {
        return Err(Finding::new(expected, why).into());
    }
    // Not Activate: dockerd does not notice the restart, and goes on as before.
    let list = cx.list().await?;
    if list.response().is_some() {
        return Ok(());
    }
    let plugin = cx.plugin()?;
    let why = if plugin.is_running().await {
        list.describe()
    } else {
        format!("it ended right after it listened; {}", plugin.last_line())
    };
    Err(Finding::new(expected, why).into())
}
