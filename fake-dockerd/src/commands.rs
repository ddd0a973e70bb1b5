//! Docker's commands, one method each.

use std::sync::Arc;

use tokio::sync::watch;

use crate::containers::container::{Container, ContainerInfo};
use crate::containers::{
    ContainerCreate, ContainerFiles, Created, RemoveOptions, WaitCondition, WaitResult,
};
use crate::core::Core;
use crate::daemon::Daemon;
use crate::error::{Error, Result};
use crate::volumes::{PruneFilters, PruneReport, Volume, VolumeCreate, VolumeFilters, VolumeList};

/// A client waits for as long as the future that it polls is not dropped.
struct Client(watch::Receiver<()>);

impl crate::containers::Patience for Client {
    fn is_gone(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

/// Volumes.
impl Daemon {
    /// `docker volume create`.
    ///
    /// # Errors
    /// Docker's text and status, here as in every command.
    pub async fn volume_create(&self, asked: VolumeCreate) -> Result<Volume> {
        let core = Arc::clone(&self.core);
        self.run(async move { core.volumes.create(asked, None).await })
            .await
    }

    /// `docker volume inspect`.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn volume_inspect(&self, name: &str) -> Result<Volume> {
        let (core, name) = self.with(name);
        self.run(async move { core.volumes.inspect(&name).await })
            .await
    }

    /// `docker volume ls`.
    ///
    /// # Errors
    /// Docker's text and status; a driver that fails is a warning in the list.
    pub async fn volume_list(&self, filters: VolumeFilters) -> Result<VolumeList> {
        let core = Arc::clone(&self.core);
        self.run(async move { core.volumes.list(&filters).await })
            .await
    }

    /// `docker volume rm`.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn volume_remove(&self, name: &str, force: bool) -> Result<()> {
        let (core, name) = self.with(name);
        self.run(async move { core.volumes.remove(&name, force).await })
            .await
    }

    /// `docker volume prune`.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn volume_prune(&self, filters: PruneFilters) -> Result<PruneReport> {
        let core = Arc::clone(&self.core);
        self.run(async move { core.volumes.prune(&filters).await })
            .await
    }

    /// The local volumes with how many containers use each, as `docker system df` counts them:
    /// plugins are activated and not asked for anything.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn volume_usage(&self) -> Result<Vec<(Volume, usize)>> {
        let core = Arc::clone(&self.core);
        self.run(async move {
            let filters = VolumeFilters {
                driver: vec![crate::volumes::local::NAME.to_owned()],
                ..VolumeFilters::default()
            };
            let listed = core.volumes.list(&filters).await?.volumes;
            let counted = listed.into_iter().map(|volume| {
                let users = core.volumes.references(&volume.name).len();
                (volume, users)
            });
            Ok(counted.collect())
        })
        .await
    }
}

