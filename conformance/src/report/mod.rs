//! What a run found, and the forms in which it is told: one file per format.

mod answers;
mod badge;
mod compare;
mod conclusion;
mod format;
mod github;
mod groups;
mod html;
mod human;
mod json;
mod junit;
mod markdown;
mod merge;
mod progress;
mod reproduce;
mod style;
mod tap;
mod text;

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use answers::{Answered, answers};
pub use badge::badge;
pub use compare::Matrix;
pub use format::Format;
pub use github::{annotations, inert, job_summary};
pub use html::html;
pub use human::human;
pub use json::{json, read};
pub use junit::junit;
pub use markdown::markdown;
pub(crate) use markdown::{code, prose};
pub use merge::merge;
pub use progress::Progress;
pub(crate) use reproduce::created_first;
pub use reproduce::{Reproduce, docker_lines, reproduce};
pub use tap::tap;

use jiff::civil::Date;

use crate::expected::{Expectation, ExpectedFailures, Outcome};
use crate::linear::Counterexample;
use crate::play::Proof;
use crate::protocol::Endpoint;
use crate::suite::ledger::Record;
use crate::suite::{Case, Exchange, Harm, Level};

/// The schema of the JSON report; adding fields does not change it.
pub const SCHEMA: &str = "volplug-conformance/report@1";

/// All that a run found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: Cow<'static, str>,
    /// What was judged, and under which conditions.
    pub target: TargetInfo,
    /// The seed that names and sequences came from.
    pub seed: u64,
    /// How long the run took.
    pub duration_ms: u64,
    /// How many cases ended how.
    pub summary: Summary,
    /// The cases, in the order of the catalogue.
    pub cases: Vec<CaseReport>,
    /// What could not be taken back from the plugin, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_behind: Vec<String>,
    /// What happened between cases, a line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// Whether the user ended the run early.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// What was judged, and under which conditions.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TargetInfo {
    /// Where the plugin listens.
    pub address: String,
    /// The name by which Docker would know it.
    pub plugin: String,
    /// What it says it implements.
    pub implements: Vec<String>,
    /// How the runner started it, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The file that options were read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// Which part of a run it is, such as `2/4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The Docker engine whose commands were played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// What keeps the host safe from it: `overlay`, `read-only` or `none`.
    pub isolation: Cow<'static, str>,
    /// Whether hostile names and values were sent.
    pub hostile: bool,
    /// How long one call could take, in seconds.
    pub timeout_s: f32,
    /// How many volumes the plugin had before the run.
    pub volumes_before: usize,
}

/// How many cases ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The rule holds.
    pub passed: usize,
    /// A MUST is broken.
    pub failed: usize,
    /// A SHOULD is broken.
    pub warned: usize,
    /// Nothing was said.
    pub skipped: usize,
    /// How many of the broken rules were expected to be broken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub expected: usize,
    /// How many rules hold that were expected to be broken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unexpected_passes: usize,
}

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The rule holds.
    Passed,
    /// A MUST is broken.
    Failed,
    /// A SHOULD is broken.
    Warned,
    /// Nothing was said, and the reason tells why.
    Skipped,
}

impl Verdict {
    /// Whether the plugin is accused of something.
    #[must_use]
    pub const fn is_finding(self) -> bool {
        matches!(self, Self::Failed | Self::Warned)
    }

    /// As the JSON report has it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Warned => "warned",
            Self::Skipped => "skipped",
        }
    }
}

/// One case of a report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseReport {
    /// The stable slug.
    pub id: String,
    /// Its first half.
    pub section: String,
    /// The rule.
    pub title: String,
    /// How binding the rule is; for a finding, the part of it that is broken.
    pub level: Level,
    /// How the case ended.
    pub verdict: Verdict,
    /// Why it did not pass, in one line; empty for a pass.
    pub reason: Option<String>,
    /// What should have happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// What Docker does with a plugin that breaks the rule.
    pub why: String,
    /// What the user suffers.
    pub harm: Harm,
    /// Where the rule comes from.
    pub source: Vec<String>,
    /// The case whose finding explains this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained_by: Option<String>,
    /// Cases that may explain this one, before the whole run is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspects: Vec<String>,
    /// The call that did not work on the way to the rule, where the rule itself was not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stumbled_over: Option<Endpoint>,
    /// What the file of expected failures says about the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
    /// Remarks that change no verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// How long the case took.
    pub duration_ms: u64,
    /// How to see it again.
    pub reproduce: Reproduce,
    /// The shortest sequence that random play found, and how it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Proof>,
    /// The calls, made at the same time, whose answers contradict each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Counterexample>,
    /// What was sent and what came back.
    pub transcript: Vec<Exchange>,
    /// How many exchanges were left out in the middle of the transcript.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub transcript_left_out: usize,
    /// What the case did after the last exchange.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub afterwards: Vec<String>,
}

