//! `docker rm`.
//!
//! Follows moby's `daemon/delete.go`.

use super::container::Container;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::CannotRemove;

/// How long a stop may take where one is needed, in seconds.
const STOP_TIMEOUT: i64 = 3;

/// How a container is removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Also if it runs.
    pub force: bool,
    /// With its anonymous volumes.
    pub volumes: bool,
}

impl Core {
    /// Removes a container that was asked for by `name`.
    pub(crate) async fn remove(
        &self,
        container: &Container,
        name: &str,
        options: RemoveOptions,
    ) -> Result<()> {
        {
            let _inner = container.inner.lock().await;
            let mut in_progress = false;
            container.change(|lifecycle| {
                in_progress = std::mem::replace(&mut lifecycle.state.removing, true);
            });
            if in_progress {
                return Err(Error::conflict(format!(
                    "removal of container {name} is already in progress"
                )));
            }
        }
        let removed = self.remove_container(container, name, options).await;
        container.change(|lifecycle| lifecycle.state.removing = false);
        removed
    }

    /// As for `--rm`: whatever its state, with its anonymous volumes.
    pub(super) async fn force_remove(&self, container: &Container) -> Result<()> {
        let options = RemoveOptions {
            force: true,
            volumes: true,
        };
        self.remove(container, &container.id, options).await
    }

    async fn remove_container(
        &self,
        container: &Container,
        name: &str,
        options: RemoveOptions,
    ) -> Result<()> {
        if !self.containers.contains(&container.id) {
            return Ok(());
        }
        if self.is_running(container).await {
            if !options.force {
                return Err(self.refusal(container, name));
            }
            match self.kill_container(container).await {
                // It ended by itself meanwhile.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                killed => killed.map_err(|error| error.context("could not kill container"))?,
            }
        }
        self.stop_container(container, Some(STOP_TIMEOUT)).await?;
        let inner = container.inner.lock().await;
        container.change(|lifecycle| lifecycle.state.dead = true);
        container.streams.end();
        self.forget_files(&container.id);
        self.networks.forget(&container.id);
        self.containers.forget(container);
        self.remove_mounts(&container.id, &inner.mounts, options.volumes)
            .await;
        self.containers.free(&container.name());
        container.change(|lifecycle| {
            // Who waits for the removal learns of it, and not of an earlier failure to start
            // (`State.SetRemoved`).
            lifecycle.state.error.clear();
            lifecycle.removed = true;
        });
        self.container_event(container, "destroy", None);
        Ok(())
    }

    fn refusal(&self, container: &Container, asked: &str) -> Error {
        let state = container.state();
        let status = state.status().name();
        let what_to_do = match (self.profile().cannot_remove, state.paused) {
            (CannotRemove::YouCannot, true) => {
                "Unpause and then stop the container before attempting removal or force remove"
            }
            (CannotRemove::YouCannot, false) => {
                "Stop the container before attempting removal or force remove"
            }
            (_, true) => "container is paused and must be unpaused first",
            (_, false) => "stop the container before removing or force remove",
        };
        Error::conflict(match self.profile().cannot_remove {
            CannotRemove::YouCannot => format!(
                "You cannot remove a {status} container {}. {what_to_do}",
                container.id
            ),
            how => {
                let name = match how {
                    CannotRemove::AskedFirst => asked.to_owned(),
                    _ => format!("/{}", container.name()),
                };
                if state.paused {
                    format!("cannot remove container {name:?}: {what_to_do}")
                } else {
                    format!("cannot remove container {name:?}: container is {status}: {what_to_do}")
                }
            }
        })
    }
}
