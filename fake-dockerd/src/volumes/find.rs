//! Listing and pruning.
//!
//! Follows moby's `volume/service/store.go` (`Find`, `list`) and `convert.go`.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use super::driver::DriverVolume;
use super::store::{Stored, VolumeStore};
use super::{ANONYMOUS_LABEL, Pairs, Volume, local};
use crate::error::{Error, Result};
use crate::labels::{match_all, spared};

/// The filters of `docker volume ls`. Values of one filter are alternatives, except labels, which
/// all have to match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeFilters {
    /// Parts of names, or regular expressions.
    pub name: Vec<String>,
    /// Names of drivers. Only these are asked for their volumes.
    pub driver: Vec<String>,
    /// `KEY` or `KEY=VALUE`.
    pub label: Vec<String>,
    /// Whether no container uses the volume.
    pub dangling: Option<bool>,
}

/// The filters of `docker volume prune`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneFilters {
    /// `KEY` or `KEY=VALUE`, all of which have to match.
    pub label: Vec<String>,
    /// `KEY` or `KEY=VALUE`, not all of which may match.
    pub label_not: Vec<String>,
    /// Named volumes too. Docker 20.10 knows no difference.
    pub all: bool,
}

/// What a prune removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PruneReport {
    /// Names.
    pub volumes_deleted: Vec<String>,
    /// Bytes.
    pub space_reclaimed: u64,
}

/// The volumes of a daemon, and what went wrong while they were asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeList {
    /// The volumes.
    pub volumes: Vec<Volume>,
    /// Drivers that failed to list theirs, which the CLI does not show.
    pub warnings: Vec<String>,
}

impl VolumeStore {
    /// Lists volumes.
    pub(crate) async fn list(self: &Arc<Self>, filters: &VolumeFilters) -> Result<VolumeList> {
        let (mut volumes, warnings) = self.ask(&filters.driver).await?;
        if !filters.name.is_empty() {
            volumes.retain(|stored| matches_name(&filters.name, &stored.volume.name));
        }
        volumes.retain(|stored| match_all(&filters.label, stored.labels.as_ref()));
        if let Some(dangling) = filters.dangling {
            volumes.retain(|stored| self.is_referenced(&stored.volume.name) != dangling);
        }
        let volumes = self.without_conflicts(volumes).await;
        Ok(VolumeList {
            volumes: volumes.into_iter().map(Stored::shown).collect(),
            warnings,
        })
    }

    /// Removes local volumes without options that nobody uses. Plugins' volumes are never pruned,
    /// but plugins are looked for and activated all the same.
    pub(crate) async fn prune(self: &Arc<Self>, filters: &PruneFilters) -> Result<PruneReport> {
        let Ok(_alone) = self.pruning.try_lock() else {
            return Err(Error::conflict("a prune operation is already running"));
        };
        let mut wanted = filters.label.clone();
        if self.context.profile.prunes_anonymous_only && !filters.all {
            wanted.push(ANONYMOUS_LABEL.to_owned());
        }
        let (mut volumes, _) = self.ask(&[local::NAME.to_owned()]).await?;
        volumes.retain(|stored| {
            let labels = stored.labels.as_ref();
            !self.is_referenced(&stored.volume.name)
                && match_all(&wanted, labels)
                && !spared(&filters.label_not, labels)
                && stored.options.as_ref().is_none_or(Pairs::is_empty)
        });
        let mut report = PruneReport::default();
        for Stored { volume, .. } in self.without_conflicts(volumes).await {
            let size = local::size(Path::new(&volume.mountpoint()));
            match self.remove_volume(&volume, false).await {
                Ok(()) => {
                    report.space_reclaimed += size;
                    report.volumes_deleted.push(volume.name);
                }
                Err(error) => tracing::warn!(volume = volume.name, "not pruned: {error}"),
            }
        }
        let reclaimed = report.space_reclaimed.to_string();
        self.events
            .volume("", "prune", [("reclaimed", reclaimed.as_str())]);
        Ok(report)
    }

    /// Asks drivers for their volumes, all at once; all drivers if none is named. In the place of
    /// one that fails stands what is known of its volumes.
    async fn ask(self: &Arc<Self>, drivers: &[String]) -> Result<(Vec<Stored>, Vec<String>)> {
        let mut asking = Vec::new();
        let all = self
            .drivers
            .all()
            .await
            .map_err(|error| error.context("list"))?;
        for driver in all {
            if !drivers.is_empty() && !drivers.iter().any(|name| name == driver.name()) {
                continue;
            }
            let store = Arc::clone(self);
            asking.push(self.context.spawn(async move {
                let listed = driver.list().await;
                let listed = match listed {
                    Ok(listed) => listed,
                    Err(error) => {
                        let name = driver.name().to_owned();
                        return Err((error.context(format_args!("list {name}")), name));
                    }
                };
                let mut volumes = Vec::with_capacity(listed.len());
                for volume in listed {
                    // The driver's scope is asked for here, for each volume if it fails to tell.
                    let scope = driver.scope().await;
                    volumes.push(store.wrapped(volume, scope));
                }
                Ok(volumes)
            }));
        }
        let mut volumes = Vec::new();
        let mut warnings = Vec::new();
        let mut bad = HashSet::new();
        for task in asking {
            match task.await {
                Ok(Some(Ok(listed))) => volumes.extend(listed),
                Ok(Some(Err((error, driver)))) => {
                    warnings.push(error.to_string());
                    bad.insert(driver);
                }
                Ok(None) | Err(_) => {}
            }
        }
        if !bad.is_empty() {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let remembered = known.names.values();
            volumes.extend(
                remembered
                    .filter(|stored| bad.contains(stored.volume.driver_name()))
                    .cloned(),
            );
        }
        Ok((volumes, warnings))
    }

    fn wrapped(&self, volume: DriverVolume, scope: &'static str) -> Stored {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Stored {
            labels: known.labels.get(&volume.name).cloned().flatten(),
            options: known.options.get(&volume.name).cloned().flatten(),
            volume,
            scope,
        }
    }

    /// Leaves out what a driver lists under a name that is another driver's. Each name is locked
    /// for that, so that a list waits for a volume whose plugin hangs.
    async fn without_conflicts(&self, volumes: Vec<Stored>) -> Vec<Stored> {
        let mut kept = Vec::with_capacity(volumes.len());
        for stored in volumes {
            let name = &stored.volume.name;
            let _alone = self.locks.lock(name).await;
            let owner = {
                let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
                let owner = known.names.get(name);
                owner.map(|owner| owner.volume.driver_name().to_owned())
            };
            match owner {
                Some(owner) if owner != stored.volume.driver_name() => tracing::warn!(
                    "Volume name {name} already exists for driver {owner}, not including volume \
                     returned by {}",
                    stored.volume.driver_name()
                ),
                _ => kept.push(stored),
            }
        }
        kept
    }
}

/// Go's `Args.Match`: the same name, or a regular expression that matches somewhere in it.
fn matches_name(wanted: &[String], name: &str) -> bool {
    wanted.iter().any(|wanted| {
        wanted == name || Regex::new(wanted).is_ok_and(|pattern| pattern.is_match(name))
    })
}

#[cfg(test)]
mod tests {
    use super::matches_name;

    #[test]
    fn names_match_in_part() {
        assert!(matches_name(&["v".into()], "my-volume"));
        assert!(!matches_name(&["^v".into()], "my-volume"));
    }
}
