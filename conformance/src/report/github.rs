//! The report for GitHub Actions: annotations, which are commands in what a step prints, and the
//! job's summary.

use super::conclusion::conclusion;
use super::text::printable;
use super::{CaseReport, Report, Verdict};
use crate::expected::Expectation;

/// A line for each annotation: an error for what the run fails for, a warning for a broken SHOULD, a
/// notice for what was expected. GitHub shows the first ten of each in a step; the summary has all.
#[must_use]
pub fn annotations(report: &Report) -> String {
    let mut lines = String::new();
    let of = |wanted: fn(&CaseReport) -> bool| report.cases.iter().filter(move |case| wanted(case));
    for case in of(CaseReport::fails_run) {
        lines += &annotation("error", case);
    }
    for case in of(|case| case.verdict == Verdict::Warned && !case.is_expected()) {
        lines += &annotation("warning", case);
    }
    for case in of(CaseReport::is_expected) {
        lines += &annotation("notice", case);
    }
    let (_, text) = conclusion(report);
    lines + &format!("::notice title=volplug::{}\n", data(&text))
}

fn annotation(kind: &str, case: &CaseReport) -> String {
    let mut properties = vec![("title", format!("{} {}", case.id, case.level))];
    let mut text = format!("{}.", case.title);
    let known = case.expectation.as_ref();
    if let Some(known) = known.filter(|_| case.passes_unexpectedly()) {
        properties.push(("file", known.file.clone()));
        properties.push(("line", known.line.to_string()));
    } else if let Some(reason) = &case.reason {
        text += &format!("\n{}\nDocker: {}", printable(reason), case.why);
    }
    if let Some(known) = known.map(Expectation::told) {
        text += &format!("\n{}", printable(&known));
    }
    if let Some(cause) = &case.explained_by {
        text += &format!("\nexplained by {cause}");
    }
    let properties: Vec<String> = properties
        .into_iter()
        .map(|(name, value)| format!("{name}={}", property(&value)))
        .collect();
    format!("::{kind} {}::{}\n", properties.join(","), data(&text))
}

/// The summary of the job: Markdown.
#[must_use]
pub fn job_summary(report: &Report) -> String {
    super::markdown(report)
}

/// Escapes what stands behind the second `::`, as the runner undoes it.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes a property, which ends at a comma or colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text of others between two lines that make the runner take nothing in it for a command.
#[must_use]
pub fn inert(text: &str, token: &str) -> String {
    format!("::stop-commands::{token}\n{text}\n::{token}::\n")
}
