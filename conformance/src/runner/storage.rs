//! Do the user's commands for the storage work? Asked before the first case.

use std::sync::Arc;

use crate::suite::{Cx, Ledger};
use crate::target::{Storage, Target};

/// Runs each of the commands once, with a volume of its own where one is named.
///
/// # Errors
/// A sentence that names the flag, and what its command said.
pub async fn check_storage(target: &Arc<Target>) -> Result<(), String> {
    let Some(storage) = &target.storage else {
        return Ok(());
    };
    storage.restore().await?;
    let ledger = Arc::new(Ledger::default());
    let mut cx = Cx::new(Arc::clone(target), Arc::clone(&ledger), "storage");
    // A volume that cannot be made is for the cases to tell of.
    let volume = cx.name();
    let _ = cx.create(&volume).await;
    let checked = each(storage, &volume).await;
    storage.mend().await?;
    super::take_back(target, &ledger, "storage").await;
    checked
}

async fn each(storage: &Storage, volume: &str) -> Result<(), String> {
    if storage.can_be_cut() {
        storage.cut(volume).await?;
        storage.restore().await?;
    }
    if storage.can_be_slowed() {
        storage.slow(volume).await?;
        storage.restore().await?;
    }
    Ok(())
}
