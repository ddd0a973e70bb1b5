//! Calls that look: what may be replied to them.

use super::{Invariant, Model, Name, Reply, Violation, Volume};
use crate::suite::Level;

impl Model {
    pub(super) fn get(&mut self, name: &Name, reply: &Reply) -> Result<(), Violation> {
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

    pub(super) fn list(&self, reply: &Reply) -> Result<(), Violation> {
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

    pub(super) fn path(&mut self, name: &Name, reply: &Reply) -> Result<(), Violation> {
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
            Reply::Refused(why) => {
                let mut broken = refused("Path of a mounted volume succeeds", why);
                if volume.older {
                    broken.invariant = Invariant::Durable;
                }
                Err(broken)
            }
            Reply::Mountpoint(path) if volume.is_held() && path.is_empty() => Err(gone(
                volume,
                format!("Path of `{name}` is where it is mounted"),
                "Path is empty".to_owned(),
            )),
            Reply::Mountpoint(path) => self.shows_its_place("Path", name, volume, path),
            _ => Ok(()),
        }
    }

    /// The volume that is mounted at `path`, if one is.
    pub(super) fn whose(&self, path: &str) -> Option<&Name> {
        self.volumes
            .iter()
            .find(|(_, volume)| volume.is_at(path))
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
        if path.is_empty() || volume.is_at(path) {
            return Ok(());
        }
        if volume.elsewhere && self.whose(path).is_none() {
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
    pub(super) fn ghost(&self, call: &str, name: &str) -> Violation {
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

/// A call that should succeed was refused.
pub(super) fn refused(expected: &str, why: &str) -> Violation {
    Violation::new(
        Invariant::CallsWork,
        expected,
        format!("it was refused: {why:?}"),
    )
}

/// A volume that there is, or its mount, and that a call does not know.
fn gone(volume: &Volume, expected: String, actual: String) -> Violation {
    let invariant = if volume.older {
        Invariant::Durable
    } else {
        Invariant::Agree
    };
    Violation::new(invariant, expected, actual)
}
