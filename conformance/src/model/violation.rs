//! The invariants, and how one is told to be broken.

use std::fmt;

use crate::suite::Level;

/// What holds in every state of a volume plugin, whatever was called before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// No call that should work is refused.
    CallsWork,
    /// A hold lasts until its own Unmount.
    HoldsKept,
    /// An Unmount takes no hold but one of its own ID.
    HoldsOwn,
    /// An Unmount too many is forgotten: counts do not go below zero.
    HoldsFloor,
    /// A volume that nobody holds is released.
    Released,
    /// Data stay as long as the volume does, for every holder.
    DataKept,
    /// No volume shows the data of another.
    DataApart,
    /// Get, List and Path agree with each other and with what was done.
    Agree,
    /// A call on one volume changes no other, and nothing outside.
    Outside,
    /// Every call is answered in a form that dockerd can read.
    WellFormed,
    /// What was acknowledged survives `kill -9` and restarts.
    Durable,
    /// What the plugin does once, where it may choose, it does again.
    Steady,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::CallsWork,
        Self::HoldsKept,
        Self::HoldsOwn,
        Self::HoldsFloor,
        Self::Released,
        Self::DataKept,
        Self::DataApart,
        Self::Agree,
        Self::Outside,
        Self::WellFormed,
        Self::Durable,
        Self::Steady,
    ];

    /// The id of its case.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::CallsWork => "prop.calls-work",
            Self::HoldsKept => "prop.holds-kept",
            Self::HoldsOwn => "prop.holds-own",
            Self::HoldsFloor => "prop.holds-floor",
            Self::Released => "prop.released",
            Self::DataKept => "prop.data-kept",
            Self::DataApart => "prop.data-apart",
            Self::Agree => "prop.agree",
            Self::Outside => "prop.outside",
            Self::WellFormed => "prop.well-formed",
            Self::Durable => "prop.durable",
            Self::Steady => "prop.steady",
        }
    }

    /// The invariant of this id.
    #[must_use]
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|invariant| invariant.id() == id)
    }

    /// Whether a finding of `self` may turn out, once shortened, to be one of `other`: the kill or
    /// the stray Unmount in it was not needed after all.
    #[must_use]
    pub const fn may_become(self, other: Self) -> bool {
        match self {
            Self::Durable => true,
            Self::HoldsOwn | Self::HoldsFloor | Self::Outside => {
                matches!(other, Self::HoldsKept | Self::HoldsOwn)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A reply, or a sight, that no plugin may give in the state it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What is broken.
    pub invariant: Invariant,
    /// What should have happened: fits behind "expected that".
    pub expected: String,
    /// What happened: fits behind "got".
    pub actual: String,
    /// The level, where it is lower than the invariant's own.
    pub level: Option<Level>,
    /// Cases one of whose findings would explain this one.
    pub suspects: Vec<&'static str>,
}

impl Violation {
    /// A violation.
    #[must_use]
    pub fn new(
        invariant: Invariant,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        Self {
            invariant,
            expected: expected.into(),
            actual: actual.into(),
            level: None,
            suspects: Vec::new(),
        }
    }

    /// The same at a lower level.
    #[must_use]
    pub const fn at(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// The same, explained by a finding of `case`.
    #[must_use]
    pub fn because(mut self, case: &'static str) -> Self {
        self.suspects.push(case);
        self
    }
}
