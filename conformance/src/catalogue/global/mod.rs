//! Global scope: one storage, several hosts.
//!
//! A plugin that says `"Scope":"global"` promises that a volume is the same on every host. Judging
//! that takes a second host's plugin on the same storage (`--peer`).

mod hosts;

use crate::suite::{Case, Harm, Level, Mode, Need};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "glob.visible",
        level: Level::Must,
        title: "a volume made on one host is known on the others without another Create",
        why: "dockerd on the second host asks Get before it uses the volume, and makes a local volume \
              of the same name where that is denied",
        harm: Harm::VolumeLost,
        sources: &[
            "https://docs.docker.com/engine/extend/plugins_volume/",
            "https://github.com/moby/moby/pull/22077",
        ],
        docker: &[
            "docker volume create -d {plugin} {volume} # on one host",
            "docker volume inspect {volume} # on another",
        ],
        needs: &[Need::Peer],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(hosts::visible(cx)),
    },
    Case {
        id: "glob.data",
        level: Level::Must,
        title: "what was written and closed on one host is read on another",
        why: "a service that moves to another node starts on old or empty data",
        harm: Harm::DataLoss,
        sources: &["https://docs.docker.com/engine/extend/plugins_volume/"],
        docker: &[
            "docker run --rm -v {volume}:/data busybox touch /data/here # on one host",
            "docker run --rm -v {volume}:/data busybox ls /data # on another",
        ],
        needs: &[Need::Peer, Need::Filesystem],
        mode: Mode::Shared,
        follows: &["glob.visible"],
        run: |cx| Box::pin(hosts::data(cx)),
    },
    Case {
        id: "glob.remove-in-use",
        level: Level::Should,
        title: "Remove on one host fails while another one holds the volume",
        why: "an engine knows only its own containers: nothing else keeps it from removing what runs \
              elsewhere",
        harm: Harm::DataLoss,
        sources: &["https://github.com/rexray/rexray/issues/343"],
        docker: &[
            "docker run -d -v {volume}:/data busybox sleep 600 # on one host",
            "docker volume rm {volume} # on another",
        ],
        needs: &[Need::Peer],
        mode: Mode::Shared,
        follows: &["glob.visible", "remove.in-use"],
        run: |cx| Box::pin(hosts::remove_in_use(cx)),
    },
    Case {
        id: "glob.out-of-band-remove",
        level: Level::Must,
        title: "after Remove on one host the others no longer know the volume, and can make it anew",
        why: "dockerd drops its own record only when Get says that the volume is gone: else the name \
              can neither be used nor removed there",
        harm: Harm::VolumeLost,
        sources: &["https://github.com/moby/moby/issues/31526"],
        docker: &[
            "docker volume create -d {plugin} {volume} # on one host",
            "docker volume rm {volume} # on another",
            "docker volume create -d {plugin} {volume} # on the first",
        ],
        needs: &[Need::Peer],
        mode: Mode::Shared,
        follows: &["glob.visible"],
        run: |cx| Box::pin(hosts::out_of_band_remove(cx)),
    },
    Case {
        id: "glob.per-host-count",
        level: Level::Must,
        title: "the last Unmount on one host leaves the others mounted",
        why: "a container that stops on one node takes the volume away from those on all others",
        harm: Harm::DataLoss,
        sources: &["https://docs.docker.com/engine/extend/plugins_volume/"],
        docker: &[
            "docker run -d --name c1 -v {volume}:/data busybox sleep 600 # on both hosts",
            "docker rm -f c1 # on one",
            "docker exec c1 ls /data # on the other",
        ],
        needs: &[Need::Peer, Need::Filesystem],
        mode: Mode::Shared,
        follows: &["glob.visible"],
        run: |cx| Box::pin(hosts::per_host_count(cx)),
    },
    Case {
        id: "glob.exclusive",
        level: Level::May,
        title: "storage for one host at a time refuses the second one with a clear Err",
        why: "two hosts that write to one block device destroy the file system on it; a refusal \
              without words looks like any other failure",
        harm: Harm::DataLoss,
        sources: &[
            "https://github.com/rexray/rexray/issues/343",
            "https://github.com/rexray/rexray/issues/1314",
        ],
        docker: &["docker run -d -v {volume}:/data busybox sleep 600 # on both hosts"],
        needs: &[Need::Peer],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(hosts::exclusive(cx)),
    },
];
