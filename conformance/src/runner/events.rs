//! What the runner tells while it runs. Reporters only listen.

use crate::report::{CaseReport, Report};

/// Something that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run begins.
    Started {
        /// How many cases will be judged or skipped.
        cases: usize,
    },
    /// A case begins.
    CaseStarted {
        /// Its id.
        id: &'a str,
    },
    /// A case that takes a while is so far.
    CaseProgress {
        /// How far, in a few words.
        text: &'a str,
    },
    /// A case is over. Its verdict may still change when the whole run is known.
    CaseFinished(&'a CaseReport),
    /// Something happened between cases that the user should know.
    Notice(&'a str),
    /// The run is over.
    Finished(&'a Report),
}

/// Listens to a run.
pub trait Reporter {
    /// Takes note of an event.
    fn event(&mut self, event: &Event<'_>);
}

impl Reporter for () {
    fn event(&mut self, _: &Event<'_>) {}
}

impl Reporter for Vec<Box<dyn Reporter>> {
    fn event(&mut self, event: &Event<'_>) {
        for reporter in self {
            reporter.event(event);
        }
    }
}
