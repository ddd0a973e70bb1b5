//! The storage under the plugin: commands of the user's that cut it off, slow it and restore it.
//!
//! What was cut must not stay so. It is restored when a case ends, however that ends; when the run is
//! interrupted, also at once; and when this value goes, which it does after a panic, too.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::UserCommand;

/// The user's hold on the storage that the plugin keeps its volumes on.
#[derive(Debug)]
pub struct Storage {
    cut: Option<UserCommand>,
    slow: Option<UserCommand>,
    restore: UserCommand,
    /// What `{work}` stands for.
    work: String,
    /// How long one command may take.
    limit: Duration,
    /// Whether it was harmed since it was last restored.
    harmed: AtomicBool,
}

impl Storage {
    /// Storage that `cut` and `slow` harm, and `restore` makes well again.
    #[must_use]
    pub fn new(
        cut: Option<UserCommand>,
        slow: Option<UserCommand>,
        restore: UserCommand,
        work: String,
        limit: Duration,
    ) -> Self {
        Self {
            cut,
            slow,
            restore,
            work,
            limit,
            harmed: AtomicBool::new(false),
        }
    }

    /// Whether it can be cut.
    #[must_use]
    pub const fn can_be_cut(&self) -> bool {
        self.cut.is_some()
    }

    /// Whether it can be slowed.
    #[must_use]
    pub const fn can_be_slowed(&self) -> bool {
        self.slow.is_some()
    }

    /// Whether a cut is one of a single volume's storage: its command names the volume.
    #[must_use]
    pub fn cuts_one_volume(&self) -> bool {
        self.cut.as_ref().is_some_and(|cut| cut.mentions("volume"))
    }

    /// Cuts the storage of `volume`, or all of it.
    ///
    /// # Errors
    /// A sentence when the command fails, or there is none.
    pub async fn cut(&self, volume: &str) -> Result<(), String> {
        self.harm("--storage-cut", self.cut.as_ref(), volume).await
    }

    /// Slows the storage of `volume`, or all of it.
    ///
    /// # Errors
    /// As [`cut`](Self::cut).
    pub async fn slow(&self, volume: &str) -> Result<(), String> {
        self.harm("--storage-slow", self.slow.as_ref(), volume)
            .await
    }

    /// Makes the storage well again, all of it.
    ///
    /// # Errors
    /// A sentence when the command fails.
    pub async fn restore(&self) -> Result<(), String> {
        let values = [("work", self.work.as_str())];
        let run = self.restore.run(&values, self.limit).await;
        run.map_err(|why| format!("--storage-restore failed: {why}"))?;
        self.harmed.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// [`restore`](Self::restore), unless nothing was harmed.
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    pub async fn mend(&self) -> Result<(), String> {
        if self.harmed.load(Ordering::SeqCst) {
            self.restore().await
        } else {
            Ok(())
        }
    }

    /// The same where nothing can be waited for but the command: the program is about to end.
    pub fn mend_now(&self) {
        if !self.harmed.swap(false, Ordering::SeqCst) {
            return;
        }
        let words = self.restore.with(&[("work", &self.work)]);
        let Some((program, arguments)) = words.split_first() else {
            return;
        };
        let ended = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        if !ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
            let shown = shell_words::join(&words);
            anstream::eprintln!("the storage may still be cut: `{shown}` failed");
        }
    }

    async fn harm(
        &self,
        flag: &str,
        command: Option<&UserCommand>,
        volume: &str,
    ) -> Result<(), String> {
        let command = command.ok_or_else(|| format!("there is no {flag}"))?;
        // A command that fails may have done half of its work.
        self.harmed.store(true, Ordering::SeqCst);
        let values = [("volume", volume), ("work", self.work.as_str())];
        let run = command.run(&values, self.limit).await;
        run.map_err(|why| format!("{flag} failed: {why}"))
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.mend_now();
    }
}
