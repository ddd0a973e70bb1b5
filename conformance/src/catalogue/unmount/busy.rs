//! Unmount while a file of the volume is open: the hold stays, and so do the data.

use std::fs::{File, OpenOptions};
use std::path::Path;

use crate::catalogue::observed::Observed;
use crate::catalogue::volume_steps::{CALLS, need_kernel_mount};
use crate::suite::{Case, CaseResult, Cx, Finding, Harm, Level, Mode, Need, ensure};

pub(super) const BUSY: Case = Case {
    id: "unmount.busy",
    level: Level::Should,
    title: "an Unmount that the kernel refuses is an error, and the hold stays",
    why: "the mount stays and nobody is known to hold it: it is never unmounted, and a Remove deletes \
          files that are in use",
    harm: Harm::Leak,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after a failed Unmount the next start sends \
         Mount with the same ID, and its stop Unmount",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "# keep a file of the volume open on the host",
        "docker stop c1 && docker start c1 && docker stop c1",
    ],
    needs: &[Need::Filesystem],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(busy(cx)),
};

async fn busy(cx: &mut Cx) -> CaseResult {
    let id = cx.id();
    let mut volume = Observed::volume(cx).await?;
    volume.hold(cx, &id).await?;
    let path = need_kernel_mount(cx, volume.path()?).await?;
    volume.write(cx).await?;

    let file = keep_busy(cx, &path).await?;
    let answer = cx.unmount(&volume.name, &id).await?;
    cx.step("closed that file");
    drop(file);
    answer.expect_answer("Unmount of a busy volume is answered")?;
    if answer.is_ok() {
        // Taken away lazily, or as soon as it is idle: both are fine.
        volume.forget(&id);
        return volume.check(cx).await;
    }
    volume.remember("Unmount(a) of a busy volume, which failed");
    if !cx.is_mounted(&path)? {
        cx.note("Unmount of a busy volume failed, and the mount is gone all the same");
    }
    let again = cx.unmount(&volume.name, &id).await?;
    again
        .expect_ok("Unmount succeeds once the volume is idle, since a failed one keeps the hold")?;
    volume.forget(&id);
    volume.check(cx).await
}

pub(super) const NEVER_DELETES: Case = Case {
    id: "unmount.never-deletes",
    level: Level::Must,
    title: "Unmount deletes no data, even if the volume cannot be unmounted",
    why: "a plugin that cleans up its mountpoint after an umount which failed deletes the user's files",
    harm: Harm::DataLoss,
    sources: &[
        "https://github.com/ContainX/docker-volume-netshare/blob/master/netshare/drivers/cifs.go \
         (RemoveAll of the mountpoint)",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "# keep a file of the volume open on the host",
        "docker stop c1",
        "docker run --rm -v {volume}:/data busybox ls /data",
    ],
    needs: &[Need::Filesystem],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(never_deletes(cx)),
};

async fn never_deletes(cx: &mut Cx) -> CaseResult {
    let (name, id, path) = cx.held_volume().await?;
    let path = need_kernel_mount(cx, &path).await?;
    let tokens = [cx.write_token(&path).await?, cx.write_token(&path).await?];
    let file = keep_busy(cx, &path).await?;
    let answer = cx.unmount(&name, &id).await?;
    answer.expect_answer("Unmount of a busy volume is answered")?;
    let place = if cx.is_mounted(&path)? {
        path
    } else {
        let next = cx.id();
        cx.hold(&name, &next).await?
    };
    for token in &tokens {
        let found = cx.check_token(&place, token).await;
        ensure(found.is_ok(), || {
            Finding::new(
                "the files of a volume are all there after Unmount of a busy one",
                found.err().unwrap_or_default(),
            )
        })?;
    }
    cx.step("closed that file");
    drop(file);
    Ok(())
}

/// Opens a file in the volume; while it is open, the kernel refuses to unmount.
pub(in crate::catalogue) async fn keep_busy(cx: &mut Cx, path: &Path) -> CaseResult<File> {
    let token = cx.write_token(path).await?;
    let file = path.join(token.file);
    cx.step(format!("opened {}, and keeps it open", file.display()));
    let opened = cx
        .target()
        .files
        .look(move || OpenOptions::new().read(true).open(file))
        .await;
    opened.map_err(|error| {
        Finding::new("a file of the volume can be opened", error.to_string())
            .because("mount.writable")
            .into()
    })
}
