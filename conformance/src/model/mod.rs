//! The reference model of a volume plugin.
//!
//! A small state machine: which volumes there are, with which options, who holds them, and what may
//! be replied to a call in each state. It is written from the requirements (docs.docker.com,
//! `engine/extend/plugins_volume`, and what recorded engines did with the answers) and from nothing
//! else. [`Model::step`] is pure, and a [`Model`] can be cloned, compared and hashed, so that the
//! same model judges one call after the other, and histories of many clients.
//!
//! Where Docker's documentation leaves a reply to the plugin, either is legal, the first one is
//! learnt ([`Habits`]), and from then on the other one is a violation. Where a reply never came,
//! the plugin may be in one of several states: that is what [`Possible`] is for.

mod call;
mod habits;
mod possible;
mod violation;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

pub use call::{Call, Id, Name, Reply, Shown};
pub use habits::{Habits, Question};
pub use possible::Possible;
pub use violation::{Invariant, Violation};
pub use volume::Volume;

use crate::protocol::Opts;
use crate::suite::Level;

/// What a plugin has to know, and what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Model {
    volumes: BTreeMap<Name, Volume>,
    /// Names that were looked for or removed, and are no volumes.
    absent: BTreeSet<Name>,
    /// Names of no volumes that an Unmount came for.
    overdrawn: BTreeSet<Name>,
    habits: Habits,
    /// Whether the plugin was started again since the beginning.
    restarted: bool,
}

impl Model {
    /// A plugin without volumes that does, where it may choose, what `habits` says.
    #[must_use]
    pub fn new(habits: Habits) -> Self {
        Self {
            habits,
            ..Self::default()
        }
    }

    /// What was learnt about the plugin.
    #[must_use]
    pub const fn habits(&self) -> &Habits {
        &self.habits
    }

    /// The volumes.
    pub fn volumes(&self) -> impl Iterator<Item = (&Name, &Volume)> {
        self.volumes.iter()
    }

    /// The volume called `name`, if there is one.
    #[must_use]
    pub fn volume(&self, name: &str) -> Option<&Volume> {
        self.volumes.get(name)
    }

