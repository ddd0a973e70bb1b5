//! Steps on the way to a rule: they end the case where they do not work, and do not accuse its rule.

use std::path::PathBuf;

use super::Cx;
use crate::suite::{CaseResult, Halt};

impl Cx {
    /// A volume of the case's own.
    ///
    /// # Errors
    /// [`Halt::Setup`] when Create fails.
    pub async fn volume(&mut self) -> CaseResult<String> {
        let name = self.name();
        self.create(&name)
            .await?
            .step("Create of a new volume succeeds")?;
        Ok(name)
    }

    /// Mounts a volume that should be mountable; the mountpoint.
    ///
    /// # Errors
    /// [`Halt::Setup`] when Mount fails or names no path.
    pub async fn hold(&mut self, name: &str, id: &str) -> CaseResult<PathBuf> {
        let answer = self.mount(name, id).await?;
        answer.step("Mount of an existing volume succeeds")?;
        if answer.mountpoint().is_empty() {
            return Err(Halt::setup(&answer, "Mount names a mountpoint"));
        }
        Ok(PathBuf::from(answer.mountpoint()))
    }

    /// Unmounts a hold that is held.
    ///
    /// # Errors
    /// [`Halt::Setup`] when Unmount fails.
    pub async fn release(&mut self, name: &str, id: &str) -> CaseResult {
        self.unmount(name, id)
            .await?
            .step("Unmount of a held ID succeeds")?;
        Ok(())
    }

    /// Removes a volume that nobody holds.
    ///
    /// # Errors
    /// [`Halt::Setup`] when Remove fails.
    pub async fn discard(&mut self, name: &str) -> CaseResult {
        self.remove(name)
            .await?
            .step("Remove of an unused volume succeeds")?;
        Ok(())
    }

    /// A volume of the case's own, mounted under an ID of its own: name, ID and mountpoint.
    ///
    /// # Errors
    /// [`Halt::Setup`] when Create or Mount fails.
    pub async fn held_volume(&mut self) -> CaseResult<(String, String, PathBuf)> {
        let name = self.volume().await?;
        let id = self.id();
        let path = self.hold(&name, &id).await?;
        Ok((name, id, path))
    }
}
