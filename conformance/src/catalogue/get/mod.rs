//! `/VolumeDriver.Get`: the question that dockerd asks before everything else.

mod timing;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::volume_steps::{CALLS, hold_too, kernel_mount, known, wait_until};
use super::without_storage;
use crate::suite::{Case, CaseResult, Cx, Finding, Harm, Level, Mode, Need, ensure};

pub(super) const CASES: &[Case] = &[
    UNKNOWN,
    UNKNOWN_IS_ERROR,
    SAME_NAME,
    READ_ONLY,
    ALWAYS_WHEN_KNOWN,
    timing::FAST,
    timing::DURING_MOUNT,
    MOUNTPOINT,
];

const UNKNOWN: Case = Case {
    id: "get.unknown",
    level: Level::Must,
    title: "Get of a name that does not exist returns no volume",
    why: "dockerd calls Get before Create and skips Create if anything comes back: `docker volume \
          create` reports success and makes nothing",
    harm: Harm::VolumeLost,
    sources: &[
        CALLS,
        "https://github.com/moby/moby/issues/21857",
        "https://github.com/yp-engineering/rbd-docker-plugin/pull/36",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(unknown(cx)),
};

async fn unknown(cx: &mut Cx) -> CaseResult {
    let begun = Instant::now();
    for round in 0..20 {
        if round > 2 && begun.elapsed() > Duration::from_secs(2) {
            break;
        }
        let name = cx.name();
        let get = cx.get(&name).await?;
        ensure(get.volume().is_none(), || {
            get.finding("Get of a volume that was never created returns none")
        })?;
    }
    Ok(())
}

const UNKNOWN_IS_ERROR: Case = Case {
    id: "get.unknown-is-error",
    level: Level::Should,
    title: "Get of a name that does not exist answers an error",
    why: "dockerd takes an empty answer for \"no such volume\" too, but other callers read it as a \
          volume without name or path",
    harm: Harm::Misled,
    sources: &[
        CALLS,
        "https://github.com/moby/moby/pull/20747",
        "https://github.com/hpe-storage/dory/issues/5",
    ],
    docker: &["docker volume inspect {volume}"],
    needs: &[],
    mode: Mode::Shared,
    follows: &["get.unknown"],
    run: |cx| Box::pin(unknown_is_error(cx)),
};

async fn unknown_is_error(cx: &mut Cx) -> CaseResult {
    let name = cx.name();
    cx.get(&name)
        .await?
        .expect_refusal("Get of a volume that does not exist is answered with an error")?;
    Ok(())
}

const SAME_NAME: Case = Case {
    id: "get.same-name",
    level: Level::Must,
    title: "Get returns the volume under the very name that was asked for",
    why: "dockerd goes on with the name from the answer: it mounts and removes that volume instead",
    harm: Harm::DataLoss,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after Get answered another name, Mount and \
         Remove were sent for that one",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "docker run --rm -v {volume}:/data busybox true",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(same_name(cx)),
};

async fn same_name(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    expect_name(&known(cx, &name).await?.name, &name)?;
    // dockerd passes any name on. A plugin may refuse it, but not turn it into another one.
    let (upper, blanks) = (cx.name().to_uppercase(), format!(" {} ", cx.name()));
    for name in [upper, blanks] {
        if !cx.create_strange(&name).await?.is_ok() {
            continue;
        }
        if let Some(volume) = cx.get(&name).await?.volume() {
            expect_name(&volume.name, &name)?;
        }
    }
    Ok(())
}

fn expect_name(got: &str, asked: &str) -> CaseResult {
    ensure(got == asked, || {
        Finding::new(
            format!("Get of {asked:?} returns a volume of that name"),
            format!("its Name is {got:?}"),
        )
    })
}

const READ_ONLY: Case = Case {
    id: "get.read-only",
    level: Level::Must,
    title: "Get creates, mounts and changes nothing",
    why: "dockerd asks Get of every plugin for every name that it does not know, and before each use: \
          volumes and mounts would appear that nobody asked for and nobody removes",
    harm: Harm::Leak,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `docker volume inspect` of an unknown name \
         sends Get to every plugin",
    ],
    docker: &["docker volume inspect {volume}", "docker volume ls"],
    needs: &[],
    mode: Mode::Shared,
    follows: &["get.unknown"],
    run: |cx| Box::pin(read_only(cx)),
};