/// Containers. `name` is a name, an ID, or enough of an ID.
impl Daemon {
    /// `docker create`.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_create(&self, asked: ContainerCreate) -> Result<Created> {
        let core = Arc::clone(&self.core);
        self.run(async move { core.create(asked).await }).await
    }

    /// `docker start`. Engines from 26.1 on undo the start if the future is dropped while a plugin
    /// mounts.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_start(&self, name: &str) -> Result<()> {
        let (core, name) = self.with(name);
        let (_waiting, client) = watch::channel(());
        self.run(async move {
            let container = core.containers.get(&name)?;
            core.start(&container, &Client(client)).await
        })
        .await
    }

    /// `docker stop`, with the container's own timeout if none is given, in seconds.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_stop(&self, name: &str, timeout: Option<i64>) -> Result<()> {
        let (core, name) = self.with(name);
        self.run(async move {
            let container = core.containers.get(&name)?;
            core.stop(&container, timeout).await
        })
        .await
    }

    /// `docker kill`, with SIGKILL if no signal is given.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_kill(&self, name: &str, signal: Option<&str>) -> Result<()> {
        let (core, name) = self.with(name);
        let signal = signal.map(str::to_owned);
        self.run(async move { core.kill(&name, signal.as_deref()).await })
            .await
    }

    /// `docker restart`.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_restart(&self, name: &str, timeout: Option<i64>) -> Result<()> {
        let (core, name) = self.with(name);
        let (_waiting, client) = watch::channel(());
        self.run(async move {
            let container = core.containers.get(&name)?;
            core.restart(&container, timeout, &Client(client)).await
        })
        .await
    }

    /// `docker pause`.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_pause(&self, name: &str) -> Result<()> {
        let (core, name) = self.with(name);
        self.run(async move { core.pause(&*core.containers.get(&name)?, true).await })
            .await
    }

    /// `docker unpause`.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_unpause(&self, name: &str) -> Result<()> {
        let (core, name) = self.with(name);
        self.run(async move { core.pause(&*core.containers.get(&name)?, false).await })
            .await
    }

    /// `docker rename`.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_rename(&self, name: &str, new: &str) -> Result<()> {
        let (core, name) = self.with(name);
        let new = new.to_owned();
        self.run(async move {
            let container = core.containers.get(&name)?;
            core.containers.rename(&container, &new).await
        })
        .await
    }

    /// `docker rm`.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_remove(&self, name: &str, options: RemoveOptions) -> Result<()> {
        let (core, name) = self.with(name);
        self.run(async move {
            let container = core.containers.get(&name)?;
            core.remove(&container, &name, options).await
        })
        .await
    }

    /// `docker container prune`; the IDs of what was removed. Anonymous volumes stay.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_prune(&self) -> Result<Vec<String>> {
        let core = Arc::clone(&self.core);
        self.run(async move {
            let mut removed = Vec::new();
            for container in core.containers.all() {
                if container.state().running {
                    continue;
                }
                let options = RemoveOptions::default();
                match core.remove(&container, &container.id, options).await {
                    Ok(()) => removed.push(container.id.clone()),
                    Err(error) => tracing::warn!("failed to prune container: {error}"),
                }
            }
            Ok(removed)
        })
        .await
    }

    /// `docker inspect`. Waits while the container is being started or ended.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_inspect(&self, name: &str) -> Result<ContainerInfo> {
        let (core, name) = self.with(name);
        self.run(async move {
            let container = core.containers.get(&name)?;
            let inner = container.inner.lock().await;
            Ok(container.info(&inner))
        })
        .await
    }

    /// `docker ps -a`: ID, name and state, the newest first. Never waits.
    #[must_use]
    pub fn container_list(&self) -> Vec<ContainerInfo> {
        let all = self.core.containers.all();
        all.iter().map(|container| container.summary()).collect()
    }

    /// `docker wait`. The condition counts from this call on, not from when the future is polled:
    /// who wants to see the next end asks before the start.
    ///
    /// # Errors
    /// Docker's text and status.
    pub fn container_wait(
        &self,
        name: &str,
        condition: WaitCondition,
    ) -> Result<impl Future<Output = WaitResult> + Send + 'static> {
        let container = self.core.containers.get(name)?;
        Ok(crate::containers::wait(
            container.lifecycle.subscribe(),
            condition,
        ))
    }

    /// `docker exec`; the exit code. No plugin sees anything of it.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_exec(&self, name: &str, command: Vec<String>) -> Result<i32> {
        let (core, name) = self.with(name);
        self.run(async move {
            let container = core.containers.get(&name)?;
            let process = running_process(&container).await?;
            let run = process.exec(command).await;
            run.map_err(|error| Error::invalid(error.text(core.profile())))
        })
        .await
    }

    /// What one request of `docker cp` does: mounts every volume of the container, lets `work` do
    /// what it likes with the files (it may block), and unmounts. A copy out of the container is
    /// one request, a copy in are two: one that looks at `path`, one that writes.
    ///
    /// # Errors
    /// Docker's text and status, or what `work` yields.
    pub async fn container_files<T, F>(&self, name: &str, path: &str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&ContainerFiles) -> Result<T> + Send + 'static,
    {
        let (core, name) = self.with(name);
        let path = path.to_owned();
        self.run(async move {
            let container = core.containers.get(&name)?;
            core.with_files(&container, &path, work).await
        })
        .await
    }

    /// Makes a network known, which a container needs to be started on it.
    pub fn network_add(&self, name: &str) {
        let networks = self.core.networks.lock();
        let mut networks = networks.unwrap_or_else(std::sync::PoisonError::into_inner);
        networks.insert(name.to_owned());
    }

    /// Makes a network unknown again.
    pub fn network_remove(&self, name: &str) {
        let networks = self.core.networks.lock();
        let mut networks = networks.unwrap_or_else(std::sync::PoisonError::into_inner);
        networks.remove(name);
    }

    fn with(&self, name: &str) -> (Arc<Core>, String) {
        (Arc::clone(&self.core), name.to_owned())
    }
}

async fn running_process(container: &Container) -> Result<Arc<dyn crate::runtime::Process>> {
    let inner = container.inner.lock().await;
    let id = &container.id;
    if container.state().paused {
        return Err(Error::conflict(format!(
            "Container {id} is paused, unpause the container before exec"
        )));
    }
    inner
        .process
        .clone()
        .ok_or_else(|| Error::conflict(format!("container {id} is not running")))
}
