//! `/VolumeDriver.List`: all volumes, as `docker volume ls` shows them.

use std::time::{Duration, Instant};

use super::volume_steps::{CALLS, hold_too, known};
use super::without_storage;
use crate::protocol::Endpoint;
use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Harm, Level, Mode, Need, ensure};

pub(super) const CASES: &[Case] = &[COMPLETE, AGREES, BODIES, FAILS_LOUDLY, PROMPT];

const COMPLETE: Case = Case {
    id: "list.complete",
    level: Level::Must,
    title: "List shows every volume, mounted or not, each once and none without a name",
    why: "volumes that List leaves out vanish from `docker volume ls`, and from all tools that build \
          on it; what it shows without a name cannot be removed",
    harm: Harm::VolumeLost,
    sources: &[CALLS, "https://github.com/moby/moby/issues/22708"],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "docker volume ls -f driver={plugin}",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["list.bodies"],
    run: |cx| Box::pin(complete(cx)),
};

async fn complete(cx: &mut Cx) -> CaseResult {
    // More than a page of any backend that serves ten at a time.
    let mut names = Vec::new();
    for _ in 0..12 {
        names.push(cx.volume().await?);
    }
    if let [first, .., last] = names.as_slice() {
        // List is not asked for what Get does not know, either.
        known(cx, first).await?;
        let (id, second, third) = (cx.id(), cx.id(), cx.id());
        cx.hold(first, &id).await?;
        hold_too(cx, first, &second).await?;
        cx.hold(last, &third).await?;
    }
    let list = cx.list().await?;
    list.expect_ok("List succeeds")?;
    for name in &names {
        let times = list.names().iter().filter(|listed| *listed == name).count();
        ensure(times == 1, || shown(&list, name, times))?;
    }
    ensure(!list.names().contains(&""), || {
        Finding::new(
            "every volume of List has a name",
            "one of them has an empty one",
        )
        .because("create.empty-name")
    })
}

fn shown(list: &Answer, name: &str, times: usize) -> Finding {
    let all = list.names().len();
    Finding::new(
        format!("List shows the volume `{name}` once"),
        match times {
            0 => format!("List shows {all} volumes, and not this one"),
            more => format!("List shows it {more} times"),
        },
    )
}

const AGREES: Case = Case {
    id: "list.agrees",
    level: Level::Should,
    title: "Get knows every volume that List shows, by the same name and mountpoint",
    why: "dockerd lists a volume that it cannot inspect, use or remove: \"no such volume\"",
    harm: Harm::Misled,
    sources: &[CALLS, "https://github.com/moby/moby/issues/20608"],
    docker: &["docker volume inspect $(docker volume ls -q -f driver={plugin})"],
    needs: &[],
    // What others create and remove meanwhile would be listed, and gone.
    mode: Mode::Alone,
    follows: &["list.bodies", "remove.works", "enc.escapes"],
    run: |cx| Box::pin(agrees(cx)),
};

async fn agrees(cx: &mut Cx) -> CaseResult {
    const AT_MOST: usize = 50;
    cx.volume().await?;
    let (mounted, ..) = cx.held_volume().await?;
    let list = cx.list().await?;
    list.step("List succeeds")?;
    let begun = Instant::now();
    let volumes = list.reading().volumes.iter().flatten();
    let mut listed: Vec<_> = volumes.filter(|volume| !volume.name.is_empty()).collect();
    // The case's own are looked at in any case.
    listed.sort_by_key(|volume| volume.name != mounted);
    for volume in listed.into_iter().take(AT_MOST) {
        if begun.elapsed() > Duration::from_secs(5) {
            break;
        }
        let get = cx.get(&volume.name).await?;
        let Some(got) = get.volume() else {
            // It may have been removed by somebody else.
            if !cx.list().await?.names().contains(&volume.name.as_str()) {
                continue;
            }
            return Err(get
                .finding(&format!("Get knows `{}`, which List shows", volume.name))
                .into());
        };
        let paths = [&volume.mountpoint, &got.mountpoint];
        let both = paths.iter().all(|path| !path.is_empty());
        ensure(!both || volume.mountpoint == got.mountpoint, || {
            Finding::new(
                format!(
                    "List and Get show the same mountpoint for `{}`",
                    volume.name
                ),
                format!("List shows {:?} and Get {:?}", paths[0], paths[1]),
            )
        })?;
    }
    Ok(())
}

const BODIES: Case = Case {
    id: "list.bodies",
    level: Level::Must,
    title: "List works with the body `{}` and with no body at all",
    why: "dockerd sends `{}` and Podman nothing: the engine whose List is refused shows none of the \
          volumes",
    harm: Harm::VolumeLost,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: List carries `{}` and a newline",
        "https://github.com/containers/podman/blob/main/libpod/plugin/volume_api.go",
    ],
    docker: &["docker volume ls", "podman volume ls"],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(bodies(cx)),
};

async fn bodies(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    let docker = cx.list().await?;
    docker.expect_ok("List with the body `{}` succeeds, as dockerd sends it")?;
    let podman = cx.call(Endpoint::List, Vec::new(), None).await?;
    podman.expect_ok("List without a body succeeds, as Podman sends it")?;
    let shows = |list: &Answer| list.names().contains(&name.as_str());
    ensure(shows(&podman) || !shows(&docker), || {
        Finding::new(
            "List shows the same volumes with and without a body",
            format!("without a body `{name}` is missing"),
        )
    })
}

const FAILS_LOUDLY: Case = Case {
    id: "list.fails-loudly",
    level: Level::Should,
    title: "a List that cannot be had is an error, and not an empty list",
    why: "dockerd then shows the volumes that it remembers; an empty list hides them all",
    harm: Harm::VolumeLost,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after an Err remembered volumes are listed, \
         after an empty list none",
    ],
    docker: &["docker volume ls"],
    needs: &[Need::StorageFault],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(without_storage::fails_loudly(cx)),
};

const PROMPT: Case = Case {
    id: "list.prompt",
    level: Level::Must,
    title: "List answers whatever the storage of one volume does",
    why: "dockerd waits up to 60 s: `docker volume ls` hangs, and with it everything that is built on \
          it",
    harm: Harm::Hang,
    sources: &[
        "moby: daemon/volume/drivers/proxy.go",
        "https://github.com/ContainX/docker-volume-netshare/issues/150",
    ],
    docker: &["time docker volume ls"],
    needs: &[Need::StorageFault],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(without_storage::prompt_list(cx)),
};
