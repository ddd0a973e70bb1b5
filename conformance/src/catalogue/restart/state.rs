//! A state file that was spoilt while the plugin was down.
//!
//! Which files hold the state is learnt by looking: what a Create changes in the plugin's own
//! directory. They are put back in the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::start_for_good;
use crate::catalogue::plugin_files::Snapshot;
use crate::suite::{CaseResult, Cx, Finding, Halt, Harm};

/// What somebody else might have written.
const FOREIGN: &str = "# this is nobody's state: volplug-conformance wrote it\n";

pub(super) async fn bad_state(cx: &mut Cx) -> CaseResult {
    let before = Snapshot::take(cx).await?;
    let name = cx.volume().await?;
    let after = Snapshot::take(cx).await?;
    let changed: Vec<PathBuf> = after
        .changed_since(&before)
        .into_iter()
        .map(|(path, _)| path.to_owned())
        .filter(|path| path.extension().is_none_or(|extension| extension != "log"))
        .collect();
    if changed.is_empty() {
        return Err(Halt::skip(format!(
            "where the plugin writes its state down cannot be seen: a Create changed no file in {} \
             ({{work}} of --exec)",
            before.root().display()
        )));
    }
    if changed.len() > 8 {
        return Err(Halt::skip(format!(
            "which file holds the state cannot be told: a Create changed {} files in {}",
            changed.len(),
            before.root().display()
        )));
    }

    cx.kill_plugin().await?;
    let good = Snapshot::take(cx).await?;
    let judged = spoil(cx, &good, &changed).await;
    // Whatever came of it, the plugin goes on as if nothing had been.
    cx.plugin()?.kill().await;
    good.restore(cx).await?;
    cx.start_plugin().await?;
    judged?;
    cx.get(&name)
        .await?
        .step("Get knows the volume again, with the state as it was")?;
    Ok(())
}

async fn spoil(cx: &mut Cx, good: &Snapshot, changed: &[PathBuf]) -> CaseResult {
    let mut spoilt = BTreeMap::new();
    for path in changed {
        // What the plugin did not leave behind when it was killed needs no spoiling.
        let Some(file) = good.files().get(path) else {
            continue;
        };
        let half = file
            .content
            .get(..file.content.len() / 2)
            .unwrap_or_default();
        spoilt.insert(path.clone(), half.to_vec());
    }
    start_with(cx, &spoilt, "was cut in half").await?;
    cx.kill_plugin().await?;
    good.restore(cx).await?;

    for (at, content) in spoilt.values_mut().enumerate() {
        *content = format!("{FOREIGN}# {at}\n").into_bytes();
    }
    start_with(cx, &spoilt, "was replaced by something else").await?;
    // A plugin that merely ignores the file writes over it with the next change.
    let fresh = cx.name();
    cx.create(&fresh).await?;
    let now = Snapshot::take(cx).await?;
    for (path, content) in &spoilt {
        // Set aside means: anywhere, under whatever name.
        let kept = now.files().values().any(|file| file.content == *content);
        if !kept {
            return Err(Finding::new(
                "a state file that the plugin cannot read is kept, here or set aside",
                format!(
                    "{} is gone, and no file below {} holds what was in it",
                    path.display(),
                    now.root().display()
                ),
            )
            .harming(Harm::VolumeLost)
            .into());
        }
    }
    Ok(())
}

async fn start_with(cx: &mut Cx, files: &BTreeMap<PathBuf, Vec<u8>>, how: &str) -> CaseResult {
    let shown = files
        .keys()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(", ");
    for (path, content) in files {
        write(cx, path, content).await?;
    }
    cx.step(format!("{shown} {how}"));
    let printed = cx.plugin()?.output().len();
    start_for_good(cx, &format!("after {shown} {how}")).await?;
    cx.list()
        .await?
        .step(&format!("List succeeds after {shown} {how}"))?;
    if cx.plugin()?.output().len() == printed {
        cx.note(format!(
            "{shown} {how}, and the plugin printed nothing about it"
        ));
    }
    Ok(())
}

async fn write(cx: &Cx, path: &Path, content: &[u8]) -> CaseResult {
    let (to, bytes) = (path.to_owned(), content.to_vec());
    cx.target()
        .files
        .look(move || std::fs::write(to, bytes))
        .await
        .map_err(|error| Halt::skip(format!("{} cannot be written: {error}", path.display())))
}
