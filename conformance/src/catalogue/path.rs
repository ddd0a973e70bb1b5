//! `/VolumeDriver.Path`: where a volume is mounted. No recorded engine calls it, others do.

use std::path::Path;
use std::time::Duration;

use super::volume_steps::{CALLS, hold_too, wait_until};
use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Harm, Level, Mode, ensure};

pub(super) const CASES: &[Case] = &[SERVED, VALUE];

const PODMAN: &str = "https://github.com/containers/podman/blob/main/libpod/plugin/volume_api.go";

const SERVED: Case = Case {
    id: "path.served",
    level: Level::Must,
    title: "Path of a mounted volume is answered",
    why: "dockerd no longer asks for it, but the protocol has it: other engines and tools that do ask \
          cannot use the volume",
    harm: Harm::Refused,
    sources: &[CALLS, PODMAN],
    docker: &[],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(served(cx)),
};

async fn served(cx: &mut Cx) -> CaseResult {
    let (name, ..) = cx.held_volume().await?;
    cx.path(&name)
        .await?
        .expect_ok("Path of a mounted volume succeeds")?;
    Ok(())
}

const VALUE: Case = Case {
    id: "path.value",
    level: Level::Must,
    title: "Path answers what Mount answered, for every holder, and changes nothing",
    why: "whoever asks Path works in another directory than the containers do",
    harm: Harm::Misled,
    sources: &[CALLS, PODMAN],
    docker: &[],
    needs: &[],
    mode: Mode::Shared,
    follows: &[
        "path.served",
        "mount.usable",
        "mount.visible",
        "unmount.not-last",
        "ref.same-volume-twice",
    ],
    run: |cx| Box::pin(value(cx)),
};

async fn value(cx: &mut Cx) -> CaseResult {
    let (name, first, path) = cx.held_volume().await?;
    expect_path(&cx.path(&name).await?, &[&path])?;
    let second = cx.id();
    let also = hold_too(cx, &name, &second).await?;
    expect_path(&cx.path(&name).await?, &[&path, &also])?;
    cx.release(&name, &first).await?;
    expect_path(&cx.path(&name).await?, &[&path, &also])?;
    cx.release(&name, &second).await?;

    let real = kernel_mount_gone(cx, &path).await?;
    let unmounted = cx.path(&name).await?;
    ensure(unmounted.is_ok(), || {
        unmounted
            .finding("Path of a volume that is not mounted is empty, or where it will be")
            .at(Level::Should)
    })?;
    if let Some(real) = real {
        ensure(!cx.is_mounted(&real)?, || {
            Finding::new(
                "Path mounts nothing",
                format!("{} is mounted after Path", real.display()),
            )
            .harming(Harm::Leak)
        })?;
    }
    let stranger = cx.name();
    let unknown = cx.path(&stranger).await?;
    ensure(unknown.is_refusal(), || {
        unknown
            .finding("Path of a volume that does not exist is answered with an error")
            .at(Level::Should)
    })
}

fn expect_path(answer: &Answer, right: &[&Path]) -> CaseResult {
    answer.expect_ok("Path of a mounted volume succeeds")?;
    let shown = answer.mountpoint();
    let fits = right.iter().any(|path| **path == *Path::new(shown));
    ensure(fits && !shown.is_empty(), || {
        let wanted = right.first().map(|path| path.display().to_string());
        answer.finding(&format!(
            "Path answers {} for the mounted volume",
            wanted.unwrap_or_default()
        ))
    })
}

/// Where the volume was mounted in the kernel, once it is no longer; `None` where that cannot be
/// seen.
async fn kernel_mount_gone(cx: &Cx, path: &Path) -> CaseResult<Option<std::path::PathBuf>> {
    if cx.target().files.blindness().is_some() {
        return Ok(None);
    }
    let limit = Duration::from_millis(500);
    let gone = wait_until(limit, || Ok(!cx.is_mounted(path)?)).await?;
    Ok(gone.map(|_| path.to_owned()))
}
