//! Runs a plan against a target and makes the report.
//!
//! Shared cases run side by side until the first call goes unanswered: from then on everything
//! runs alone, and what was under way is run again, so that a hang is put down to the case that
//! causes it. What a case made is taken back as soon as it is over, whatever became of it.

mod cleanup;
mod events;
mod partition;
mod plan;
mod recovery;
mod schedule;
mod storage;
mod verdicts;

pub(crate) use cleanup::take_back;
pub use events::{Event, Reporter};
pub use partition::Partition;
pub(crate) use plan::nearest;
pub use plan::{Plan, PlanError, Selection};
pub(crate) use recovery::recover;
pub use recovery::{Preflight, check_peer, preflight};
pub use schedule::{Interrupt, RunOptions, run};
pub use storage::check_storage;
pub(crate) use verdicts::explain;
