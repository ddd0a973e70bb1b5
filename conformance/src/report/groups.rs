//! Findings in the order in which they are told: grouped by what users suffer, worst first, and
//! what another finding explains beneath that one.

use std::collections::BTreeMap;

use super::{CaseReport, Report};
use crate::suite::Harm;

/// A finding that stands for itself, and what it explains.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) case: &'a CaseReport,
    pub(super) follow: Vec<&'a CaseReport>,
}

/// All findings that nobody expected.
pub(super) fn groups(report: &Report) -> BTreeMap<Harm, Vec<Group<'_>>> {
    // What an expected failure explains is news all the same.
    let ids: Vec<&str> = report.news().map(|case| case.id.as_str()).collect();
    let explained = |case: &CaseReport| {
        case.explained_by
            .as_deref()
            .is_some_and(|cause| cause != case.id && ids.contains(&cause))
    };
    let mut groups: BTreeMap<Harm, Vec<Group<'_>>> = BTreeMap::new();
    for case in report.news().filter(|case| !explained(case)) {
        let follow = report
            .cases
            .iter()
            .filter(|other| other.id != case.id && !other.is_expected())
            .filter(|other| explains(report, &case.id, other))
            .collect();
        groups
            .entry(case.harm)
            .or_default()
            .push(Group { case, follow });
    }
    for group in groups.values_mut() {
        group.sort_by_key(|group| group.case.level);
    }
    groups
}

/// Whether `cause` explains `case`, directly or through others.
fn explains(report: &Report, cause: &str, case: &CaseReport) -> bool {
    let mut at = case;
    // Longer chains than there are cases would be circles.
    for _ in 0..report.cases.len() {
        let Some(by) = &at.explained_by else {
            return false;
        };
        if by == cause {
            return true;
        }
        let Some(next) = report.cases.iter().find(|other| other.id == *by) else {
            return false;
        };
        at = next;
    }
    false
}

/// The reasons for which cases were skipped, each with the cases, in the order of the catalogue. What
/// a finding explains is not among them.
pub(super) fn skipped(report: &Report) -> Vec<(&str, Vec<&str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    let unexplained =
        |case: &&CaseReport| case.verdict == super::Verdict::Skipped && case.explained_by.is_none();
    for case in report.cases.iter().filter(unexplained) {
        let reason = case.reason.as_deref().unwrap_or_default();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, ids)) => ids.push(&case.id),
            None => reasons.push((reason, vec![&case.id])),
        }
    }
    reasons
}
