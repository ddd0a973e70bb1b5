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
use crate::networks::Network;
use crate::profile::Profile;
use crate::runtime::{About, ExecSpec, Process};
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
        self.run(async move { core.kill_named(&name, signal.as_deref()).await })
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
        let pruned = self.container_prune_if(|_| true).await;
        pruned.map(|(removed, _)| removed)
    }

    /// `docker container prune` of those that `wanted` picks; what was removed, and the bytes of
    /// its files.
    pub(crate) async fn container_prune_if(
        &self,
        wanted: impl Fn(&ContainerInfo) -> bool + Send + 'static,
    ) -> Result<(Vec<String>, u64)> {
        let core = Arc::clone(&self.core);
        self.run(async move {
            let Ok(_alone) = core.containers.pruning.try_lock() else {
                return Err(Error::conflict("a prune operation is already running"));
            };
            let (mut removed, mut bytes) = (Vec::new(), 0);
            for container in core.containers.all() {
                if container.state().running || !wanted(&container.summary()) {
                    continue;
                }
                let size = core.written(&container.id, &container.asked.image);
                let options = RemoveOptions::default();
                match core.remove(&container, &container.id, options).await {
                    Ok(()) => {
                        removed.push(container.id.clone());
                        bytes += size;
                    }
                    Err(error) => tracing::warn!("failed to prune container: {error}"),
                }
            }
            let reclaimed = bytes.to_string();
            core.events
                .container("", "prune", [("reclaimed", reclaimed.as_str())]);
            Ok((removed, bytes))
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

    /// `docker exec -d`, without streams; the exit code. No plugin sees anything of it.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_exec(&self, name: &str, command: Vec<String>) -> Result<i32> {
        let spec = ExecSpec {
            command,
            ..ExecSpec::default()
        };
        let process = self.container_exec_start(name, spec).await?;
        Ok(process.wait().await)
    }

    /// Begins `docker exec`.
    ///
    /// # Errors
    /// Docker's text and status.
    pub async fn container_exec_start(
        &self,
        name: &str,
        spec: ExecSpec,
    ) -> Result<Arc<dyn Process>> {
        let (core, name) = self.with(name);
        self.run(async move {
            let container = core.containers.get(&name)?;
            let process = running_process(&container, core.profile()).await?;
            let run = process.exec(spec).await;
            run.map_err(|error| Error::invalid(error.exec_text(core.profile())))
        })
        .await
    }

    /// The process of a container that runs.
    ///
    /// # Errors
    /// Docker's text and status.
    pub(crate) async fn container_process(&self, name: &str) -> Result<Arc<dyn Process>> {
        let container = self.core.containers.get(name)?;
        let inner = container.inner.lock().await;
        let process = inner.process.clone();
        process.ok_or_else(|| self.core.profile().not_running(&container.id))
    }

    /// What runs processes, as `docker info` shows it.
    #[must_use]
    pub fn runtime(&self) -> About {
        self.core.runtime.about()
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
    ///
    /// # Errors
    /// Docker's text and status: there is one of that name.
    pub fn network_add(&self, name: &str) -> Result<()> {
        self.core.networks.create(Network {
            name: name.to_owned(),
            id: self.core.random.id(),
            created: jiff::Timestamp::now(),
            ..Network::default()
        })
    }

    /// Makes a network unknown again, whoever is on it.
    ///
    /// # Errors
    /// Docker's text and status: there is none, or every engine has it.
    pub fn network_remove(&self, name: &str) -> Result<()> {
        let networks = &self.core.networks;
        networks.remove(&networks.find(name)?, &[], false)
    }

    fn with(&self, name: &str) -> (Arc<Core>, String) {
        (Arc::clone(&self.core), name.to_owned())
    }
}

async fn running_process(container: &Container, profile: &Profile) -> Result<Arc<dyn Process>> {
    let inner = container.inner.lock().await;
    let id = &container.id;
    if container.state().paused {
        return Err(Error::conflict(format!(
            "Container {id} is paused, unpause the container before exec"
        )));
    }
    let process = inner.process.clone();
    process.ok_or_else(|| profile.not_running(id))
}
