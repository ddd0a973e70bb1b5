//! The plugin as a process: killed, stopped and started again.

use std::sync::Arc;
use std::time::Duration;

use super::Cx;
use crate::suite::{CaseResult, Finding, Halt, Need};
use crate::target::{Bundle, Plugin, Target};

/// How long an orderly stop is waited for where it is a step only.
const STOP_LIMIT: Duration = Duration::from_secs(5);

impl Cx {
    /// The plugin's process, where the runner started it.
    ///
    /// # Errors
    /// [`Halt::Skip`] without `--exec`.
    pub fn plugin(&self) -> CaseResult<&Plugin> {
        self.target
            .plugin
            .as_ref()
            .ok_or_else(|| Halt::skip(Need::Exec.lacking()))
    }

    /// What the plugin is made from.
    ///
    /// # Errors
    /// [`Halt::Skip`] without `--managed`.
    pub fn bundle(&self) -> CaseResult<&Bundle> {
        let bundle = self.target.bundle.as_ref();
        bundle.ok_or_else(|| Halt::skip(Need::Managed.lacking()))
    }

    /// Kills the plugin as `kill -9` does.
    ///
    /// # Errors
    /// As [`plugin`](Self::plugin).
    pub async fn kill_plugin(&mut self) -> CaseResult {
        self.step("kill -9 of the plugin");
        self.hang_up();
        self.plugin()?.kill().await;
        Ok(())
    }

    /// Stops the plugin in good order, as `systemctl stop` does. One that takes its time is killed:
    /// what it may lose by that is another case's question.
    ///
    /// # Errors
    /// As [`plugin`](Self::plugin).
    pub async fn stop_plugin(&mut self) -> CaseResult {
        self.step("SIGTERM to the plugin");
        self.hang_up();
        self.plugin()?.terminate(STOP_LIMIT).await;
        Ok(())
    }

    /// Starts the plugin again and activates it, so that what follows does not judge whether it can do
    /// without: that has a case of its own.
    ///
    /// # Errors
    /// A finding when it does not come up.
    pub async fn start_plugin(&mut self) -> CaseResult<Duration> {
        let took = self.start_plugin_only().await?;
        Self::activate_aside(&self.target).await?;
        Ok(took)
    }

    /// Activates the plugin with a memory of its own, so that this is no part of any case.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub(crate) async fn activate_aside(target: &Arc<Target>) -> CaseResult {
        let mut aside = Self::new(Arc::clone(target), Arc::default(), "activation");
        aside.activate().await?;
        Ok(())
    }

    /// Starts the plugin again and says nothing to it, as dockerd does while it lives.
    ///
    /// # Errors
    /// As [`start_plugin`](Self::start_plugin).
    pub async fn start_plugin_only(&mut self) -> CaseResult<Duration> {
        self.step("start of the plugin");
        self.hang_up();
        self.plugin()?.start().await.map_err(|why| {
            Finding::new("the plugin starts again", why)
                .then("the plugin stays down: every docker command that needs it fails after 15 s")
                .into()
        })
    }

    /// Kills the plugin and starts it again.
    ///
    /// # Errors
    /// As [`start_plugin`](Self::start_plugin).
    pub async fn restart_plugin(&mut self) -> CaseResult<Duration> {
        self.kill_plugin().await?;
        self.start_plugin().await
    }
}