impl Summary {
    /// Counts.
    #[must_use]
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a CaseReport>) -> Self {
        let mut summary = Self::default();
        for case in cases {
            summary.add(case.verdict);
            match case.expectation.as_ref().map(|known| known.outcome) {
                Some(Outcome::FailsAsExpected) => summary.expected += 1,
                Some(Outcome::PassesUnexpectedly) => summary.unexpected_passes += 1,
                _ => {}
            }
        }
        summary
    }

    /// Counts one case more.
    pub const fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::Warned => self.warned += 1,
            Verdict::Skipped => self.skipped += 1,
        }
    }
}

impl Report {
    /// Puts a report together and counts.
    #[must_use]
    pub fn new(target: TargetInfo, seed: u64, cases: Vec<CaseReport>) -> Self {
        let summary = Summary::of(&cases);
        Self {
            schema: SCHEMA.into(),
            target,
            seed,
            duration_ms: 0,
            summary,
            cases,
            left_behind: Vec::new(),
            notices: Vec::new(),
            interrupted: false,
        }
    }

    /// Notes how long the run took.
    pub fn set_duration(&mut self, took: Duration) {
        self.duration_ms = millis(took);
    }

    /// Compares the verdicts with what was expected, as of `today`.
    pub fn expect(&mut self, known: &ExpectedFailures, today: Date) {
        for case in &mut self.cases {
            case.expectation = known.of(case, today);
        }
        self.summary = Summary::of(&self.cases);
    }

    /// The cases for which the run fails: broken MUSTs that were not expected, and rules that hold
    /// and were expected to be broken.
    pub fn failures(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases.iter().filter(|case| case.fails_run())
    }

    /// The cases that accuse the plugin, and that nobody expected to.
    pub fn news(&self) -> impl Iterator<Item = &CaseReport> {
        self.findings().filter(|case| !case.is_expected())
    }

    /// The cases that accuse the plugin.
    pub fn findings(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases.iter().filter(|case| case.verdict.is_finding())
    }

    /// What was expected to be broken, each kind that there is below its heading. What holds now
    /// comes first, since the run fails for it.
    pub(crate) fn expected(&self) -> Vec<(&'static str, Vec<&CaseReport>)> {
        let holding = |case: &&CaseReport| case.passes_unexpectedly();
        let broken = |case: &&CaseReport| case.is_expected();
        let mut kinds = vec![
            (
                "Expected failures that hold now",
                self.cases.iter().filter(holding).collect(),
            ),
            (
                "Expected failures",
                self.findings().filter(broken).collect::<Vec<_>>(),
            ),
        ];
        kinds.retain(|(_, cases)| !cases.is_empty());
        kinds
    }
}

impl CaseReport {
    /// Whether it is broken, and was expected to be.
    #[must_use]
    pub fn is_expected(&self) -> bool {
        self.outcome() == Some(Outcome::FailsAsExpected)
    }

    /// Whether it holds, and was expected to be broken.
    #[must_use]
    pub fn passes_unexpectedly(&self) -> bool {
        self.outcome() == Some(Outcome::PassesUnexpectedly)
    }

    /// Whether the run fails for it.
    #[must_use]
    pub fn fails_run(&self) -> bool {
        match self.outcome() {
            Some(Outcome::FailsAsExpected) => false,
            Some(Outcome::PassesUnexpectedly) => true,
            _ => self.verdict == Verdict::Failed,
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        self.expectation.as_ref().map(|known| known.outcome)
    }

    /// A report of a case of which nothing is known yet: skipped.
    #[must_use]
    pub fn new(case: &Case, took: Duration, record: &Record) -> Self {
        Self {
            id: case.id.to_owned(),
            section: case.section().to_owned(),
            title: case.title.to_owned(),
            level: case.level,
            verdict: Verdict::Skipped,
            reason: None,
            expected: None,
            actual: None,
            why: case.why.to_owned(),
            harm: case.harm,
            source: case
                .sources
                .iter()
                .map(|&source| source.to_owned())
                .collect(),
            explained_by: None,
            suspects: Vec::new(),
            stumbled_over: None,
            expectation: None,
            notes: record.notes.clone(),
            duration_ms: millis(took),
            sequence: None,
            history: None,
            reproduce: Reproduce::default(),
            transcript: record.exchanges.clone(),
            transcript_left_out: record.left_out,
            afterwards: record.steps.clone(),
        }
    }
}

pub(crate) fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The word in front of an error message, in colour where there is colour.
#[must_use]
pub fn error_label() -> String {
    style::styled(style::BAD, "error:")
}

/// The mark of something that is not as it should be, in colour where there is colour.
pub(crate) fn cross() -> String {
    style::styled(style::BAD, "✗")
}
