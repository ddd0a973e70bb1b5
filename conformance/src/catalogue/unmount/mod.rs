//! `/VolumeDriver.Unmount`: one holder less; the last one releases the volume.

mod busy;
mod holders;

pub(super) use busy::keep_busy;

use std::time::Duration;

use super::observed::Observed;
use super::volume_steps::{CALLS, need_kernel_mount, umount_behind, wait_until};
use super::without_storage;
use crate::suite::{Case, CaseResult, Cx, Finding, Harm, Level, Mode, Need, ensure};

pub(super) const CASES: &[Case] = &[
    WORKS,
    LAST,
    holders::NOT_LAST,
    holders::STRAY,
    ALREADY_GONE,
    busy::BUSY,
    busy::NEVER_DELETES,
    PROMPT,
];

const WORKS: Case = Case {
    id: "unmount.works",
    level: Level::Must,
    title: "Unmount of a held ID succeeds",
    why: "the container ends all the same, with an error in dockerd's log alone: the hold stays, and \
          the next start sends Mount with the same ID",
    harm: Harm::Leak,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after a failed Unmount the next Mount has the \
         same ID",
    ],
    docker: &["docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true"],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(works(cx)),
};

async fn works(cx: &mut Cx) -> CaseResult {
    let (name, id, _) = cx.held_volume().await?;
    cx.unmount(&name, &id)
        .await?
        .expect_ok("Unmount of a held ID succeeds")?;
    Ok(())
}

const LAST: Case = Case {
    id: "unmount.last",
    level: Level::Must,
    title: "the last Unmount releases the volume's mount",
    why: "mounts pile up until the host is restarted; storage that one host at a time can attach is \
          refused to all others",
    harm: Harm::Leak,
    sources: &[
        CALLS,
        "https://github.com/cloudfoundry/docker_driver_integration_tests (its lazy suite allows for a \
         delay)",
    ],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true",
        "mount | grep {volume}",
    ],
    needs: &[Need::Filesystem],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(last(cx)),
};

/// How long a plugin may wait before it unmounts what nobody holds.
const LAZY: Duration = Duration::from_secs(30);

async fn last(cx: &mut Cx) -> CaseResult {
    let (name, id, path) = cx.held_volume().await?;
    let path = need_kernel_mount(cx, &path).await?;
    cx.release(&name, &id).await?;
    let gone = wait_until(LAZY, || Ok(!cx.is_mounted(&path)?)).await?;
    match gone {
        Some(took) if took > Duration::from_secs(1) => {
            cx.note(format!(
                "the mount was released after {} ms",
                took.as_millis()
            ));
            Ok(())
        }
        Some(_) => Ok(()),
        None => Err(Finding::new(
            "nothing is mounted once the only holder has unmounted",
            format!(
                "{} is still mounted after {} s",
                path.display(),
                LAZY.as_secs()
            ),
        )
        .into()),
    }
}

const ALREADY_GONE: Case = Case {
    id: "unmount.already-gone",
    level: Level::Must,
    title: "Unmount succeeds when the kernel's mount is gone already",
    why: "the holder can never be released: the volume is \"in use\" for ever and cannot be removed",
    harm: Harm::Leak,
    sources: &[
        CALLS,
        "https://github.com/containers/docker-lvm-plugin/pull/53",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "# umount the volume on the host",
        "docker rm -f c1 && docker volume rm {volume}",
    ],
    needs: &[Need::Filesystem, Need::Root],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(already_gone(cx)),
};

async fn already_gone(cx: &mut Cx) -> CaseResult {
    let id = cx.id();
    let mut volume = Observed::volume(cx).await?;
    volume.hold(cx, &id).await?;
    let path = need_kernel_mount(cx, volume.path()?).await?;
    umount_behind(cx, &path).await?;
    volume.remember("umount by hand");
    volume.unmount(cx, &id).await?;
    ensure(!cx.is_mounted(&path)?, || {
        Finding::new(
            "nothing is mounted after Unmount",
            format!("{} is mounted", path.display()),
        )
    })
}

const PROMPT: Case = Case {
    id: "unmount.prompt",
    level: Level::Must,
    title: "Unmount ends in time, even if the storage is gone",
    why: "dockerd waits up to 60 s with the container locked: `docker ps` and `docker inspect` hang \
          with it",
    harm: Harm::Hang,
    sources: &[
        "moby: daemon/volume/drivers/proxy.go",
        "https://github.com/moby/moby/issues/33994",
        "https://github.com/rancher/rancher/issues/6419",
    ],
    docker: &["time docker stop c1"],
    needs: &[Need::StorageFault],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(without_storage::prompt_unmount(cx)),
};