    /// The plugin was stopped or killed and started again: everything acknowledged is still due.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.restarted = true;
        for volume in self.volumes.values_mut() {
            volume.older = true;
        }
        self
    }

    /// What is broken where a hold of the volume `name` turns out to be lost: how it was lost can
    /// be told from what was called before.
    #[must_use]
    pub fn lost_hold(&self, name: &str) -> Invariant {
        self.volume(name)
            .map_or(Invariant::HoldsKept, Volume::lost_hold)
    }

    /// What is broken where the volume `name` turns out to be held by nobody.
    #[must_use]
    pub fn leaked_hold(&self, name: &str) -> Invariant {
        match self.volume(name) {
            Some(volume) if volume.older => Invariant::Durable,
            _ => Invariant::Released,
        }
    }

    /// The state after `call` was replied to with `reply`.
    ///
    /// # Errors
    /// [`Violation`] where no plugin may reply so in this state.
    pub fn step(&self, call: &Call, reply: &Reply) -> Result<Self, Violation> {
        let mut next = self.clone();
        next.advance(call, reply)?;
        Ok(next)
    }

    /// As [`step`](Self::step), in place; after a violation the state is that before the call.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn advance(&mut self, call: &Call, reply: &Reply) -> Result<(), Violation> {
        match call {
            Call::Activate => match reply {
                Reply::Refused(why) => Err(refused("Activate succeeds as often as it comes", why)),
                _ => Ok(()),
            },
            Call::Create { name, opts, sound } => self.create(name, opts, *sound, reply),
            Call::Get(name) => self.get(name, reply),
            Call::List => self.list(reply),
            Call::Path(name) => self.path(name, reply),
            Call::Mount(name, id) => self.mount(name, id, reply),
            Call::Unmount(name, id) => self.unmount(name, id, reply),
            Call::Remove(name) => self.remove(name, reply),
        }
    }

    fn create(
        &mut self,
        name: &Name,
        opts: &Opts,
        sound: bool,
        reply: &Reply,
    ) -> Result<(), Violation> {
        if let Some(known) = self.volumes.get(name) {
            let question = if same(&known.opts, opts) {
                Question::CreateAgain
            } else {
                Question::CreateOther
            };
            // Options that may be refused are refused whether the volume is there or not.
            return if sound {
                self.habits.learn(question, reply)
            } else {
                Ok(())
            };
        }
        match reply {
            Reply::Refused(why) if sound => Err(refused("Create of a new volume succeeds", why)),
            Reply::Refused(_) => {
                self.absent.insert(Name::clone(name));
                Ok(())
            }
            _ => {
                self.absent.remove(name);
                let mut volume = Volume::new(opts.clone());
                if self.overdrawn.remove(name) {
                    volume.stray_unmount();
                }
                self.volumes.insert(Name::clone(name), volume);
                Ok(())
            }
        }
    }

    fn get(&mut self, name: &Name, reply: &Reply) -> Result<(), Violation> {
        let shown = match reply {
            Reply::Volume(shown) => shown.as_ref(),
            _ => None,
        };
        let Some(volume) = self.volumes.get(name) else {
            self.absent.insert(Name::clone(name));
            return match shown {
                None => Ok(()),
                Some(_) => Err(self.ghost("Get", name)),
            };
        };
        let Some(shown) = shown else {
            let told = match reply {
                Reply::Refused(why) => format!("Get answered {why:?}"),
                _ => "Get returned no volume".to_owned(),
            };
            return Err(gone(volume, format!("Get knows `{name}`"), told));
        };
        if *shown.name != **name {
            return Err(Violation::new(
                Invariant::Agree,
                format!("Get of `{name}` returns a volume of that name"),
                format!("its name is `{}`", shown.name),
            ));
        }
        self.shows_its_place("Get", name, volume, &shown.mountpoint)
    }

    fn list(&self, reply: &Reply) -> Result<(), Violation> {
        let listed = match reply {
            Reply::Volumes(volumes) => volumes.as_slice(),
            Reply::Refused(why) => return Err(refused("List succeeds", why)),
            _ => &[],
        };
        for (name, volume) in &self.volumes {
            let mut own = listed.iter().filter(|shown| *shown.name == **name);
            match (own.next(), own.next()) {
                (None, _) => {
                    return Err(gone(
                        volume,
                        format!("List shows `{name}`"),
                        "List does not".to_owned(),
                    ));
                }
                (Some(_), Some(_)) => {
                    return Err(Violation::new(
                        Invariant::Agree,
                        format!("List shows `{name}` once"),
                        "List shows it several times",
                    ));
                }
                (Some(shown), None) => {
                    self.shows_its_place("List", name, volume, &shown.mountpoint)?;
                }
            }
        }
        let ghost = listed
            .iter()
            .find(|shown| self.absent.contains(shown.name.as_str()));
        ghost.map_or(Ok(()), |shown| Err(self.ghost("List", &shown.name)))
    }

    fn path(&mut self, name: &Name, reply: &Reply) -> Result<(), Violation> {
        let Some(volume) = self.volumes.get(name) else {
            self.absent.insert(Name::clone(name));
            return if reply.is_refusal() {
                Ok(())
            } else {
                Err(self.ghost("Path", name))
            };
        };
        match reply {
            // That it may be asked for is a SHOULD, and has a case of its own.
            Reply::Refused(_) if !volume.is_held() => Ok(()),
            Reply::Refused(why) => Err(refused("Path of a mounted volume succeeds", why)),
            Reply::Mountpoint(path) if volume.is_held() && path.is_empty() => Err(Violation::new(
                Invariant::Agree,
                format!("Path of `{name}` is where it is mounted"),
                "Path is empty",
            )),
            Reply::Mountpoint(path) => self.shows_its_place("Path", name, volume, path),
            _ => Ok(()),
        }
    }

    fn mount(&mut self, name: &Name, id: &Id, reply: &Reply) -> Result<(), Violation> {
        let Some(volume) = self.volumes.get(name) else {
            self.absent.insert(Name::clone(name));
            return if reply.is_refusal() {
                Ok(())
            } else {
                Err(self.ghost("Mount", name))
            };
        };
        let path = match reply {
            Reply::Refused(why) => {
                let which = match volume.holds_of(id) {
                    0 if volume.is_held() => "Mount of a volume that others hold succeeds",
                    0 => "Mount of a volume succeeds",
                    _ => "Mount with an ID that holds the volume already succeeds",
                };
                let invariant = if volume.older {
                    Invariant::Durable
                } else {
                    Invariant::CallsWork
                };
                return Err(Violation::new(
                    invariant,
                    which,
                    format!("it was refused: {why:?}"),
                ));
            }
            Reply::Mountpoint(path) => path.as_str(),
            _ => "",
        };
        if !path.starts_with('/') {
            return Err(Violation::new(
                Invariant::CallsWork,
                "Mount names an absolute path",
                format!("it names {path:?}"),
            ));
        }
        if let Some(other) = self.whose(path).filter(|other| *other != name) {
            return Err(Violation::new(
                Invariant::DataApart,
                format!("`{name}` and `{other}` are mounted at different places"),
                format!("both are at {path}"),
            ));
        }
        if let Some(volume) = self.volumes.get_mut(name) {
            volume.hold(id, path);
        }
        Ok(())
    }

    fn unmount(&mut self, name: &Name, id: &Id, reply: &Reply) -> Result<(), Violation> {
        let Some(volume) = self.volumes.get_mut(name) else {
            self.absent.insert(Name::clone(name));
            self.overdrawn.insert(Name::clone(name));
            return self.habits.learn(Question::UnmountUnknown, reply);
        };
        if volume.holds_of(id) == 0 {
            let question = if volume.is_held() {
                Question::UnmountStranger
            } else {
                Question::UnmountUnheld
            };
            volume.stray_unmount();
            return self.habits.learn(question, reply);
        }
        if let Reply::Refused(why) = reply {
            return Err(Violation::new(
                volume.lost_hold(),
                "Unmount with an ID that holds the volume succeeds",
                format!("it was refused: {why:?}"),
            ));
        }
        volume.release(id);
        Ok(())
    }

    fn remove(&mut self, name: &Name, reply: &Reply) -> Result<(), Violation> {
        let Some(volume) = self.volumes.get(name) else {
            self.absent.insert(Name::clone(name));
            return self.habits.learn(Question::RemoveUnknown, reply);
        };
        if volume.is_held() {
            let guarded = self.habits.refuses(Question::RemoveHeld) == Some(true);
            if guarded && !reply.is_refusal() {
                return Err(Violation::new(
                    volume.lost_hold(),
                    "Remove of a volume that is held is refused, as it is at other times",
                    "it succeeded: the plugin has lost count of who holds it",
                ));
            }
            self.habits.learn(Question::RemoveHeld, reply)?;
        } else if let Reply::Refused(why) = reply {
            return Err(Violation::new(
                self.leaked_hold(name),
                "Remove of a volume that nobody holds succeeds",
                format!("it was refused: {why:?}"),
            ));
        }
        if !reply.is_refusal() {
            self.volumes.remove(name);
            self.absent.insert(Name::clone(name));
        }
        Ok(())
    }

    /// The volume that is mounted at `path`, if one is.
    fn whose(&self, path: &str) -> Option<&Name> {
        self.volumes
            .iter()
            .find(|(_, volume)| volume.mountpoints.contains(path))
            .map(|(name, _)| name)
    }

    /// Judges the place that `call` shows for a volume: where it is mounted, or nothing, or, where
    /// nobody holds it, where it will be. Never where another one is.
    fn shows_its_place(
        &self,
        call: &str,
        name: &str,
        volume: &Volume,
        path: &str,
    ) -> Result<(), Violation> {
        if path.is_empty() || volume.mountpoints.contains(path) {
            return Ok(());
        }
        let wrong = |expected: String| {
            Err(Violation::new(
                Invariant::Agree,
                expected,
                format!("{call} shows {path}"),
            ))
        };
        if volume.is_held() {
            let wrong = wrong(format!("{call} shows `{name}` where Mount says that it is"));
            // dockerd shows the Mountpoint of Get and List to people, and uses that of Mount.
            return if call == "Path" {
                wrong
            } else {
                wrong.map_err(|violation| violation.at(Level::Should))
            };
        }
        match self.whose(path) {
            Some(other) => wrong(format!("{call} does not show `{name}` where `{other}` is")),
            None => Ok(()),
        }
    }

    /// A volume that `call` knows, and that there is not.
    fn ghost(&self, call: &str, name: &str) -> Violation {
        let invariant = if self.restarted {
            Invariant::Durable
        } else {
            Invariant::Agree
        };
        Violation::new(
            invariant,
            format!("{call} does not know `{name}`, which does not exist"),
            format!("{call} knows it"),
        )
    }
}

/// Whether two sets of options are the same: no options are no options, however that is written.
fn same(left: &Opts, right: &Opts) -> bool {
    let empty = |opts: &Opts| opts.as_ref().is_none_or(BTreeMap::is_empty);
    left == right || (empty(left) && empty(right))
}

fn refused(expected: &str, why: &str) -> Violation {
    Violation::new(
        Invariant::CallsWork,
        expected,
        format!("it was refused: {why:?}"),
    )
}

/// A volume that there is, and that a call does not know.
fn gone(volume: &Volume, expected: String, actual: String) -> Violation {
    let invariant = if volume.older {
        Invariant::Durable
    } else {
        Invariant::Agree
    };
    Violation::new(invariant, expected, actual)
}

#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod tests;
