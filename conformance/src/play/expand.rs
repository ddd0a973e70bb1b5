//! From what happens to the calls that it leads to, given what happened before.

use super::sequence::{Change, IDS, Options, Sequence, Spelling, Step};

/// Something that happens, before it is known to what.
#[derive(Debug, Clone, Copy)]
pub(super) enum Move {
    /// A container starts: the volume is created where need be, and mounted.
    Start { volume: u8, id: u8 },
    /// A container stops: one of the holds ends.
    Stop { volume: u8, hold: u8 },
    /// `docker cp` with a running container: its ID once more, and back.
    Copy { volume: u8, hold: u8 },
    /// The engine crashes, comes back, and starts a container again: its ID, without an Unmount.
    Crash { volume: u8, hold: u8 },
    /// A container starts and ends.
    Cycle { volume: u8, id: u8 },
    /// The plugin is killed under a container that has written something, and another one starts.
    Outage { volume: u8, id: u8 },
    /// A volume that has outlived one start of the plugin is removed before the next.
    Clearance { volume: u8 },
    /// One ID on two volumes.
    Both { id: u8 },
    /// Create, whether the volume is there or not.
    Create { volume: u8, options: Options },
    /// Everybody lets go of the volume, and it is removed.
    Discard { volume: u8 },
    /// Remove, whoever holds it.
    Remove { volume: u8 },
    /// Mount, whether the volume is there or not.
    Mount { volume: u8, id: u8 },
    /// Unmount, whoever holds what.
    Unmount { volume: u8, id: u8 },
    /// A step that changes nothing in the plugin, or everything.
    Plain(Step),
    /// The plugin is killed in the middle of a call.
    Interrupted {
        call: Change,
        volume: u8,
        id: u8,
        percent: u8,
    },
}

/// What a sequence is made of.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) names: Vec<Spelling>,
    pub(super) moves: Vec<Move>,
}

/// From moves to steps, with what a faultless plugin would know by then.
pub(super) fn expand(plan: &Plan) -> Sequence {
    let mut writer = Writer {
        volumes: vec![Shadow::default(); plan.names.len()],
        steps: Vec::new(),
    };
    for each in &plan.moves {
        writer.play(*each);
    }
    Sequence {
        names: plan.names.clone(),
        steps: writer.steps,
    }
}

/// What the generator remembers of a volume.
#[derive(Debug, Clone, Default)]
struct Shadow {
    exists: bool,
    holds: Vec<u8>,
}

struct Writer {
    volumes: Vec<Shadow>,
    steps: Vec<Step>,
}

impl Writer {
    fn play(&mut self, each: Move) {
        match each {
            Move::Start { volume, id } => {
                self.ensure(volume);
                self.mount(volume, id);
            }
            Move::Stop { volume, hold } => match self.held(volume, hold) {
                Some(id) => self.unmount(volume, id),
                None => self.steps.push(Step::Get { volume }),
            },
            Move::Copy { volume, hold } => {
                if let Some(id) = self.held(volume, hold) {
                    self.mount(volume, id);
                    self.unmount(volume, id);
                }
            }
            Move::Crash { volume, hold } => {
                self.steps.push(Step::Activate);
                if let Some(id) = self.held(volume, hold) {
                    self.mount(volume, id);
                }
            }
            Move::Cycle { volume, id } => {
                self.ensure(volume);
                self.mount(volume, id);
                self.unmount(volume, id);
            }
            Move::Outage { volume, id } => {
                self.ensure(volume);
                self.mount(volume, id);
                self.steps.push(Step::Write { volume });
                self.steps.push(Step::Kill);
                self.mount(volume, (id + 1) % IDS);
            }
            Move::Both { id } => {
                for volume in (0_u8..)
                    .zip(&self.volumes.clone())
                    .map(|(at, _)| at)
                    .take(2)
                {
                    self.ensure(volume);
                    self.mount(volume, id);
                }
            }
            Move::Create { volume, options } => self.create(volume, options),
            Move::Discard { volume } => self.discard(volume),
            Move::Clearance { volume } => {
                self.ensure(volume);
                self.steps.push(Step::Kill);
                self.discard(volume);
                self.steps.push(Step::Kill);
            }
            Move::Remove { volume } => self.remove(volume),
            Move::Mount { volume, id } => self.mount(volume, id),
            Move::Unmount { volume, id } => self.unmount(volume, id),
            Move::Plain(step) => self.steps.push(step),
            Move::Interrupted {
                call,
                volume,
                id,
                percent,
            } => self.interrupted(call, volume, id, percent),
        }
    }

