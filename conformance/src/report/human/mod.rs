//! The report for a person, at any width, with or without colour.
//!
//! Findings come first, grouped by what the plugin's users will suffer, each with the exchange, the
//! rule and its source, what Docker does next and commands to see it again. Then a line a section,
//! what was skipped and why, and one line that sums it up.

mod finding;
mod layout;

use std::collections::BTreeMap;

use super::style::{BAD, DIM, GOOD, HEAD, WARN, styled};
use super::{CaseReport, Report, Summary, Verdict};
use crate::catalogue;
use crate::suite::{Harm, Level};
use layout::{Page, count};

/// The report for `width` columns.
#[must_use]
pub fn human(report: &Report, width: usize) -> String {
    let mut page = Page::new(width);
    head(&mut page, report);
    findings(&mut page, report);
    sections(&mut page, report);
    skipped(&mut page, report);
    for line in &report.notices {
        page.labelled(&styled(WARN, "note"), 4, line);
    }
    for line in &report.left_behind {
        page.labelled(&styled(WARN, "left"), 4, line);
    }
    last_line(&mut page, report);
    page.finish()
}

fn head(page: &mut Page, report: &Report) {
    let target = &report.target;
    page.line(&styled(
        HEAD,
        format_args!("{} at {}", target.plugin, target.address),
    ));
    if let Some(command) = &target.command {
        page.labelled(&styled(DIM, "command"), 7, command);
    }
    let kept = match target.isolation {
        "overlay" => "in a mount namespace of its own, what it wrote was thrown away",
        "read-only" => "in a mount namespace of its own, with the host read-only",
        _ => "not isolated",
    };
    let hostile = if target.hostile {
        "hostile cases sent"
    } else {
        "no hostile cases"
    };
    page.labelled(
        &styled(DIM, "run"),
        3,
        &format!("{kept}; {hostile}; seed {}", report.seed),
    );
    page.blank();
}

/// All findings, worst harm first; what a finding explains is only named beneath it.
fn findings(page: &mut Page, report: &Report) {
    let mut groups: BTreeMap<Harm, Vec<&CaseReport>> = BTreeMap::new();
    let ids: Vec<&str> = report.findings().map(|case| case.id.as_str()).collect();
    let explained = |case: &CaseReport| {
        case.explained_by
            .as_deref()
            .is_some_and(|cause| cause != case.id && ids.contains(&cause))
    };
    for case in report.findings().filter(|case| !explained(case)) {
        groups.entry(case.harm).or_default().push(case);
    }
    if !groups.is_empty() {
        finding::socket_line(page, report);
    }
    for (harm, mut cases) in groups {
        cases.sort_by_key(|case| case.level);
        page.heading(harm.heading());
        for case in cases {
            let follow: Vec<&CaseReport> = report
                .cases
                .iter()
                .filter(|other| explains(report, &case.id, other) && other.id != case.id)
                .collect();
            finding::write(page, report, case, &follow);
        }
    }
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

fn sections(page: &mut Page, report: &Report) {
    page.heading("Sections");
    let title_width = catalogue::sections()
        .map(|section| section.title.len())
        .max()
        .unwrap_or(0);
    for section in catalogue::sections() {
        let cases: Vec<_> = report
            .cases
            .iter()
            .filter(|c| c.section == section.name)
            .collect();
        if cases.is_empty() {
            continue;
        }
        let of = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
        let counts = Summary {
            passed: of(Verdict::Passed),
            failed: of(Verdict::Failed),
            warned: of(Verdict::Warned),
            skipped: of(Verdict::Skipped),
        };
        let mark = match counts {
            Summary { failed: 1.., .. } => styled(BAD, "✗"),
            Summary { warned: 1.., .. } => styled(WARN, "!"),
            Summary { passed: 0, .. } => styled(DIM, "-"),
            _ => styled(GOOD, "✓"),
        };
        page.line(&format!(
            "{mark} {:title_width$}  {}",
            section.title,
            parts(counts)
        ));
    }
    page.blank();
}

/// What was skipped, a line a reason. What another finding explains has been named there.
fn skipped(page: &mut Page, report: &Report) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    let unexplained =
        |case: &&CaseReport| case.verdict == Verdict::Skipped && case.explained_by.is_none();
    for case in report.cases.iter().filter(unexplained) {
        let reason = case.reason.as_deref().unwrap_or_default();
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, ids)) => ids.push(&case.id),
            None => reasons.push((reason, vec![&case.id])),
        }
    }
    if reasons.is_empty() {
        return;
    }
    page.heading("Skipped");
    for (reason, ids) in reasons {
        page.paragraph(reason, 0);
        page.dim_paragraph(&ids.join(", "), 4);
    }
    page.blank();
}

fn last_line(page: &mut Page, report: &Report) {
    let took = std::time::Duration::from_millis(report.duration_ms);
    let level = |case: &&CaseReport, level| case.verdict == Verdict::Failed && case.level == level;
    let musts = report
        .findings()
        .filter(|case| level(case, Level::Must))
        .count();
    let verdict = match (report.interrupted, report.summary.failed, musts) {
        (true, ..) => styled(WARN, "interrupted"),
        (_, 0, _) if report.summary.passed == 0 => styled(WARN, "nothing was judged"),
        (_, 0, _) => styled(GOOD, "every MUST that was judged holds"),
        (_, failed, musts) if musts == failed => styled(
            BAD,
            format_args!("{} broken", count(musts, "MUST", "MUSTs")),
        ),
        (_, failed, musts) => styled(
            BAD,
            format_args!(
                "{} broken, of which {} MUST",
                count(failed, "rule", "rules"),
                musts
            ),
        ),
    };
    let seconds = took.as_secs_f32();
    page.line(&format!(
        "{} in {seconds:.1} s: {verdict}",
        parts(report.summary)
    ));
}

/// `87 passed, 3 failed`: what is zero is left out, but for the passes.
fn parts(counts: Summary) -> String {
    let Summary {
        passed,
        failed,
        warned,
        skipped,
    } = counts;
    let mut parts = vec![format!("{passed} passed")];
    if failed > 0 {
        parts.push(styled(BAD, format_args!("{failed} failed")));
    }
    if warned > 0 {
        parts.push(styled(WARN, format_args!("{warned} warned")));
    }
    if skipped > 0 {
        parts.push(styled(DIM, format_args!("{skipped} skipped")));
    }
    parts.join(", ")
}
