//! From how cases ended to verdicts, once the whole run is known.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::catalogue;
use crate::protocol::Endpoint;
use crate::report::{CaseReport, Verdict, docker_lines, reproduce};
use crate::suite::ledger::Record;
use crate::suite::{Case, Finding, Halt, Level};
use crate::target::Target;

/// How a case ended, with its record.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) ended: Result<(), Halt>,
    pub(super) record: Record,
    pub(super) took: Duration,
}

impl Raw {
    /// A case that did not run.
    pub(super) fn skipped(reason: String) -> Self {
        Self {
            ended: Err(Halt::Skip(reason)),
            record: Record::default(),
            took: Duration::ZERO,
        }
    }

    /// Whether the case accuses the plugin.
    pub(super) const fn is_finding(&self) -> bool {
        matches!(self.ended, Err(Halt::Finding(_) | Halt::Setup(..)))
    }

    /// The report as far as it is known while the run goes on.
    pub(super) fn preview(&self, case: &Case, strict: bool, target: &Target) -> CaseReport {
        report(case, &self.ended, &self.record, self.took, strict, target)
    }
}

/// Makes the reports: a step that failed because its call is broken is no finding of its own, and
/// a finding that another one explains says so.
pub(super) fn settle(
    cases: &[&'static Case],
    raw: BTreeMap<usize, Raw>,
    strict: bool,
    target: &Target,
) -> Vec<CaseReport> {
    let ended = cases.iter().zip(raw.into_values());
    let mut reports: Vec<CaseReport> = ended
        .map(|(case, raw)| raw.preview(case, strict, target))
        .collect();
    explain(&mut reports);
    reports
}

/// Finds out which findings explain others, and takes back those that only stumbled over a call
/// which has a finding of its own.
pub(crate) fn explain(reports: &mut [CaseReport]) {
    let setups: Vec<(usize, Endpoint)> = reports
        .iter()
        .enumerate()
        .filter_map(|(at, report)| Some((at, report.stumbled_over?)))
        .collect();
    let broken: BTreeMap<String, String> = reports
        .iter()
        .filter(|report| report.verdict.is_finding() && report.stumbled_over.is_none())
        .map(|report| (report.id.clone(), report.title.clone()))
        .collect();
    let blamed: BTreeMap<String, Vec<String>> = reports
        .iter()
        .filter(|report| broken.contains_key(&report.id))
        .map(|report| (report.id.clone(), report.suspects.clone()))
        .collect();
    for (at, endpoint) in setups {
        let Some(report) = reports.get_mut(at) else {
            continue;
        };
        // A step may know a better reason than that its call does not work.
        let suspects = report.suspects.iter().map(String::as_str);
        // A call that is not answered at all has a case of its own.
        let silent = report
            .transcript
            .last()
            .is_some_and(|last| last.response.is_none());
        let unanswered = ["err.answers", "err.survive"]
            .into_iter()
            .filter(|_| silent);
        let mut bases = suspects.chain([endpoint.base_case()]).chain(unanswered);
        // Of two that suspect each other, this one is about less.
        let cause = bases
            .find(|base| {
                let suspects = blamed.get(*base);
                suspects.is_some_and(|suspects| !suspects.contains(&report.id))
            })
            .map(str::to_owned);
        if let Some(base) = cause.filter(|base| report.id != **base) {
            report.verdict = Verdict::Skipped;
            report.reason = Some(format!(
                "not judged: it needs {endpoint}, which does not work ({base})"
            ));
            report.explained_by = Some(base);
        }
    }
    let findings: Vec<String> = reports
        .iter()
        .filter(|r| r.verdict.is_finding())
        .map(|r| r.id.clone())
        .collect();
    let causes: BTreeMap<String, Option<String>> = reports
        .iter()
        .map(|report| (report.id.clone(), cause_of(report)))
        .collect();
    for report in reports.iter_mut() {
        if report.verdict.is_finding() {
            // What a case suspected counts only if it was found.
            let mut suspects = report.suspects.iter();
            report.explained_by = suspects
                .find(|id| **id != report.id && findings.contains(id))
                .cloned();
        }
        if report.verdict.is_finding() && report.explained_by.is_none() {
            let follows = catalogue::find(&report.id).map_or(&[][..], |case| case.follows);
            let cause = follows
                .iter()
                .find(|id| findings.iter().any(|found| found == *id));
            report.explained_by = cause
                .map(|id| (*id).to_owned())
                .or_else(|| broken_call(report, &causes, &findings));
        }
    }
    break_circles(reports);
}

/// Rules on how calls are taken and answered: where one of them is broken, calls fail all over.
const ABOUT_ALL_CALLS: [&str; 12] = [
    "http.no-content-type",
    "http.accept",
    "http.host",
    "http.no-redirect",
    "http.keep-alive",
    "http.parallel-connections",
    "enc.object",
    "enc.exactly-200",
    "enc.err-type",
    "enc.clean-json",
    "enc.created-at",
    "enc.status",
];

/// Sections whose cases judge what calls do. The others judge how they are made and answered, and
/// explain rather than are explained.
const ABOUT_CALLS: [&str; 13] = [
    "create", "get", "list", "path", "mount", "unmount", "remove", "ref", "conc", "restart", "sec",
    "secret", "sequence",
];

/// What stands behind a finding, or behind a case that could not be judged: itself, or its cause.
fn cause_of(report: &CaseReport) -> Option<String> {
    match report.verdict {
        Verdict::Failed | Verdict::Warned => Some(report.id.clone()),
        Verdict::Skipped => report.explained_by.clone(),
        Verdict::Passed => None,
    }
}

/// The case that explains a finding which came to light in a call that no call of its kind survives,
/// or that does not even work in its plainest form.
fn broken_call(
    report: &CaseReport,
    causes: &BTreeMap<String, Option<String>>,
    findings: &[String],
) -> Option<String> {
    let last = report.transcript.last()?;
    let endpoint = Endpoint::from_path(&last.request.path)?;
    let null = (endpoint == Endpoint::Create).then_some("enc.opts-null");
    let mut rules = null.into_iter().chain(ABOUT_ALL_CALLS);
    // A plugin that dies takes all calls with it that are under way.
    let died = findings.iter().any(|found| found == "err.survive");
    if died && last.response.is_none() && report.id != "err.survive" {
        return Some("err.survive".to_owned());
    }
    if last.failed && !rules.clone().any(|id| id == report.id) {
        let found = rules.find(|id| findings.iter().any(|found| found == id));
        if let Some(id) = found {
            return Some(id.to_owned());
        }
    }
    if !ABOUT_CALLS.contains(&report.section.as_str()) {
        return None;
    }
    let base = endpoint.base_case();
    let cause = causes.get(base)?.clone()?;
    (base != report.id && cause != report.id).then_some(cause)
}

/// Findings that explain each other in a circle explain nothing: the first of them stands.
fn break_circles(reports: &mut [CaseReport]) {
    let mut order: Vec<usize> = (0..reports.len()).collect();
    order.sort_by_key(|at| {
        reports
            .get(*at)
            .map(|report| catalogue::rank_as_cause(&report.id))
    });
    for at in order {
        let by = |id: &str, reports: &[CaseReport]| {
            let found = reports.iter().find(|report| report.id == id)?;
            found.explained_by.clone()
        };
        let Some(start) = reports.get(at).map(|report| report.id.clone()) else {
            continue;
        };
        let mut next = by(&start, reports);
        for _ in 0..reports.len() {
            match next {
                Some(id) if id == start => {
                    if let Some(report) = reports.get_mut(at) {
                        report.explained_by = None;
                    }
                    break;
                }
                Some(id) => next = by(&id, reports),
                None => break,
            }
        }
    }
}

fn report(
    case: &Case,
    ended: &Result<(), Halt>,
    record: &Record,
    took: Duration,
    strict: bool,
    target: &Target,
) -> CaseReport {
    let mut report = CaseReport::new(case, took, record);
    report.reproduce = reproduce(case, record, target);
    match ended {
        Ok(()) => report.verdict = Verdict::Passed,
        Err(Halt::Skip(reason)) => report.reason = Some(reason.clone()),
        Err(Halt::Harness(why)) => report.reason = Some(format!("the run itself failed: {why}")),
        Err(halt @ (Halt::Finding(finding) | Halt::Setup(_, finding))) => {
            if let Halt::Setup(endpoint, _) = halt {
                report.stumbled_over = Some(*endpoint);
            }
            accuse(&mut report, finding, strict);
            if !finding.docker.is_empty() {
                report.reproduce.docker = docker_lines(&finding.docker, target);
            }
            report.sequence = finding.proof.as_deref().cloned();
            report.history = finding.history.as_deref().cloned();
        }
    }
    report
}

fn accuse(report: &mut CaseReport, finding: &Finding, strict: bool) {
    // A case may find that only a lesser part of its rule is broken; never a greater one.
    let level = finding
        .level
        .map_or(report.level, |level| level.max(report.level));
    report.level = level;
    report.verdict = match level {
        Level::Must => Verdict::Failed,
        Level::Should if strict => Verdict::Failed,
        Level::Should => Verdict::Warned,
        Level::May => Verdict::Skipped,
    };
    report.expected = Some(finding.expected.clone());
    report.actual = Some(finding.actual.clone());
    report.reason = Some(match level {
        Level::May => format!("optional, and not offered: {}", finding.actual),
        _ => format!(
            "expected that {}; got: {}",
            finding.expected, finding.actual
        ),
    });
    if let Some(consequence) = &finding.consequence {
        report.why.clone_from(consequence);
    }
    if let Some(harm) = finding.harm {
        report.harm = harm;
    }
    report.suspects.clone_from(&finding.explained_by);
}
