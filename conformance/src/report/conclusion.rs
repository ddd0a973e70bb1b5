//! What a run comes to, in a line.

use super::{Report, Summary, groups};
use crate::suite::Level;

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing has to be done.
    Good,
    /// Little can be said.
    Unsure,
    /// Something has to be done.
    Bad,
}

/// What a run comes to.
pub(super) fn conclusion(report: &Report) -> (Tone, String) {
    let broken = || report.failures().filter(|case| !case.passes_unexpectedly());
    let failed = broken().count();
    let musts = broken().filter(|case| case.level == Level::Must).count();
    let mended = report.summary.unexpected_passes;
    if report.interrupted {
        (Tone::Unsure, "interrupted".to_owned())
    } else if failed > 0 && musts == failed {
        (
            Tone::Bad,
            format!(
                "{} broken{}",
                count(musts, "MUST", "MUSTs"),
                by(report, failed)
            ),
        )
    } else if failed > 0 {
        let rules = count(failed, "rule", "rules");
        (
            Tone::Bad,
            format!("{rules} broken{}, {musts} of them MUST", by(report, failed)),
        )
    } else if mended > 0 {
        let failures = count(mended, "expected failure holds", "expected failures hold");
        (Tone::Bad, format!("{failures} now"))
    } else if report.summary.expected > 0 {
        (
            Tone::Good,
            "nothing is broken that was not expected".to_owned(),
        )
    } else if report.summary.passed == 0 {
        (Tone::Unsure, "nothing was judged".to_owned())
    } else {
        (Tone::Good, "every MUST that was judged holds".to_owned())
    }
}

/// ` by 2 causes`, where fewer findings than the `failed` rules stand for themselves.
fn by(report: &Report, failed: usize) -> String {
    let fails = |case: &super::CaseReport| case.fails_run();
    let causes = groups::groups(report)
        .values()
        .flatten()
        .filter(|group| fails(group.case) || group.follow.iter().any(|case| fails(case)))
        .count();
    if causes == 0 || causes >= failed {
        return String::new();
    }
    format!(" by {}", count(causes, "cause", "causes"))
}

/// `3 passed, 1 failed (1 expected)`; what is not there is not named.
pub(super) fn counts(summary: Summary) -> String {
    let mut parts = vec![format!("{} passed", summary.passed)];
    for (number, what) in [
        (summary.failed, "failed"),
        (summary.warned, "warned"),
        (summary.skipped, "skipped"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let expected = match summary.expected {
        0 => String::new(),
        expected => format!(" ({expected} expected)"),
    };
    parts.join(", ") + &expected
}

/// `1 rule`, `2 rules`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
