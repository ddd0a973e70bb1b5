//! Every exit status of the runner, in one place. Scripts rely on them.

use std::process::ExitCode;

use crate::report::Report;

/// How a run ended, as its exit status tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Every applicable MUST holds.
    Ok = 0,
    /// At least one MUST is broken (with `--strict`, or a SHOULD).
    Violation = 1,
    /// The run could not be made: usage, plugin not reachable, not a volume plugin.
    Unable = 2,
    /// The user ended the run with Ctrl-C; what it had made was removed.
    Interrupted = 130,
}

impl Exit {
    /// How a run ends that has made this report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        if report.interrupted {
            Self::Interrupted
        } else if report.failures().next().is_some() {
            Self::Violation
        } else {
            Self::Ok
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
