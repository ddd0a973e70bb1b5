//! An Unmount takes one hold: the caller's own, and nobody else's.

use crate::catalogue::observed::Observed;
use crate::catalogue::volume_steps::{CALLS, stuck};
use crate::suite::{Case, CaseResult, Cx, Harm, Level, Mode};

pub(super) const NOT_LAST: Case = Case {
    id: "unmount.not-last",
    level: Level::Must,
    title: "an Unmount leaves the volume mounted for its other holders",
    why: "when one of two containers stops, the other one loses its volume under its feet",
    harm: Harm::DataLoss,
    sources: &[
        CALLS,
        "https://github.com/moby/moby/issues/17585",
        "https://github.com/rexray/rexray/issues/171",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker run -d --name c2 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker stop c2",
        "docker exec c1 touch /data/file",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(not_last(cx)),
};

async fn not_last(cx: &mut Cx) -> CaseResult {
    let mut volume = Observed::volume(cx).await?;
    let (first, second, third) = (cx.id(), cx.id(), cx.id());
    volume.hold(cx, &first).await?;
    volume.write(cx).await?;
    // The one who came last goes first: where that fails, it was never counted.
    volume.hold(cx, &second).await?;
    counted(cx, &mut volume, &second).await?;
    volume.check(cx).await?;
    volume.write(cx).await?;
    // And now the one who came first.
    volume.hold(cx, &third).await?;
    volume.release(cx, &first).await?;
    volume.check(cx).await?;
    volume.write(cx).await?;
    volume.check(cx).await?;
    volume.release(cx, &third).await
}

async fn counted(cx: &mut Cx, volume: &mut Observed, id: &str) -> CaseResult {
    let answer = cx.unmount(&volume.name, id).await?;
    if !answer.is_ok() {
        return Err(stuck(
            &answer,
            "Unmount of a second holder succeeds",
            "ref.same-volume-twice",
        ));
    }
    volume.forget(id);
    Ok(())
}

pub(super) const STRAY: Case = Case {
    id: "unmount.stray",
    level: Level::Must,
    title: "Unmount with an ID that holds nothing takes nobody else's hold",
    why: "after a restart of plugin or daemon such calls come: they take the volume away from a \
          container that is running",
    harm: Harm::DataLoss,
    sources: &[
        CALLS,
        "https://github.com/vieux/docker-volume-sshfs/issues/14",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after a restart with live-restore Unmount has \
         an ID from before",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "# restart the plugin while another container with the volume runs, then stop that one",
        "docker exec c1 ls /data",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["unmount.not-last", "ref.same-volume-twice"],
    run: |cx| Box::pin(stray(cx)),
};

async fn stray(cx: &mut Cx) -> CaseResult {
    let mut volume = Observed::volume(cx).await?;
    let (first, second) = (cx.id(), cx.id());
    volume.hold(cx, &first).await?;
    volume.hold(cx, &second).await?;
    volume.write(cx).await?;
    // More of them than there are holders. Each may be refused, or be nothing.
    for _ in 0..3 {
        let nobody = cx.id();
        cx.unmount(&volume.name, &nobody)
            .await?
            .expect_answer("Unmount with an ID that holds nothing is answered")?;
        volume.remember("Unmount(nobody)");
        volume.check(cx).await?;
    }
    volume.unmount(cx, &first).await?;
    volume.check(cx).await?;
    // The same once more: now it holds nothing, either.
    cx.unmount(&volume.name, &first)
        .await?
        .expect_answer("a second Unmount with the same ID is answered")?;
    volume.remember("Unmount(a)");
    volume.check(cx).await?;
    volume.unmount(cx, &second).await?;

    let unknown = cx.name();
    cx.unmount(&unknown, &second)
        .await?
        .expect_answer("Unmount of a volume that does not exist is answered")?;
    Ok(())
}
