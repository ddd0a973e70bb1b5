//! `/VolumeDriver.Remove`: a volume is gone, and so are its data, but never while it is in use.

use serde_json::Value;

use super::volume_steps::{CALLS, known, remove_refused};
use super::without_storage;
use crate::protocol::Volume;
use crate::suite::{Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, Need, ensure};

pub(super) const CASES: &[Case] = &[
    WORKS,
    UNKNOWN,
    STAYS_REMOVED,
    IN_USE,
    FAILED_KEEPS,
    without_storage::REMOVE,
    DATA_POLICY,
];

const WORKS: Case = Case {
    id: "remove.works",
    level: Level::Must,
    title: "after Remove the volume is known no longer, and its name can be used again",
    why: "the volume cannot be got rid of, or comes back as one that `docker run -v` finds and uses",
    harm: Harm::VolumeLost,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `docker volume rm` sends Get, Get and Remove",
    ],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true",
        "docker volume rm {volume}",
        "docker volume ls",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["unmount.works"],
    run: |cx| Box::pin(works(cx)),
};

async fn works(cx: &mut Cx) -> CaseResult {
    let (name, id, _) = cx.held_volume().await?;
    cx.release(&name, &id).await?;
    known(cx, &name).await?;
    cx.remove(&name)
        .await?
        .expect_ok("Remove of a volume that nobody holds succeeds")?;
    expect_gone(cx, &name, "Remove").await?;
    cx.create(&name)
        .await?
        .expect_ok("Create of the same name succeeds after Remove")?;
    cx.remove(&name)
        .await?
        .expect_ok("Remove of a volume that was never mounted succeeds")?;
    expect_gone(cx, &name, "Remove").await
}

/// Neither List nor Get knows the volume.
async fn expect_gone(cx: &mut Cx, name: &str, after: &str) -> CaseResult {
    let list = cx.list().await?;
    ensure(!list.names().contains(&name), || {
        Finding::new(
            format!("List no longer shows the volume after {after}"),
            format!("List shows `{name}`"),
        )
    })?;
    let get = cx.get(name).await?;
    ensure(get.volume().is_none(), || {
        let finding = get.finding(&format!("Get no longer returns the volume after {after}"));
        finding.because("get.unknown")
    })
}

const UNKNOWN: Case = Case {
    id: "remove.unknown",
    level: Level::Should,
    title: "Remove of a name that does not exist is answered with an error",
    why: "a misspelt name looks like success to whoever does not ask Get first, as dockerd does",
    harm: Harm::Misled,
    sources: &[CALLS],
    docker: &[],
    needs: &[],
    mode: Mode::Shared,
    follows: &["err.survive"],
    run: |cx| Box::pin(unknown(cx)),
};

async fn unknown(cx: &mut Cx) -> CaseResult {
    let name = cx.name();
    cx.remove(&name)
        .await?
        .expect_refusal("Remove of a volume that was never created is refused")?;
    Ok(())
}

const STAYS_REMOVED: Case = Case {
    id: "remove.stays-removed",
    level: Level::Must,
    title: "a removed volume does not come back when the plugin is started again",
    why: "the next `docker run -v` of that name finds the old volume and uses it",
    harm: Harm::VolumeLost,
    sources: &[CALLS],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "docker volume rm {volume}",
        "# kill -9 the plugin, start it again",
        "docker volume inspect {volume}",
    ],
    needs: &[Need::Exec],
    mode: Mode::Alone,
    follows: &["remove.works", "disc.rebind", "act.optional"],
    run: |cx| Box::pin(stays_removed(cx)),
};

async fn stays_removed(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    known(cx, &name).await?;
    cx.discard(&name).await?;
    cx.restart_plugin().await?;
    let gone = expect_gone(cx, &name, "Remove and a restart of the plugin").await;
    if gone.is_err() {
        cx.may_exist(&name);
    }
    // Whoever comes next shall find the plugin as it was.
    cx.activate().await?;
    gone
}

