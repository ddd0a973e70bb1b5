//! What was called when, and answered when.

use crate::model::{Call, Name, Reply};

/// One call of a history. Times are nanoseconds since the history began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who made it; a client makes one call at a time.
    pub client: usize,
    /// What was called.
    pub call: Call,
    /// When it was about to be sent.
    pub begun: u64,
    /// When it was answered, and how; `None` where no answer came.
    pub answer: Option<(u64, Reply)>,
}

impl Operation {
    /// When it was over: never, where no answer came.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.answer.as_ref().map_or(u64::MAX, |(at, _)| *at)
    }

    /// Whether some of the time both were under way.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.begun <= other.ended() && other.begun <= self.ended()
    }

    /// Whether the plugin was asked to change something and said that it did not.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(&self.answer, Some((_, reply)) if reply.is_refusal())
    }

    /// Whether no state of the volumes depends on it: it only asks, or was refused. A history that is
    /// legal with such a call is legal without it.
    #[must_use]
    pub fn leaves_no_trace(&self) -> bool {
        let asks = matches!(
            self.call,
            Call::Activate | Call::Get(_) | Call::List | Call::Path(_)
        );
        asks || self.is_refused()
    }
}

/// What of a history is about the volume `name`.
#[must_use]
pub fn of_volume(history: &[Operation], name: &Name) -> Vec<Operation> {
    let about = |operation: &&Operation| match operation.call.volume() {
        Some(volume) => volume == name,
        None => operation.call == Call::List && operation.answer.is_some(),
    };
    let own = |operation: &Operation| {
        let mut own = operation.clone();
        if let Some((_, Reply::Volumes(volumes))) = &mut own.answer {
            volumes.retain(|volume| *volume.name == **name);
        }
        own
    };
    let mut operations: Vec<_> = history.iter().filter(about).map(own).collect();
    operations.sort_by_key(|operation| operation.begun);
    operations
}
