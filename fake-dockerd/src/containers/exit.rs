//! The end of a container's process, and what its restart policy makes of it.
//!
//! Follows moby's `daemon/monitor.go` and `restartmanager`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::config::RestartPolicy;
use super::container::{Container, Flags, RestartManager};
use super::start::Nobody;
use super::state::ContainerState;
use crate::core::Core;
use crate::runtime::Process;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// After this long a container is taken to have run well.
const RAN_WELL: Duration = Duration::from_secs(10);

impl Core {
    /// Waits for the end of a process.
    pub(super) fn watch(
        self: &Arc<Self>,
        container: &Arc<Container>,
        process: Arc<dyn Process>,
        start: u64,
    ) {
        let core = Arc::clone(self);
        let container = Arc::clone(container);
        self.context.spawn(async move {
            let exit_code = process.wait().await;
            core.exited(&container, exit_code, start).await;
        });
    }

    async fn exited(self: &Arc<Self>, container: &Arc<Container>, exit_code: i32, start: u64) {
        let mut inner = container.inner.lock().await;
        if inner.starts != start || inner.process.take().is_none() {
            return;
        }
        container.streams.end();
        let policy = container.asked.restart;
        let ran = ran_for(&container.state(), self.context.clock.real(RAN_WELL));
        let flags = inner.flags;
        let stopped = flags.manually_stopped || self.is_shutting_down();
        let pause = inner
            .restart
            .pause_before_restart(policy, exit_code, stopped, ran);
        self.unmount_volumes(&container.id, &mut inner.mounts).await;
        if pause.is_some() {
            inner.flags.restart_count += 1;
        }
        container.change(|lifecycle| {
            match pause {
                Some(_) => lifecycle.state.set_restarting(exit_code),
                None => lifecycle.state.set_stopped(exit_code),
            }
            lifecycle.exits += 1;
        });
        self.containers.save(container, &inner);
        let code = exit_code.to_string();
        self.container_event(container, "die", Some(("exitCode", code.as_str())));
        let canceled = inner.restart.canceled.subscribe();
        drop(inner);

        if let Some(pause) = pause {
            self.restart_after(container, pause, canceled);
        } else if !flags.manually_restarted {
            self.auto_remove(container).await;
        }
    }

    /// Starts a container again after a pause, unless a command ends it for good meanwhile.
    fn restart_after(
        self: &Arc<Self>,
        container: &Arc<Container>,
        pause: Duration,
        mut canceled: tokio::sync::watch::Receiver<bool>,
    ) {
        let core = Arc::clone(self);
        let container = Arc::clone(container);
        self.context.spawn(async move {
            let clock = core.context.clock;
            let cancel = async { canceled.wait_for(|canceled| *canceled).await.is_ok() };
            if clock.within(Some(pause), cancel).await.is_none() {
                // In a box: a start watches over an end, which may be followed by a start.
                let start: crate::runtime::BoxFuture<'_, _> =
                    Box::pin(core.start_container(&container, &Nobody, false));
                match start.await {
                    Ok(()) => return,
                    Err(error) => tracing::error!("restartmanger wait error: {error}"),
                }
            }
            let inner = container.inner.lock().await;
            container.change(|lifecycle| {
                let exit_code = lifecycle.state.exit_code;
                lifecycle.state.set_stopped(exit_code);
                lifecycle.exits += 1;
            });
            core.containers.save(&container, &inner);
            drop(inner);
            core.auto_remove(&container).await;
        });
    }

    async fn auto_remove(&self, container: &Arc<Container>) {
        if !container.asked.auto_remove {
            return;
        }
        if let Err(error) = self.force_remove(container).await {
            tracing::error!(
                container = container.id,
                "error removing container: {error}"
            );
        }
    }
}

/// Whether a container ran for `long`.
fn ran_for(state: &ContainerState, long: Duration) -> bool {
    let Some(started) = state.started_at else {
        return false;
    };
    let ran = Timestamp::now().duration_since(started);
    Duration::try_from(ran).is_ok_and(|ran| ran >= long)
}

impl RestartManager {
    /// Whether a container that ended is to be started again, and how long after.
    fn pause_before_restart(
        &mut self,
        policy: RestartPolicy,
        exit_code: i32,
        stopped: bool,
        ran_well: bool,
    ) -> Option<Duration> {
        if policy == RestartPolicy::No {
            return None;
        }
        if *self.canceled.borrow() {
            tracing::warn!(
                "ShouldRestart failed, container will not be restarted: restart canceled"
            );
            return None;
        }
        let pause = match self.pause {
            Some(pause) if !ran_well => (pause * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.pause = Some(pause);
        if !restarts(policy, exit_code, stopped, self.count) {
            return None;
        }
        self.count += 1;
        Some(pause)
    }

    /// What waits to start the container again gives up.
    pub(super) fn cancel(&self) {
        self.canceled.send_replace(true);
    }
}

/// What a policy says about an end.
fn restarts(policy: RestartPolicy, exit_code: i32, stopped: bool, count: u32) -> bool {
    match policy {
        RestartPolicy::No => false,
        RestartPolicy::Always => true,
        RestartPolicy::UnlessStopped => !stopped,
        RestartPolicy::OnFailure(most) => exit_code != 0 && (most == 0 || count < most),
    }
}

/// Whether a daemon that starts is to start a container.
pub(super) fn restarts_with_daemon(
    policy: RestartPolicy,
    state: &ContainerState,
    flags: Flags,
) -> bool {
    flags.started_before
        && restarts(
            policy,
            state.exit_code,
            flags.manually_stopped,
            flags.restart_count,
        )
}

#[cfg(test)]
mod tests {
    use super::{RestartManager, RestartPolicy};

    #[test]
    fn pauses_double_until_the_container_runs_well() {
        let mut manager = RestartManager::default();
        let mut pause = |ran_well| {
            let pause = manager.pause_before_restart(RestartPolicy::Always, 0, false, ran_well);
            pause.unwrap().as_millis()
        };
        assert_eq!([pause(false), pause(false), pause(false)], [100, 200, 400]);
        assert_eq!(pause(true), 100);
    }

    #[test]
    fn on_failure_counts() {
        let mut manager = RestartManager::default();
        let policy = RestartPolicy::OnFailure(2);
        let mut again = |code| {
            manager
                .pause_before_restart(policy, code, false, false)
                .is_some()
        };
        assert!(!again(0));
        assert!(again(1) && again(1) && !again(1));
    }
}