async fn read_only(cx: &mut Cx) -> CaseResult {
    let stranger = cx.name();
    for _ in 0..2 {
        let get = cx.get(&stranger).await?;
        ensure(get.volume().is_none(), || {
            get.finding("Get of an unknown name makes no volume")
        })?;
    }
    let list = cx.list().await?;
    if list.names().contains(&stranger.as_str()) {
        // Nobody asked for it, so nobody but this case will remove it.
        cx.may_exist(&stranger);
        return Err(Finding::new(
            "Get of an unknown name makes no volume",
            format!("List shows `{stranger}` after Get asked for it"),
        )
        .into());
    }

    // Where the volume would be mounted is known only once it was.
    let (name, id, path) = cx.held_volume().await?;
    let real = kernel_mount(cx, &path).await?;
    cx.release(&name, &id).await?;
    let Some(real) = real else {
        return Ok(());
    };
    let limit = Duration::from_millis(500);
    if wait_until(limit, || Ok(!cx.is_mounted(&real)?))
        .await?
        .is_none()
    {
        cx.note("whether Get mounts cannot be seen: Unmount does not release at once");
        return Ok(());
    }
    known(cx, &name).await?;
    ensure(!cx.is_mounted(&real)?, || {
        Finding::new(
            "Get mounts nothing",
            format!("{} is mounted after Get", real.display()),
        )
    })
}

const ALWAYS_WHEN_KNOWN: Case = Case {
    id: "get.always-when-known",
    level: Level::Must,
    title: "a known volume stays visible while its storage cannot be reached",
    why: "dockerd takes any error from Get for \"no such volume\": it forgets the volume, and the next \
          `docker run -v` makes a local volume of that name",
    harm: Harm::VolumeLost,
    sources: &[
        "moby: daemon/volume/service/store.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after a failed Get the container ran on a \
         new local volume, with exit status 0",
        "https://github.com/sapk/docker-volume-gluster/issues/6",
        "https://github.com/rexray/rexray/issues/908",
    ],
    docker: &["docker run --rm -v {volume}:/data busybox true"],
    needs: &[Need::StorageFault],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(without_storage::known(cx)),
};

const MOUNTPOINT: Case = Case {
    id: "get.mountpoint",
    level: Level::Should,
    title: "the Mountpoint that Get shows is the one that Mount answered, and never another volume's",
    why: "`docker volume inspect` and `docker inspect` show it, and people and backup tools work in \
          that directory",
    harm: Harm::Misled,
    sources: &[
        CALLS,
        "https://github.com/moby/moby/issues/22708",
        "https://github.com/longhorn/longhorn-engine/issues/61",
    ],
    docker: &[
        "docker run -d -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker volume inspect {volume}",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &[
        "mount.own-path",
        "mount.usable",
        "mount.visible",
        "ref.same-volume-twice",
    ],
    run: |cx| Box::pin(mountpoint(cx)),
};

async fn mountpoint(cx: &mut Cx) -> CaseResult {
    let mut paths = BTreeMap::new();
    for _ in 0..2 {
        let (name, id, path) = cx.held_volume().await?;
        paths.insert(name, (id, path));
    }
    for (name, (_, path)) in &paths {
        let second = cx.id();
        let also = hold_too(cx, name, &second).await?;
        let shown = known(cx, name).await?.mountpoint;
        // It is optional at all times.
        let right = shown.is_empty() || [path, &also].iter().any(|path| **path == *shown);
        ensure(right, || {
            Finding::new(
                format!(
                    "Get shows {} for the mounted volume `{name}`, or nothing",
                    path.display()
                ),
                format!("its Mountpoint is {shown:?}"),
            )
        })?;
        cx.release(name, &second).await?;
    }
    // One of them is unmounted: it must not show where the other one is.
    let mut all = paths.iter();
    let (Some((one, (id, own))), Some((_, (_, others)))) = (all.next(), all.next()) else {
        return Ok(());
    };
    cx.release(one, id).await?;
    let shown = known(cx, one).await?.mountpoint;
    ensure(own == others || Path::new(&shown) != others, || {
        Finding::new(
            format!("Get of `{one}` does not show another volume's mountpoint"),
            format!("its Mountpoint is {shown:?}, where another volume is mounted"),
        )
    })
}
