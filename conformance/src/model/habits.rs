//! What Docker's documentation leaves to the plugin, and the plugin has decided.

use super::{Invariant, Reply, Violation};
use crate::suite::Level;

/// A question that Docker's documentation leaves open: a plugin may answer with success or with an
/// error, and keeps to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// Create of a volume that is there, with the options that it has. dockerd never sends it;
    /// other engines do.
    CreateAgain,
    /// Create of a volume that is there, with other options.
    CreateOther,
    /// Unmount with an ID that does not hold the volume, which others hold.
    UnmountStranger,
    /// Unmount of a volume that nobody holds.
    UnmountUnheld,
    /// Unmount of a volume that there is not.
    UnmountUnknown,
    /// Remove of a volume that is held. dockerd guards it itself, most of the time.
    RemoveHeld,
    /// Remove of a volume that there is not.
    RemoveUnknown,
}

impl Question {
    const ALL: [Self; 7] = [
        Self::CreateAgain,
        Self::CreateOther,
        Self::UnmountStranger,
        Self::UnmountUnheld,
        Self::UnmountUnknown,
        Self::RemoveHeld,
        Self::RemoveUnknown,
    ];

    /// What the call is, for a sentence.
    const fn about(self) -> &'static str {
        match self {
            Self::CreateAgain => "a second Create with the same options",
            Self::CreateOther => "a second Create with other options",
            Self::UnmountStranger => "Unmount with an ID that does not hold the volume",
            Self::UnmountUnheld => "Unmount of a volume that nobody holds",
            Self::UnmountUnknown => "Unmount of a volume that does not exist",
            Self::RemoveHeld => "Remove of a volume that is held",
            Self::RemoveUnknown => "Remove of a volume that does not exist",
        }
    }
}

/// What is known of a plugin's decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Habits {
    /// For each question whether the call is refused, once that is known.
    refuses: [Option<bool>; Question::ALL.len()],
    /// Whether the plugin is known not to keep to its decisions.
    unsteady: bool,
}

impl Habits {
    /// Whether the plugin refuses what `question` is about, if that is known.
    #[must_use]
    pub fn refuses(&self, question: Question) -> Option<bool> {
        self.refuses.get(question as usize).copied().flatten()
    }

    /// What is known by both.
    #[must_use]
    pub fn agreed(mut self, other: Self) -> Self {
        for (known, others) in self.refuses.iter_mut().zip(other.refuses) {
            *known = known.filter(|_| *known == others);
        }
        self.unsteady |= other.unsteady;
        self
    }

    /// The same of a plugin that does not keep to them: that is known, and other things may be found.
    #[must_use]
    pub const fn unsteady(mut self) -> Self {
        self.unsteady = true;
        self
    }

    /// Learns from a reply, or finds that it is not what was learnt.
    ///
    /// # Errors
    /// A violation of [`Invariant::Steady`].
    pub(super) fn learn(&mut self, question: Question, reply: &Reply) -> Result<(), Violation> {
        let refused = reply.is_refusal();
        match self.refuses.get_mut(question as usize) {
            Some(known @ None) => *known = Some(refused),
            Some(Some(before)) if *before != refused && !self.unsteady => {
                let word = |refused| if refused { "refused" } else { "accepted" };
                return Err(Violation::new(
                    Invariant::Steady,
                    format!("{} is {}, as before", question.about(), word(*before)),
                    format!("it was {}", word(refused)),
                )
                .at(Level::Should));
            }
            _ => {}
        }
        Ok(())
    }
}