    fn shadow(&mut self, volume: u8) -> Option<&mut Shadow> {
        self.volumes.get_mut(usize::from(volume))
    }

    /// One of the IDs that hold the volume.
    fn held(&mut self, volume: u8, number: u8) -> Option<u8> {
        let holds = &self.shadow(volume)?.holds;
        let at = usize::from(number).checked_rem(holds.len())?;
        holds.get(at).copied()
    }

    fn ensure(&mut self, volume: u8) {
        if self.shadow(volume).is_some_and(|shadow| !shadow.exists) {
            self.create(volume, Options::Usual);
        }
    }

    fn create(&mut self, volume: u8, options: Options) {
        self.steps.push(Step::Create { volume, options });
        if let Some(shadow) = self.shadow(volume) {
            shadow.exists |= options != Options::Bogus;
        }
    }

    fn mount(&mut self, volume: u8, id: u8) {
        self.steps.push(Step::Mount { volume, id });
        if let Some(shadow) = self.shadow(volume).filter(|shadow| shadow.exists) {
            shadow.holds.push(id);
        }
    }

    fn unmount(&mut self, volume: u8, id: u8) {
        self.steps.push(Step::Unmount { volume, id });
        if let Some(shadow) = self.shadow(volume)
            && let Some(at) = shadow.holds.iter().position(|held| *held == id)
        {
            shadow.holds.remove(at);
        }
    }

    /// A call that changes something is cut off, and a container starts and ends afterwards: who else
    /// holds the volume is seen then.
    fn interrupted(&mut self, call: Change, volume: u8, id: u8, percent: u8) {
        if call != Change::Create {
            self.ensure(volume);
        }
        let next = (id + 1) % IDS;
        let id = match call {
            Change::Unmount => {
                if self.holders(volume) < 2 {
                    self.mount(volume, id);
                }
                if self.holders(volume) < 2 {
                    self.mount(volume, next);
                }
                self.held(volume, id).unwrap_or(id)
            }
            _ => id,
        };
        self.steps.push(Step::KillDuring {
            call,
            volume,
            id,
            percent,
        });
        self.steps.push(Step::Get { volume });
        let holders = self.holders(volume);
        if let Some(shadow) = self.shadow(volume) {
            match call {
                Change::Create => shadow.exists = true,
                Change::Remove if holders == 0 => shadow.exists = false,
                // Whoever was cut off lets go for good in the end, whether it holds or not.
                Change::Mount => shadow.holds.push(id),
                Change::Unmount | Change::Remove => {}
            }
        }
        self.mount(volume, next);
        self.unmount(volume, next);
    }

    fn holders(&mut self, volume: u8) -> usize {
        self.shadow(volume).map_or(0, |shadow| shadow.holds.len())
    }

    /// All let go of the volume, and it is removed.
    fn discard(&mut self, volume: u8) {
        while let Some(id) = self.held(volume, 0) {
            self.unmount(volume, id);
        }
        self.remove(volume);
    }

    fn remove(&mut self, volume: u8) {
        self.steps.push(Step::Remove { volume });
        if let Some(shadow) = self.shadow(volume).filter(|shadow| shadow.holds.is_empty()) {
            shadow.exists = false;
        }
    }
}
