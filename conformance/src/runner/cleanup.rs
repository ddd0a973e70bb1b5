//! Taking back what a case made: holds, volumes, and what `--prepare` prepared.

use std::sync::Arc;

use crate::suite::{Cx, Ledger};
use crate::target::Target;

/// Releases and removes everything that `ledger` still has, the last made first, and nothing else.
/// Returns a line for each volume that stays behind.
pub(super) async fn take_back(target: &Arc<Target>, ledger: &Ledger, case: &str) -> Vec<String> {
    let mut left_behind = Vec::new();
    for volume in ledger.left() {
        if volume.exists || !volume.holds.is_empty() {
            // A memory of its own: what is done here is no part of the case.
            let mut cx = Cx::new(Arc::clone(target), Arc::default(), "cleanup");
            if let Err(why) = remove(&mut cx, &volume.name, &volume.holds).await {
                left_behind.push(format!(
                    "volume `{}` of {case}: {why}",
                    volume.name.escape_debug()
                ));
                continue;
            }
        }
        if let (true, Some(command)) = (volume.prepared, &target.cleanup)
            && let Err(why) = command.run_for(&volume.name, target.timeout).await
        {
            left_behind.push(format!("--cleanup failed: {why}"));
        }
    }
    left_behind
}

async fn remove(cx: &mut Cx, name: &str, holds: &[String]) -> Result<(), String> {
    let stopped = |_| "the plugin no longer answers".to_owned();
    for id in holds.iter().rev() {
        // A hold that is gone already is fine: only what Remove says counts.
        cx.unmount(name, id).await.map_err(stopped)?;
    }
    let removed = cx.remove(name).await.map_err(stopped)?;
    if removed.is_ok() {
        return Ok(());
    }
    // It may never have been there.
    let get = cx.get(name).await.map_err(stopped)?;
    if get.volume().is_none() && get.wire_error().is_none() {
        return Ok(());
    }
    Err(removed.describe())
}