const IN_USE: Case = Case {
    id: "remove.in-use",
    level: Level::Should,
    title: "Remove of a mounted volume is refused",
    why: "dockerd guards the volumes of its own containers, but after a restart with live-restore while \
          the plugin is away it sends Remove for a volume in use, and so does any second engine on the \
          same storage",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: Remove of a volume in use, after live-restore \
         with the plugin away",
        "https://github.com/rexray/rexray/issues/343",
    ],
    docker: &[
        "docker run -d -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "# stop the plugin, restart dockerd with live-restore, start the plugin",
        "docker volume rm {volume}",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(in_use(cx)),
};

async fn in_use(cx: &mut Cx) -> CaseResult {
    let (name, ..) = cx.held_volume().await?;
    cx.remove(&name)
        .await?
        .expect_refusal("Remove is refused while somebody holds the volume")?;
    Ok(())
}

const FAILED_KEEPS: Case = Case {
    id: "remove.failed-keeps",
    level: Level::Must,
    title: "a Remove that failed leaves the volume usable, with its data",
    why: "dockerd keeps a volume whose Remove failed, and containers go on using it: what is left of it \
          must be all of it",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after a failed Remove the volume is known, and \
         used, as before",
    ],
    docker: &[
        "docker volume rm {volume}   # fails",
        "docker run --rm -v {volume}:/data busybox ls /data",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["mount.data-persists"],
    run: |cx| Box::pin(failed_keeps(cx)),
};

async fn failed_keeps(cx: &mut Cx) -> CaseResult {
    let (name, id, path) = cx.held_volume().await?;
    let token = match cx.write_token(&path).await {
        Ok(token) => Some(token),
        Err(Halt::Skip(_)) => None,
        Err(other) => return Err(other),
    };
    if !remove_refused(cx, &name).await? {
        return Err(Halt::skip(
            "no Remove can be made to fail: the plugin removes volumes that are mounted",
        ));
    }
    let whole = "the volume is whole after a Remove that failed";
    if let Some(token) = &token {
        let found = cx.check_token(&path, token).await;
        found.map_err(|actual| Finding::new(whole, actual))?;
    }
    let get = cx.get(&name).await?;
    ensure(get.volume().is_some(), || {
        get.finding("Get still returns a volume whose Remove failed")
    })?;
    cx.release(&name, &id).await?;
    let next = cx.id();
    let mount = cx.mount(&name, &next).await?;
    mount.expect_ok("a volume whose Remove failed can be mounted again")?;
    if let Some(token) = &token {
        let found = cx.check_token(mount.mountpoint().as_ref(), token).await;
        found.map_err(|actual| Finding::new(whole, actual))?;
    }
    Ok(())
}

const DATA_POLICY: Case = Case {
    id: "remove.data-policy",
    level: Level::Should,
    title: "Remove deletes the data, or the volume's Status says that they are kept",
    why: "`docker volume rm` is how users delete data: kept ones fill the storage, and turn up in the \
          next volume of that name",
    harm: Harm::Misled,
    sources: &[CALLS, "https://rclone.org/docker/"],
    docker: &[
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox touch /data/file",
        "docker volume rm {volume}",
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox ls /data",
    ],
    needs: &[Need::Filesystem],
    mode: Mode::Shared,
    follows: &["mount.visible", "mount.own-path"],
    run: |cx| Box::pin(data_policy(cx)),
};

async fn data_policy(cx: &mut Cx) -> CaseResult {
    let (name, id, path) = cx.held_volume().await?;
    let token = cx.write_token(&path).await?;
    let declared = says_kept(&known(cx, &name).await?);
    cx.release(&name, &id).await?;
    cx.discard(&name).await?;
    cx.create(&name)
        .await?
        .step("Create of the same name succeeds after Remove")?;
    let id = cx.id();
    let path = cx.hold(&name, &id).await?;
    let kept = cx.check_token(&path, &token).await.is_ok();
    ensure(!kept || declared, || {
        Finding::new(
            "Remove deletes the data, or Get's Status says that it does not (\"data_on_remove\": \
             \"kept\")",
            format!(
                "{} is in the new volume of that name, and Status did not announce it",
                token.file.display()
            ),
        )
    })
}

/// Whether Status, in whatever words, says that data outlive the volume.
fn says_kept(volume: &Volume) -> bool {
    let text = volume.status.as_ref().map(Value::to_string);
    let text = text.unwrap_or_default().to_ascii_lowercase();
    ["kept", "keep", "retain", "preserve"]
        .iter()
        .any(|word| text.contains(word))
}
