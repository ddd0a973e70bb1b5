//! The report as JUnit XML, which every CI server reads.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::text::printable;
use super::{CaseReport, Report, Verdict};
use crate::expected::Expectation;

/// The whole report as JUnit XML: a suite per section, a test per case. What is expected to fail is
/// skipped, with its reason. A broken SHOULD is a pass
/// with a note, since a JUnit file knows only pass and failure; with `--strict` it fails.
///
/// # Errors
/// A sentence when the XML cannot be written.
pub fn junit(report: &Report) -> Result<String, String> {
    let mut document = Document::new("volplug-conformance");
    document.set_time(Duration::from_millis(report.duration_ms));
    let mut sections: Vec<&str> = report
        .cases
        .iter()
        .map(|case| case.section.as_str())
        .collect();
    sections.dedup();
    for section in sections {
        let mut suite = TestSuite::new(section);
        let cases: Vec<_> = report
            .cases
            .iter()
            .filter(|case| case.section == section)
            .collect();
        suite.set_time(Duration::from_millis(
            cases.iter().map(|case| case.duration_ms).sum(),
        ));
        suite.add_property(("seed".to_owned(), report.seed.to_string()));
        suite.add_property(("plugin".to_owned(), printable(&report.target.plugin)));
        suite.add_test_cases(cases.into_iter().map(test_case));
        document.add_test_suite(suite);
    }
    let xml = document.to_string().map_err(|error| error.to_string())?;
    // Jenkins's schema, which the other servers follow, knows `skipped` on a suite and on a case, and
    // not on the root, whose tag comes first.
    Ok(xml.replacen(&format!(" skipped=\"{}\"", report.summary.skipped), "", 1))
}

fn test_case(case: &CaseReport) -> TestCase {
    let reason = printable(case.reason.as_deref().unwrap_or_default());
    let known = case.expectation.as_ref().map(Expectation::told);
    let known = known.unwrap_or_default();
    let status = match case.verdict {
        Verdict::Passed if case.passes_unexpectedly() => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_message(clean(&known))
                .set_type("unexpected pass");
            status
        }
        Verdict::Failed if case.is_expected() => {
            let mut status = TestCaseStatus::skipped();
            status.set_description(clean(&format!("{known}\n{}", description(case))));
            status
        }
        Verdict::Passed | Verdict::Warned => TestCaseStatus::success(),
        Verdict::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_message(clean(&reason))
                .set_type(case.level.to_string());
            status.set_description(clean(&description(case)));
            status
        }
        Verdict::Skipped => {
            let mut status = TestCaseStatus::skipped();
            // As text: the schema of Jenkins knows no message here.
            status.set_description(clean(&reason));
            status
        }
    };
    let mut test = TestCase::new(case.id.clone(), status);
    test.set_classname(format!("volplug.{}", case.section));
    test.set_time(Duration::from_millis(case.duration_ms));
    if case.verdict == Verdict::Warned {
        test.set_system_out(clean(&format!("warning: {}\n", description(case))));
    }
    test
}

/// All that a person needs to act, as text.
fn description(case: &CaseReport) -> String {
    let mut lines = vec![format!("{}: {}", case.level, case.title)];
    lines.extend(case.reason.as_deref().map(printable));
    lines.push(format!("what Docker does: {}", case.why));
    lines.extend(
        case.explained_by
            .iter()
            .map(|id| format!("explained by: {id}")),
    );
    lines.extend(case.expectation.as_ref().map(Expectation::told));
    lines.push(format!("source: {}", case.source.join("; ")));
    lines.push("to see it again:".to_owned());
    let commands = case.reproduce.docker.iter().chain(&case.reproduce.curl);
    lines.extend(commands.map(|line| format!("  {}", printable(line))));
    lines.join("\n")
}

/// XML 1.0 cannot hold most control characters, not even escaped.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && !matches!(c, '\n' | '\t') {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}
