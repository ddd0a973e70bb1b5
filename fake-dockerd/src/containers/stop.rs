//! `docker stop`, `kill`, `restart`, `pause`.
//!
//! Follows moby's `daemon/stop.go`, `kill.go`, `restart.go` and `pause.go`.

use std::sync::Arc;
use std::time::Duration;

use super::container::Container;
use super::start::Patience;
use super::state::{WaitCondition, wait};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
/// How long a stop waits unless told otherwise, in seconds.
const STOP_TIMEOUT: i64 = 10;
/// How long a kill waits for the end.
const KILL_WAIT: Duration = Duration::from_secs(10);

impl Core {
    /// Stops a container for a command. A negative timeout waits for ever.
    pub(crate) async fn stop(&self, container: &Container, timeout: Option<i64>) -> Result<()> {
        if !self.is_running(container).await {
            return Err(Error::new(
                ErrorKind::NotModified,
                "container is already stopped",
            ));
        }
        self.stop_container(container, timeout).await
    }

    /// Sends the stop signal, waits, and kills.
    pub(super) async fn stop_container(
        &self,
        container: &Container,
        timeout: Option<i64>,
    ) -> Result<()> {
        if !self.is_running(container).await {
            return Ok(());
        }
        let signal = stop_signal(container)?;
        let timeout = timeout
            .or(container.asked.stop_timeout)
            .unwrap_or(STOP_TIMEOUT);
        let limit = u64::try_from(timeout).ok().map(Duration::from_secs);
        self.send_signal(container, signal).await?;
        let end = wait(container.lifecycle.subscribe(), WaitCondition::NotRunning);
        if self.context.clock.within(limit, end).await.is_none() {
            tracing::info!(
                container = container.id,
                "Container failed to exit within {timeout}s of signal {signal} - using the force"
            );
            self.kill_container(container).await?;
        }
        self.container_event(container, "stop", None);
        // Whoever ends the container has written it down once this lock can be had.
        drop(container.inner.lock().await);
        Ok(())
    }

    /// Sends a signal for a command, SIGKILL unless it asks for another; the one that kills waits
    /// for the end.
    ///
    /// The order in which things are found wrong is that of moby's `postContainersKill`.
    pub(crate) async fn kill_named(&self, name: &str, asked: Option<&str>) -> Result<()> {
        let profile = self.profile();
        let cannot = profile.worded("cannot kill container");
        let cannot = |error: Error| error.context(format_args!("{cannot}: {name}"));
        let signal = match asked.filter(|signal| !signal.is_empty()) {
            None => Ok(SIGKILL),
            Some(signal) => parse_signal(signal)
                .map_err(|error| Error::invalid(profile.worded(error.message()))),
        };
        let (container, signal) = if profile.reads_signal_first {
            let signal = signal?;
            let container = self.containers.get(name).map_err(cannot)?;
            let known = check_signal(signal).map_err(|text| Error::system(profile.worded(&text)));
            known.map_err(cannot)?;
            (container, signal)
        } else {
            let signal = signal.map_err(cannot)?;
            check_signal(signal).map_err(|text| cannot(Error::invalid(text)))?;
            (self.containers.get(name).map_err(cannot)?, signal)
        };
        let killed = if signal == SIGKILL {
            self.kill_container(&container).await
        } else {
            self.send_signal(&container, signal).await
        };
        killed.map_err(cannot)
    }

    /// Kills, and waits for the end.
    pub(super) async fn kill_container(&self, container: &Container) -> Result<()> {
        self.send_signal(container, SIGKILL).await?;
        let end = wait(container.lifecycle.subscribe(), WaitCondition::NotRunning);
        match self.context.clock.within(Some(KILL_WAIT), end).await {
            Some(_) => Ok(()),
            None => Err(Error::system(
                "tried to kill container, but did not receive an exit event",
            )),
        }
    }

    /// Sends a signal. One that is meant to end the container keeps its policy from starting it
    /// again.
    async fn send_signal(&self, container: &Container, signal: i32) -> Result<()> {
        let mut inner = container.inner.lock().await;
        let state = container.state();
        if !state.running {
            return Err(self.profile().not_running(&container.id));
        }
        let ends = match &container.asked.stop_signal {
            Some(own) if signal != SIGKILL => parse_signal(own)? == signal,
            _ => true,
        };
        if ends {
            inner.restart.cancel();
        }
        if !self.is_shutting_down() {
            inner.flags.manually_stopped = true;
            self.containers.save(container, &inner);
        }
        if state.restarting {
            return Ok(());
        }
        if let Some(process) = &inner.process {
            if ends && state.paused {
                process.pause(false);
            }
            process.signal(signal);
        }
        let signal = signal.to_string();
        self.container_event(container, "kill", Some(("signal", signal.as_str())));
        Ok(())
    }

    /// Stops and starts a container.
    pub(crate) async fn restart(
        self: &Arc<Self>,
        container: &Arc<Container>,
        timeout: Option<i64>,
        client: &dyn Patience,
    ) -> Result<()> {
        let cannot = |error: Error| {
            error.context(format_args!(
                "Cannot restart container {}",
                container.name()
            ))
        };
        if self.is_running(container).await {
            container.inner.lock().await.flags.manually_restarted = true;
            let stopped = self.stop_container(container, timeout).await;
            stopped.map_err(cannot)?;
        }
        let started = self.start_container(container, client, true).await;
        started.map_err(cannot)?;
        self.container_event(container, "restart", None);
        Ok(())
    }

    /// Pauses a container or, if not `paused`, lets it go on.
    pub(crate) async fn pause(&self, container: &Container, paused: bool) -> Result<()> {
        let inner = container.inner.lock().await;
        let state = container.state();
        if paused && !state.running {
            return Err(self.profile().not_running(&container.id));
        }
        if state.paused == paused {
            let how = if paused { "already" } else { "not" };
            return Err(Error::conflict(format!(
                "Container {} is {how} paused",
                container.id
            )));
        }
        if let Some(process) = &inner.process {
            process.pause(paused);
        }
        container.change(|lifecycle| lifecycle.state.paused = paused);
        self.containers.save(container, &inner);
        let action = if paused { "pause" } else { "unpause" };
        self.container_event(container, action, None);
        Ok(())
    }

    /// Whether a container runs, once nobody is starting or ending it.
    pub(super) async fn is_running(&self, container: &Container) -> bool {
        let _inner = container.inner.lock().await;
        container.state().running
    }
}

fn stop_signal(container: &Container) -> Result<i32> {
    match &container.asked.stop_signal {
        Some(signal) if !signal.is_empty() => parse_signal(signal),
        _ => Ok(SIGTERM),
    }
}

/// Whether there is such a signal; 32 and 33 are the C library's own (`ValidSignalForPlatform`).
fn check_signal(number: i32) -> Result<(), String> {
    match number {
        1..=31 | 34..=64 => Ok(()),
        _ => Err(format!("the linux daemon does not support signal {number}")),
    }
}

/// A signal by number or name (`signal.ParseSignal`).
fn parse_signal(text: &str) -> Result<i32> {
    let invalid = || Error::invalid(format!("invalid signal: {text}"));
    match text.parse::<i32>() {
        Ok(0) => return Err(invalid()),
        Ok(number) => return Ok(number),
        Err(_) => {}
    }
    let upper = text.to_uppercase();
    let name = format!("SIG{}", upper.strip_prefix("SIG").unwrap_or(&upper));
    let signal: nix::sys::signal::Signal = name.parse().map_err(|_| invalid())?;
    Ok(signal as i32)
}
