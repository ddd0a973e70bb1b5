//! Symbolic links that a container leaves in its volume.

use std::io;
use std::path::Path;

use crate::catalogue::canary;
use crate::suite::{CaseResult, Cx, Halt};
use crate::target::Canary;

pub(super) async fn symlinks(cx: &mut Cx) -> CaseResult {
    let canary = canary::Canary::plant(cx).await?;
    let (name, id, path) = cx.held_volume().await?;
    cx.see(&path).await?;
    let (volume, aim) = (path.clone(), canary.tree().clone());
    cx.target()
        .files
        .look(move || plant(&volume, &aim))
        .await
        .map_err(|error| {
            Halt::skip(format!(
                "no link can be made in {}: {error}",
                path.display()
            ))
        })?;
    cx.step(format!(
        "made links to {} and into it, in {}",
        canary.dir().display(),
        path.display()
    ));
    cx.release(&name, &id).await?;
    canary.check(cx, "by Unmount").await?;
    cx.create(&name).await?;
    canary.check(cx, "by another Create of the volume").await?;
    let id = cx.id();
    cx.hold(&name, &id).await?;
    canary.check(cx, "by another Mount").await?;
    cx.release(&name, &id).await?;
    cx.discard(&name).await?;
    canary.check(cx, "by Remove").await
}

/// Links to the directory and to files, at the top and further down.
fn plant(volume: &Path, aim: &Canary) -> io::Result<()> {
    let deeper = volume.join("directory");
    std::fs::create_dir(&deeper)?;
    aim.link_from(volume)?;
    aim.link_from(&deeper)
}
