//! Sequences: what is played, as data that can be written down and played again.
//!
//! A sequence names volumes and mount IDs by number. What they are called is decided anew each time
//! it is played, so that no play meets what an earlier one has left.

use serde::{Deserialize, Serialize};

/// How many mount IDs there are: few, so that they collide.
pub const IDS: u8 = 4;

/// Steps, and how the volumes in them are spelt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// The spelling of each volume's name, by number.
    pub names: Vec<Spelling>,
    /// What is done, one after the other.
    pub steps: Vec<Step>,
}

/// How a volume's name is spelt. All but the first two are played only where strange names are sent
/// (`--hostile`); elsewhere they are plain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spelling {
    /// A name of its own.
    #[default]
    Plain,
    /// The name of volume 0, and a letter more.
    Longer,
    /// The name of volume 0 in capitals.
    Capitals,
    /// The name of volume 0 with slashes for its underscores.
    Slashes,
    /// The name of volume 0 with an accent behind it.
    Accent,
    /// The name of volume 0 with a blank behind it.
    Blank,
    /// A path that leads up and into a directory which is none of the plugin's.
    Upwards,
}

impl Spelling {
    /// Whether only hostile plays may use it.
    #[must_use]
    pub const fn is_strange(self) -> bool {
        !matches!(self, Self::Plain | Self::Longer)
    }
}

/// The options of a Create.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Options {
    /// Those of `--opt`; `null` without any.
    #[default]
    Usual,
    /// The same; `{}` without any, as docker 20.10 sends it.
    Empty,
    /// One more, which no plugin knows and any may refuse.
    Bogus,
}

/// A call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Create, with the usual options.
    Create,
    /// Mount.
    Mount,
    /// Unmount.
    Unmount,
    /// Remove.
    Remove,
}

/// One step: a call, a look into the volume, or something that happens to the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Create.
    Create {
        /// The volume.
        volume: u8,
        /// Its options.
        #[serde(default)]
        options: Options,
    },
    /// Get.
    Get {
        /// The volume.
        volume: u8,
    },
    /// List.
    List,
    /// Path.
    Path {
        /// The volume.
        volume: u8,
    },
    /// Mount.
    Mount {
        /// The volume.
        volume: u8,
        /// The mount ID.
        id: u8,
    },
    /// Unmount.
    Unmount {
        /// The volume.
        volume: u8,
        /// The mount ID.
        id: u8,
    },
    /// Remove.
    Remove {
        /// The volume.
        volume: u8,
    },
    /// The handshake once more, as an engine sends it that was started again.
    Activate,
    /// A file with random content is written through a mountpoint, where the volume is mounted.
    Write {
        /// The volume.
        volume: u8,
    },
    /// All that was written is read through all mountpoints, where the volume is mounted.
    Read {
        /// The volume.
        volume: u8,
    },
    /// The plugin is killed with `kill -9` and started again.
    Kill,
    /// The same in the middle of a call, which may have been carried out then or not.
    KillDuring {
        /// The call.
        call: Change,
        /// The volume.
        volume: u8,
        /// The mount ID of a Mount or an Unmount.
        #[serde(default)]
        id: u8,
        /// When: so many hundredths of the time that such a call usually takes after it was sent.
        percent: u8,
    },
    /// The plugin is stopped with SIGTERM and started again.
    Restart,
}

impl Step {
    /// The volume and the mount ID of the step, where it has them.
    const fn numbers(&mut self) -> (Option<&mut u8>, Option<&mut u8>) {
        match self {
            Self::Mount { volume, id }
            | Self::Unmount { volume, id }
            | Self::KillDuring {
                call: Change::Mount | Change::Unmount,
                volume,
                id,
                ..
            } => (Some(volume), Some(id)),
            Self::Create { volume, .. }
            | Self::Get { volume }
            | Self::Path { volume }
            | Self::Remove { volume }
            | Self::Write { volume }
            | Self::Read { volume }
            | Self::KillDuring { volume, .. } => (Some(volume), None),
            Self::List | Self::Activate | Self::Kill | Self::Restart => (None, None),
        }
    }

    /// The volume that the step is about, if it is about one.
    #[must_use]
    pub fn volume(mut self) -> Option<u8> {
        self.numbers().0.copied()
    }

    /// The mount ID of the step, if it has one.
    #[must_use]
    pub fn id(mut self) -> Option<u8> {
        self.numbers().1.copied()
    }

    /// The same step on another volume.
    #[must_use]
    pub fn on(mut self, number: u8) -> Self {
        if let (Some(volume), _) = self.numbers() {
            *volume = number;
        }
        self
    }

    /// The same step with another mount ID.
    #[must_use]
    pub fn with_id(mut self, number: u8) -> Self {
        if let (_, Some(id)) = self.numbers() {
            *id = number;
        }
        self
    }

    /// The call that is under way while the plugin is killed, as a step of its own.
    #[must_use]
    pub const fn interrupted(self) -> Option<Self> {
        let Self::KillDuring {
            call, volume, id, ..
        } = self
        else {
            return None;
        };
        Some(match call {
            Change::Create => Self::Create {
                volume,
                options: Options::Usual,
            },
            Change::Mount => Self::Mount { volume, id },
            Change::Unmount => Self::Unmount { volume, id },
            Change::Remove => Self::Remove { volume },
        })
    }

    /// Whether it is a call, and nothing but a call.
    #[must_use]
    pub const fn is_call(self) -> bool {
        !matches!(
            self,
            Self::Write { .. }
                | Self::Read { .. }
                | Self::Kill
                | Self::KillDuring { .. }
                | Self::Restart
        )
    }

    /// Whether it starts the plugin again.
    #[must_use]
    pub const fn is_restart(self) -> bool {
        matches!(self, Self::Kill | Self::KillDuring { .. } | Self::Restart)
    }
}

impl Sequence {
    /// How volume `number` is spelt.
    #[must_use]
    pub fn spelling(&self, number: u8) -> Spelling {
        self.names
            .get(usize::from(number))
            .copied()
            .unwrap_or_default()
    }
    /// Whether what it shows is not decided by its steps alone: where in a call a kill falls is luck.
    #[must_use]
    pub fn leaves_to_luck(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| step.interrupted().is_some())
    }
}
