//! The report for a person, at any width, with or without colour.
//!
//! Findings come first, grouped by what the plugin's users will suffer, each with the exchange, the
//! rule and its source, what Docker does next and commands to see it again. Then a line a section,
//! what was skipped and why, and one line that sums it up.

mod finding;
mod layout;

use super::conclusion::{Tone, conclusion};
use super::groups::{self, Group};
use super::style::{BAD, DIM, GOOD, HEAD, WARN, styled};
use super::text::printable;
use super::{CaseReport, Report, Summary};
use crate::catalogue;
use crate::expected::Expectation;
use layout::Page;

/// The report for `width` columns.
#[must_use]
pub fn human(report: &Report, width: usize) -> String {
    let mut page = Page::new(width);
    head(&mut page, report);
    findings(&mut page, report);
    known(&mut page, report);
    sections(&mut page, report);
    skipped(&mut page, report);
    for line in &report.notices {
        page.labelled(&styled(WARN, "note"), 4, &printable(line));
    }
    for line in &report.left_behind {
        page.labelled(&styled(WARN, "left"), 4, &printable(line));
    }
    last_line(&mut page, report);
    page.finish()
}

fn head(page: &mut Page, report: &Report) {
    let target = &report.target;
    page.line(&styled(
        HEAD,
        printable(&format!("{} at {}", target.plugin, target.address)),
    ));
    if let Some(command) = &target.command {
        page.labelled(&styled(DIM, "command"), 7, &printable(command));
    }
    if let Some(settings) = &target.settings {
        page.labelled(&styled(DIM, "settings"), 8, settings);
    }
    let kept = match &*target.isolation {
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
    let groups = groups::groups(report);
    if !groups.is_empty() {
        finding::socket_line(page, report);
    }
    for (harm, group) in groups {
        page.heading(harm.heading());
        for Group { case, follow } in group {
            finding::write(page, report, case, &follow);
        }
    }
}

/// What was expected to be broken.
fn known(page: &mut Page, report: &Report) {
    for (heading, cases) in report.expected() {
        page.heading(heading);
        for case in cases {
            let mark = if case.is_expected() {
                styled(DIM, "~")
            } else {
                styled(BAD, "✗")
            };
            expectation(page, &mark, case);
        }
    }
}

fn expectation(page: &mut Page, mark: &str, case: &CaseReport) {
    let told = case.expectation.as_ref().map(Expectation::told);
    page.line(&format!("{mark} {}", styled(HEAD, &case.id)));
    page.paragraph(&printable(&told.unwrap_or_default()), 4);
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
        let counts = Summary::of(cases);
        let mark = match counts {
            Summary {
                unexpected_passes: 1..,
                ..
            } => styled(BAD, "✗"),
            Summary {
                failed,
                warned,
                expected: 1..,
                ..
            } if failed + warned == counts.expected => styled(DIM, "~"),
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
    let reasons = groups::skipped(report);
    if reasons.is_empty() {
        return;
    }
    page.heading("Skipped");
    for (reason, ids) in reasons {
        page.paragraph(&printable(reason), 0);
        page.dim_paragraph(&ids.join(", "), 4);
    }
    page.blank();
}

fn last_line(page: &mut Page, report: &Report) {
    let took = std::time::Duration::from_millis(report.duration_ms);
    let (tone, text) = conclusion(report);
    let verdict = match tone {
        Tone::Good => styled(GOOD, text),
        Tone::Unsure => styled(WARN, text),
        Tone::Bad => styled(BAD, text),
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
        expected,
        ..
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
    let known = if expected > 0 {
        styled(DIM, format_args!(" ({expected} expected)"))
    } else {
        String::new()
    };
    parts.join(", ") + &known
}
