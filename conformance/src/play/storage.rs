//! What is seen of the volumes from outside: the mount table, and the files that were written.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::stage::Stop;
use crate::model::{Invariant, Name, Possible, Violation};
use crate::suite::{Halt, Token, is_root};
use crate::target::{Target, mounted_paths};

/// How long a volume that nobody holds may stay mounted until that is told.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// The same once that was seen: while it is being shortened, and when other things are looked for.
pub(super) const IMPATIENCE: Duration = Duration::from_millis(100);

/// A release that takes longer is not at once: such a plugin is not judged by when it releases.
const AT_ONCE: Duration = Duration::from_millis(300);

/// What was seen of one volume.
#[derive(Debug, Default)]
struct Seen {
    /// What was written through its mountpoints since it exists.
    tokens: Vec<Token>,
    /// Whether the kernel has a mount where Mount says that the volume is; some plugins answer a
    /// directory.
    real: Option<bool>,
    /// The plugin was started again and has not mounted the volume since. That mounts outlive that
    /// is a SHOULD, and has a case of its own (restart.remount).
    shaken: bool,
}

/// The sights of one play.
#[derive(Debug)]
pub(super) struct Storage {
    volumes: BTreeMap<Name, Seen>,
    /// Whether mountpoints can be looked into from here.
    sees: bool,
    writes: bool,
    patience: Duration,
}

impl Storage {
    pub(super) fn new(target: &Target, patience: Duration) -> Self {
        Self {
            volumes: BTreeMap::new(),
            sees: target.files.blindness().is_none(),
            writes: !target.asks_read_only(),
            patience,
        }
    }

    fn seen(&mut self, name: &Name) -> &mut Seen {
        self.volumes.entry(Name::clone(name)).or_default()
    }

    /// The plugin was started again.
    pub(super) fn restarted(&mut self) {
        for seen in self.volumes.values_mut() {
            seen.shaken = true;
        }
    }

    /// The volume is gone, and what was in it may be.
    pub(super) fn removed(&mut self, name: &Name) {
        self.volumes.remove(name);
    }

    /// After a Mount that answered `path`: the volume is there, with all that was written.
    pub(super) async fn mounted(
        &mut self,
        target: &Target,
        model: &Possible,
        name: &Name,
        path: &str,
    ) -> Result<(), Stop> {
        if !self.sees {
            return Ok(());
        }
        let is_mounted = self.mount_table()?.contains(Path::new(path));
        let seen = self.seen(name);
        seen.shaken = false;
        match seen.real {
            None => seen.real = Some(is_mounted),
            Some(true) if !is_mounted => {
                return Err(Violation::new(
                    model.lost_hold(name),
                    "the volume is mounted after Mount, as it was before",
                    format!("nothing is mounted at {path}"),
                )
                .into());
            }
            Some(_) => {}
        }
        self.read(target, model, name).await
    }

    /// After a call on the volume `about`: whatever is held is still mounted.
    pub(super) fn held_stay(&mut self, model: &Possible, about: Option<&Name>) -> Result<(), Stop> {
        let sees_mounts = |seen: &Seen| seen.real == Some(true) && !seen.shaken;
        if !self.sees || !self.volumes.values().any(sees_mounts) {
            return Ok(());
        }
        let table = self.mount_table()?;
        for (name, _) in self.volumes.iter().filter(|(_, seen)| sees_mounts(seen)) {
            let held = model.holds(name);
            if held == 0 {
                continue;
            }
            let paths = model.mountpoints(name);
            let mut paths = paths.iter();
            let missing = paths.find(|path| !table.contains(Path::new(path)));
            if let Some(path) = missing {
                let by_itself = about.is_none_or(|about| about == name);
                let invariant = if by_itself {
                    model.lost_hold(name)
                } else {
                    Invariant::Outside
                };
                return Err(Violation::new(
                    invariant,
                    format!("`{name}`, which is held {held}-fold, stays mounted"),
                    format!("nothing is mounted at {path} any more"),
                )
                .into());
            }
        }
        Ok(())
    }

