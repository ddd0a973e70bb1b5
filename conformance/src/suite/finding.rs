//! How a case ends when it does not simply pass.

use super::{Answer, Harm, Level};
use crate::linear::Counterexample;
use crate::play::Proof;
use crate::protocol::Endpoint;

/// What a case function returns: `Ok` is a pass.
pub type CaseResult<T = ()> = Result<T, Halt>;

/// A broken rule, as seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What should have happened: fits behind "expected".
    pub expected: String,
    /// What happened: fits behind "got".
    pub actual: String,
    /// What Docker would have done next, where it differs from the case's own `why`.
    pub consequence: Option<String>,
    /// The level of the part of the rule that is broken, where it is lower than the case's.
    pub level: Option<Level>,
    /// What the user suffers, where it differs from the case's own.
    pub harm: Option<Harm>,
    /// Cases one of whose findings may explain this one, where the case itself knows them: the first
    /// that has a finding does.
    pub explained_by: Vec<String>,
    /// The docker commands that lead here, where they are not the case's own; `{plugin}` is
    /// replaced.
    pub docker: Vec<String>,
    /// The sequence that shows it, where it was found by random play.
    pub proof: Option<Box<Proof>>,
    /// The calls that show it, where they were made at the same time.
    pub history: Option<Box<Counterexample>>,
}

impl Finding {
    /// A finding with the case's own consequence, level and harm.
    #[must_use]
    pub fn new(expected: impl Into<String>, actual: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            actual: actual.into(),
            consequence: None,
            level: None,
            harm: None,
            explained_by: Vec::new(),
            docker: Vec::new(),
            proof: None,
            history: None,
        }
    }

    /// The same finding with a consequence of its own.
    #[must_use]
    pub fn then(mut self, consequence: impl Into<String>) -> Self {
        self.consequence = Some(consequence.into());
        self
    }

    /// The same finding at a lower level.
    #[must_use]
    pub const fn at(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// The same finding, explained by that of another case.
    #[must_use]
    pub fn because(self, case: impl Into<String>) -> Self {
        self.because_any([case.into()])
    }

    /// The same finding, explained by the first of these cases that has one.
    #[must_use]
    pub fn because_any(mut self, cases: impl IntoIterator<Item = String>) -> Self {
        self.explained_by.extend(cases);
        self
    }

    /// The same finding, with docker commands of its own.
    #[must_use]
    pub fn with_docker(mut self, lines: Vec<String>) -> Self {
        self.docker = lines;
        self
    }

    /// The same finding, with the sequence that shows it.
    #[must_use]
    pub fn proven_by(mut self, proof: Proof) -> Self {
        self.proof = Some(Box::new(proof));
        self
    }

    /// The same finding, with the calls that show it, which were made at the same time.
    #[must_use]
    pub fn drawn(mut self, history: Counterexample) -> Self {
        self.history = Some(Box::new(history));
        self
    }

    /// The same finding with a harm of its own.
    #[must_use]
    pub const fn harming(mut self, harm: Harm) -> Self {
        self.harm = Some(harm);
        self
    }
}

/// Why a case ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Halt {
    /// The rule is broken.
    Finding(Box<Finding>),
    /// A step that only leads to the rule did not work. Skipped if the call's own case failed,
    /// else a finding.
    Setup(Endpoint, Box<Finding>),
    /// Nothing can be said, and why.
    Skip(String),
    /// The run itself cannot go on: a command of the user's failed, a file cannot be written.
    Harness(String),
}

impl From<Finding> for Halt {
    fn from(finding: Finding) -> Self {
        Self::Finding(Box::new(finding))
    }
}

impl Halt {
    /// Ends a case without a verdict.
    #[must_use]
    pub fn skip(reason: impl Into<String>) -> Self {
        Self::Skip(reason.into())
    }

    /// A step to the rule that did not work.
    pub(super) fn setup(answer: &Answer, expected: &str) -> Self {
        Self::Setup(answer.endpoint(), Box::new(answer.finding(expected)))
    }
}

/// Ends the case with a finding unless `holds`.
///
/// # Errors
/// The finding.
pub fn ensure(holds: bool, finding: impl FnOnce() -> Finding) -> CaseResult {
    if holds { Ok(()) } else { Err(finding().into()) }
}
