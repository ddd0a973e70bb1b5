//! What becomes of the data, and of a mount that vanished.

use crate::catalogue::observed::Observed;
use crate::catalogue::volume_steps::{CALLS, need_kernel_mount, umount_behind};
use crate::suite::{Case, CaseResult, Cx, Finding, Harm, Level, Mode, Need};

pub(super) const DATA_PERSISTS: Case = Case {
    id: "mount.data-persists",
    level: Level::Must,
    title: "data survive Unmount, the next Mount, and a repeated Create",
    why: "this is what volumes are for: every restart of a container is an Unmount and a Mount",
    harm: Harm::DataLoss,
    sources: &[
        CALLS,
        "https://github.com/cloudfoundry/docker_driver_integration_tests",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `docker restart` sends Unmount and Mount with \
         another ID",
    ],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox touch /data/file",
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox ls /data",
    ],
    needs: &[Need::Filesystem],
    mode: Mode::Shared,
    follows: &["mount.visible"],
    run: |cx| Box::pin(data_persists(cx)),
};

async fn data_persists(cx: &mut Cx) -> CaseResult {
    let (name, id, path) = cx.held_volume().await?;
    let token = cx.write_token(&path).await?;
    cx.release(&name, &id).await?;
    for what in ["Unmount and Mount", "a repeated Create"] {
        if what == "a repeated Create" {
            // It may be refused: then, too, the data must still be there.
            cx.create(&name).await?;
        }
        let id = cx.id();
        let path = cx.hold(&name, &id).await?;
        cx.see(&path).await?;
        cx.check_token(&path, &token).await.map_err(|actual| {
            Finding::new(
                format!("what was written into the volume is there after {what}"),
                actual,
            )
        })?;
        cx.release(&name, &id).await?;
    }
    Ok(())
}

pub(super) const HEALS: Case = Case {
    id: "mount.heals",
    level: Level::Should,
    title: "Mount makes a mount anew that vanished while it was held",
    why: "a FUSE process dies, somebody unmounts by hand: until the plugin is restarted, every new \
          container gets an empty directory or \"Transport endpoint is not connected\"",
    harm: Harm::NoStart,
    sources: &[
        "https://github.com/trajano/docker-volume-plugins/issues/32",
        "https://github.com/ContainX/docker-volume-netshare/issues/106",
    ],
    docker: &[
        "docker run -d -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "# umount the volume on the host",
        "docker run --rm -v {volume}:/data busybox df /data",
    ],
    needs: &[Need::Filesystem, Need::Root],
    mode: Mode::Shared,
    follows: &["ref.same-volume-twice", "ref.reboot", "restart.remount"],
    run: |cx| Box::pin(heals(cx)),
};

async fn heals(cx: &mut Cx) -> CaseResult {
    let (first, second) = (cx.id(), cx.id());
    let mut volume = Observed::volume(cx).await?;
    volume.hold(cx, &first).await?;
    let path = need_kernel_mount(cx, volume.path()?).await?;
    volume.write(cx).await?;
    umount_behind(cx, &path).await?;
    volume.remember("umount by hand");
    volume.mount(cx, &second).await?;
    volume.check_newest(cx).await
}