    /// After an Unmount: a volume that nobody holds is released, from `paths` where it was mounted.
    pub(super) async fn released(
        &mut self,
        model: &Possible,
        name: &Name,
        paths: &[String],
        learnt: &mut Option<bool>,
    ) -> Result<(), Stop> {
        let held = model.may_be_held(name);
        let seen = self.seen(name);
        if held || seen.real != Some(true) || seen.shaken || *learnt == Some(false) {
            return Ok(());
        }
        let begun = Instant::now();
        loop {
            let table = self.mount_table()?;
            let still = paths.iter().find(|path| table.contains(Path::new(path)));
            let Some(path) = still else {
                learnt.get_or_insert(begun.elapsed() <= AT_ONCE);
                return Ok(());
            };
            if begun.elapsed() > self.patience {
                if learnt.is_none() {
                    *learnt = Some(false);
                    return Ok(());
                }
                return Err(Violation::new(
                    model.leaked_hold(name),
                    "a volume that nobody holds is unmounted, as it was before",
                    format!("{path} is still mounted"),
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Writes a token through the last mountpoint, if there is one; that mountpoint.
    pub(super) async fn write(
        &mut self,
        target: &Target,
        model: &Possible,
        name: &Name,
        token: Token,
    ) -> Result<Option<PathBuf>, Stop> {
        let seen = self.seen(name);
        let shaken = seen.shaken;
        let paths = model.mountpoints(name);
        let path = paths.last().filter(|_| !shaken && model.holds(name) > 0);
        let Some(path) = path.filter(|_| self.sees && self.writes) else {
            return Ok(None);
        };
        let file = PathBuf::from(path).join(&token.file);
        match target
            .files
            .write(file.clone(), token.content.clone())
            .await
        {
            Ok(()) => {
                self.seen(name).tokens.push(token);
                Ok(Some(PathBuf::from(path)))
            }
            Err(error) if self.is_blind(&error) => Ok(None),
            Err(error) => Err(Violation::new(
                Invariant::CallsWork,
                "a file can be written into a mounted volume",
                format!("{}: {error}", file.display()),
            )
            .because("mount.writable")
            .because("mount.visible")
            .because("mount.usable")
            .into()),
        }
    }

    /// Reads all tokens of a volume through all of its mountpoints, and looks for those of others.
    pub(super) async fn read(
        &mut self,
        target: &Target,
        model: &Possible,
        name: &Name,
    ) -> Result<(), Stop> {
        let seen = self.seen(name);
        if seen.shaken || model.holds(name) == 0 {
            return Ok(());
        }
        let own = seen.tokens.clone();
        let others: Vec<(Name, PathBuf)> = self
            .volumes
            .iter()
            .filter(|(other, _)| *other != name && model.may_exist(other))
            .flat_map(|(other, seen)| {
                seen.tokens
                    .iter()
                    .map(|t| (Name::clone(other), t.file.clone()))
            })
            .collect();
        if !self.sees || (own.is_empty() && others.is_empty()) {
            return Ok(());
        }
        let lost = if volume_is_older(model, name) {
            Invariant::Durable
        } else {
            Invariant::DataKept
        };
        for path in model.mountpoints(name).into_iter().map(PathBuf::from) {
            let (own, others, at) = (own.clone(), others.clone(), path.clone());
            let looked = target.files.look(move || Ok(look(&own, &others, &at)));
            match looked.await {
                Ok(Sight::Whole) => {}
                Ok(Sight::Gone(what)) => {
                    let expected =
                        format!("what was written into `{name}` is in {}", path.display());
                    return Err(Violation::new(lost, expected, what).into());
                }
                Ok(Sight::Others(other, file)) => {
                    return Err(Violation::new(
                        Invariant::DataApart,
                        format!("`{name}` shows no data of `{other}`"),
                        format!("{} is there", file.display()),
                    )
                    .into());
                }
                Err(error) if self.is_blind(&error) => return Ok(()),
                Err(error) => {
                    let expected = format!("{} can be read", path.display());
                    return Err(Violation::new(lost, expected, error.to_string()).into());
                }
            }
        }
        Ok(())
    }

    /// Whether the error says that nothing can be seen without root; then nothing is looked at.
    fn is_blind(&mut self, error: &std::io::Error) -> bool {
        let blind = error.kind() == std::io::ErrorKind::PermissionDenied && !is_root();
        self.sees &= !blind;
        blind
    }

    fn mount_table(&self) -> Result<HashSet<PathBuf>, Stop> {
        mounted_paths()
            .map_err(|error| Halt::skip(format!("the mount table cannot be read: {error}")).into())
    }
}

fn volume_is_older(model: &Possible, name: &str) -> bool {
    model.leaked_hold(name) == Invariant::Durable
}

/// What a look into a mountpoint has shown.
enum Sight {
    Whole,
    Gone(String),
    Others(Name, PathBuf),
}

fn look(own: &[Token], others: &[(Name, PathBuf)], at: &Path) -> Sight {
    for token in own {
        let path = at.join(&token.file);
        match std::fs::read_to_string(&path) {
            Ok(content) if content == token.content => {}
            Ok(_) => return Sight::Gone(format!("{} holds other data", path.display())),
            Err(error) => return Sight::Gone(format!("{}: {error}", path.display())),
        }
    }
    let foreign = others.iter().find(|(_, file)| at.join(file).exists());
    foreign.map_or(Sight::Whole, |(other, file)| {
        Sight::Others(Name::clone(other), at.join(file))
    })
}
