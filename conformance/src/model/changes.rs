//! Calls that change something: what may be replied to them, and what they change.

use std::collections::BTreeMap;

use super::looks::refused;
use super::{Call, Id, Invariant, Model, Name, Question, Reply, Violation, Volume};
use crate::protocol::Opts;

impl Model {
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
            Reply::Refused(why) if sound && !self.has_namesake(name) => {
                Err(refused("Create of a new volume succeeds", why))
            }
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

    /// Whether there is a volume whose name differs from `name` only in what storage may not tell
    /// apart: the later one may be refused then.
    fn has_namesake(&self, name: &str) -> bool {
        let plain = plain(name);
        self.volumes
            .keys()
            .any(|other| **other != *name && self::plain(other) == plain)
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
}

/// A name without case, without blanks, accents and ways upwards around it, all punctuation alike.
fn plain(name: &str) -> String {
    let upwards = name.starts_with("../");
    let last = name.rsplit('/').next().filter(|_| upwards).unwrap_or(name);
    let alike = |c: char| if c.is_alphanumeric() { c } else { '_' };
    let all: String = last.to_lowercase().chars().map(alike).collect();
    all.trim_matches('_').to_owned()
}

/// Whether two sets of options are the same: no options are no options, however that is written.
fn same(left: &Opts, right: &Opts) -> bool {
    let empty = |opts: &Opts| opts.as_ref().is_none_or(BTreeMap::is_empty);
    left == right || (empty(left) && empty(right))
}
