//! The storage under the plugin: cut off, slowed and restored.

use std::time::Duration;

use super::Cx;
use crate::suite::{CaseResult, Halt, Need};
use crate::target::Storage;

impl Cx {
    /// Cuts off the storage of `volume`, or all storage, as the user's command has it.
    ///
    /// # Errors
    /// [`Halt::Skip`] where there is no such command, [`Halt::Harness`] when it fails.
    pub async fn cut_storage(&mut self, volume: &str) -> CaseResult {
        let storage = self.storage()?;
        let whose = if storage.cuts_one_volume() {
            format!("the storage of `{volume}`")
        } else {
            "the storage".to_owned()
        };
        storage.cut(volume).await.map_err(Halt::Harness)?;
        self.step(format!("{whose} is cut off (--storage-cut)"));
        Ok(())
    }

    /// Slows the storage of `volume`, or all storage; false where the user gave no command for it.
    ///
    /// # Errors
    /// [`Halt::Harness`] when the command fails.
    pub async fn slow_storage(&mut self, volume: &str) -> CaseResult<bool> {
        let slowed = match &self.target.storage {
            Some(storage) if storage.can_be_slowed() => storage.slow(volume).await,
            _ => return Ok(false),
        };
        slowed.map_err(Halt::Harness)?;
        self.step("the storage is slowed (--storage-slow)");
        Ok(true)
    }

    /// Makes the storage well again. Calls that went unanswered meanwhile are not held against the
    /// plugin beyond what the case itself says.
    ///
    /// # Errors
    /// [`Halt::Harness`] when the command fails.
    pub async fn restore_storage(&mut self) -> CaseResult {
        if let Some(storage) = &self.target.storage {
            storage.mend().await.map_err(Halt::Harness)?;
            self.step("the storage is restored (--storage-restore)");
        }
        self.forgive_trouble();
        // A call that was given up may have left the connection in the middle of an answer.
        self.hang_up();
        Ok(())
    }

    /// Whether a cut leaves the storage of other volumes as it is.
    #[must_use]
    pub fn cuts_one_volume(&self) -> bool {
        let storage = self.target.storage.as_ref();
        storage.is_some_and(Storage::cuts_one_volume)
    }

    /// From now on a call may take `limit`; how long it could before.
    pub const fn wait_for_calls(&mut self, limit: Duration) -> Duration {
        std::mem::replace(&mut self.limit, limit)
    }

    fn storage(&self) -> CaseResult<&Storage> {
        let storage = self.target.storage.as_ref();
        storage
            .filter(|storage| storage.can_be_cut())
            .ok_or_else(|| Halt::skip(Need::StorageFault.lacking()))
    }
}
