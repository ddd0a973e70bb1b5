//! What a daemon does about its containers when it starts, and when it stops.
//!
//! Follows moby's `daemon/daemon.go` (`restore`, `Shutdown`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::container::{Container, Inner, Record};
use super::exit::restarts_with_daemon;
use super::start::Nobody;
use super::state::{WaitCondition, wait};
use crate::core::Core;
use crate::runtime::Process;

/// The exit code of a container that ended while nobody looked.
const LOST: i32 = 255;
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

impl Core {
    /// Takes over the containers that the last daemon left, phase by phase as dockerd does.
    pub(crate) async fn restore_containers(self: &Arc<Self>) -> io::Result<()> {
        let mut all = Vec::new();
        for (id, record) in self.containers.records.all::<Record>()? {
            match self.load(id, record) {
                Ok(container) => all.push(container),
                Err(error) => tracing::error!("failed to register container: {error}"),
            }
        }
        self.each(&all, |core, container| async move {
            core.take_over(&container).await;
        })
        .await;

        let mut restarted = Vec::new();
        let mut removed = Vec::new();
        let mut others = Vec::new();
        for container in all {
            let state = container.state();
            let flags = container.inner.lock().await.flags;
            if restarts_with_daemon(container.asked.restart, &state, flags) {
                restarted.push(container);
            } else if container.asked.auto_remove && !state.running {
                removed.push(container);
            } else {
                others.push(container);
            }
        }
        self.each(&restarted, |core, container| async move {
            core.prepare(&container).await;
            if let Err(error) = core.start_container(&container, &Nobody, true).await {
                tracing::error!(
                    container = container.id,
                    "failed to start container: {error}"
                );
            }
        })
        .await;
        self.each(&removed, |core, container| async move {
            if let Err(error) = core.force_remove(&container).await {
                tracing::error!(
                    container = container.id,
                    "failed to remove container: {error}"
                );
            }
        })
        .await;
        self.each(&others, |core, container| async move {
            core.prepare(&container).await;
        })
        .await;
        Ok(())
    }

    fn load(&self, id: String, record: Record) -> crate::error::Result<Arc<Container>> {
        let Record {
            created,
            name,
            asked,
            state,
            flags,
            mounts,
        } = record;
        self.containers.reserve(&name, &id)?;
        let inner = Inner {
            mounts: mounts
                .into_iter()
                .map(|point| (point.destination.clone(), point))
                .collect(),
            flags,
            ..Inner::default()
        };
        let log = self.log_of(&id);
        let container = Container::new(id, name, created, asked, state, inner, log);
        let container = Arc::new(container);
        self.containers.insert(Arc::clone(&container));
        Ok(container)
    }

    /// Does `work` for every container, all at once.
    async fn each<F, W>(self: &Arc<Self>, containers: &[Arc<Container>], work: F)
    where
        F: Fn(Arc<Self>, Arc<Container>) -> W,
        W: Future<Output = ()> + Send + 'static,
    {
        let started: Vec<_> = containers
            .iter()
            .map(|container| {
                let work = work(Arc::clone(self), Arc::clone(container));
                self.context.spawn(work)
            })
            .collect();
        for task in started {
            // A task that was cut short is a daemon that was.
            let _ = task.await;
        }
    }

    /// Brings the state of a container that was running in line with what became of its process.
    async fn take_over(self: &Arc<Self>, container: &Arc<Container>) {
        let kept = self.container_directory(&container.id);
        let found = self.runtime.find(&container.id, &kept);
        if !container.state().running {
            // Started by a daemon that did not live to write it down.
            if let Some(process) = found {
                process.signal(SIGKILL);
            }
            return;
        }
        match found {
            Some(process) if self.live_restore => {
                if let Ok(exit_code) = timeout(Duration::ZERO, process.wait()).await {
                    return self.settle(container, exit_code).await;
                }
                let mut inner = container.inner.lock().await;
                container.streams.begin();
                process.redirect(Arc::clone(&container.streams));
                inner.process = Some(Arc::clone(&process));
                container.change(|lifecycle| lifecycle.state.restarting = false);
                let start = inner.starts;
                drop(inner);
                self.watch(container, process, start);
            }
            Some(process) => self.shut_down_survivor(container, process).await,
            None => self.settle(container, LOST).await,
        }
    }

    /// Stops what outlived a daemon that was killed. Its volumes were not looked up yet, and so
    /// **nothing is unmounted**: the mount's ID stays, and the next start mounts with it again.
    async fn shut_down_survivor(&self, container: &Arc<Container>, process: Arc<dyn Process>) {
        {
            let mut inner = container.inner.lock().await;
            inner.flags.manually_stopped = true;
        }
        container.streams.begin();
        process.redirect(Arc::clone(&container.streams));
        process.signal(SIGTERM);
        let timeout = container.asked.stop_timeout.unwrap_or(10);
        let limit = u64::try_from(timeout).ok().map(Duration::from_secs);
        let clock = self.context.clock;
        let exit_code = match clock.within(limit, process.wait()).await {
            Some(exit_code) => exit_code,
            None => {
                process.signal(SIGKILL);
                process.wait().await
            }
        };
        container.streams.end();
        self.settle(container, exit_code).await;
    }

    async fn settle(&self, container: &Arc<Container>, exit_code: i32) {
        let mut inner = container.inner.lock().await;
        container.change(|lifecycle| lifecycle.state.set_stopped(exit_code));
        self.unmount_volumes(&container.id, &mut inner.mounts).await;
        self.containers.save(container, &inner);
    }

    async fn prepare(&self, container: &Arc<Container>) {
        let mut inner = container.inner.lock().await;
        let running = container.state().running;
        let prepared = self
            .prepare_mounts(&container.id, &mut inner.mounts, running)
            .await;
        if let Err(error) = prepared {
            tracing::error!(
                container = container.id,
                "failed to prepare mount points for container: {error}"
            );
        }
    }

    /// Stops every running container, as a daemon does before it goes; with live-restore none.
    pub(crate) async fn stop_all(self: &Arc<Self>) {
        let all = self.containers.all();
        let running: Vec<_> = all.into_iter().filter(|one| one.state().running).collect();
        if self.live_restore && !running.is_empty() {
            return;
        }
        self.each(&running, |core, container| async move {
            if let Err(error) = core.stop_container(&container, None).await {
                tracing::error!(
                    container = container.id,
                    "failed to shut down container: {error}"
                );
                return;
            }
            wait(container.lifecycle.subscribe(), WaitCondition::NotRunning).await;
        })
        .await;
    }
}
