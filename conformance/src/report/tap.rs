//! The report in the Test Anything Protocol, version 14 (testanything.org).

use serde_json::Value;

use super::text::printable;
use super::{CaseReport, Report, Verdict};
use crate::expected::Expectation;

/// The whole report: a test point a case, with what there is to say as YAML. A failure that was
/// expected is a TODO, a broken SHOULD a pass with a diagnostic.
#[must_use]
pub fn tap(report: &Report) -> String {
    let mut lines = vec![
        "TAP version 14".to_owned(),
        format!("1..{}", report.cases.len()),
        format!("# seed {}", report.seed),
    ];
    for (number, case) in (1..).zip(&report.cases) {
        lines.push(test_point(number, case));
        if case.verdict.is_finding() || case.passes_unexpectedly() {
            diagnostic(&mut lines, case);
        }
    }
    for line in report.notices.iter().chain(&report.left_behind) {
        lines.push(format!("# {}", printable(line)));
    }
    lines.join("\n") + "\n"
}

fn test_point(number: usize, case: &CaseReport) -> String {
    let ok = if case.verdict == Verdict::Failed || case.fails_run() {
        "not ok"
    } else {
        "ok"
    };
    let point = format!("{ok} {number} - {}", escaped(&case.id));
    let told = || {
        case.expectation
            .as_ref()
            .map(Expectation::told)
            .unwrap_or_default()
    };
    match case.verdict {
        Verdict::Skipped => {
            let reason = case.reason.as_deref().unwrap_or_default();
            format!("{point} # SKIP {}", escaped(&printable(reason)))
        }
        Verdict::Failed if case.is_expected() => {
            format!("{point} # TODO {}", escaped(&printable(&told())))
        }
        _ => point,
    }
}

/// The YAML block beneath a test point. A JSON string is one of YAML.
fn diagnostic(lines: &mut Vec<String>, case: &CaseReport) {
    let known = case
        .expectation
        .as_ref()
        .map(|known| printable(&known.told()));
    let mut fields = vec![
        ("severity", Some(case.level.to_string())),
        ("rule", Some(case.title.clone())),
        ("message", case.reason.as_deref().map(printable)),
        ("docker", Some(case.why.clone())),
        ("explained by", case.explained_by.clone()),
        ("known", known),
        ("source", Some(case.source.join("; "))),
    ];
    let commands = case.reproduce.docker.iter().chain(&case.reproduce.curl);
    let commands: Vec<String> = commands.map(|line| printable(line)).collect();
    let commands = commands.join("\n");
    fields.push(("reproduce", Some(commands).filter(|text| !text.is_empty())));
    lines.push("  ---".to_owned());
    for (name, text) in fields {
        if let Some(text) = text {
            lines.push(format!("  {name}: {}", Value::from(text)));
        }
    }
    lines.push("  ...".to_owned());
}

/// In a description `#` begins a directive and `\` an escape.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#")
}
