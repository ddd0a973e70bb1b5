#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use jiff::civil::{Date, date};

use super::{ExpectedFailures, Outcome, may_write, write};
use crate::catalogue;
use crate::report::{CaseReport, Report, TargetInfo, Verdict};

const TODAY: Date = date(2026, 5, 17);

fn read(text: &str) -> Result<ExpectedFailures, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("known.toml");
    std::fs::write(&path, text).unwrap();
    let place = format!("{}/", directory.path().display());
    ExpectedFailures::read(&path).map_err(|why| why.replace(&place, ""))
}

fn case(id: &str, verdict: Verdict) -> CaseReport {
    let case = catalogue::find(id).unwrap();
    let mut report = CaseReport::new(case, Duration::ZERO, &Default::default());
    report.verdict = verdict;
    report
}

#[test]
fn each_verdict_meets_its_expectation() {
    let known = read(
        "# comment\n\
         ref.same-id-twice = \"a\"\n\
         \"create.durable\" = { reason = \"b\", until = 2026-05-17 }\n\
         mount.usable = { reason = \"c\", until = \"2026-05-16\" }\n",
    )
    .unwrap();
    let of = |id, verdict| {
        known
            .of(&case(id, verdict), TODAY)
            .map(|e| (e.line, e.outcome))
    };
    use Outcome::{FailsAsExpected, NotJudged, PassesUnexpectedly, RanOut};
    assert_eq!(
        of("ref.same-id-twice", Verdict::Failed),
        Some((2, FailsAsExpected))
    );
    assert_eq!(
        of("ref.same-id-twice", Verdict::Warned),
        Some((2, FailsAsExpected))
    );
    assert_eq!(
        of("ref.same-id-twice", Verdict::Passed),
        Some((2, PassesUnexpectedly))
    );
    assert_eq!(
        of("ref.same-id-twice", Verdict::Skipped),
        Some((2, NotJudged))
    );
    // The day itself still counts, the next one does not.
    assert_eq!(
        of("create.durable", Verdict::Failed),
        Some((3, FailsAsExpected))
    );
    assert_eq!(of("mount.usable", Verdict::Failed), Some((4, RanOut)));
    assert_eq!(
        of("mount.usable", Verdict::Passed),
        Some((4, PassesUnexpectedly))
    );
    assert_eq!(of("get.unknown", Verdict::Failed), None);
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (text, told) in [
        (
            "\nref.same-id-twic = \"x\"",
            "known.toml:2: no case is called `ref.same-id-twic`; did you mean `ref.same-id-twice`?",
        ),
        (
            "ref.same-id-twice = \" \"",
            "known.toml:1: `ref.same-id-twice` needs a reason: ref.same-id-twice = \"why it fails\"",
        ),
        (
            "ref.same-id-twice = { reason = \"x\", untill = 2026-01-01 }",
            "known.toml:1: `ref.same-id-twice` has no `untill`, but a reason and until; did you mean `until`?",
        ),
        (
            "ref.same-id-twice = { reason = \"x\", until = 3 }",
            "known.toml:1: `until` of `ref.same-id-twice` should be a day, such as 2027-03-31",
        ),
        (
            "ref.same-id-twice = { reason = \"x\", until = 10:00:00 }",
            "known.toml:1: `until` of `ref.same-id-twice` should be a day, such as 2027-03-31",
        ),
        (
            "ref.same-id-twice = 4",
            "known.toml:1: it should be like this: ref.same-id-twice = \"why it fails\"",
        ),
        (
            "ref.same-id-twice = \"x\"\n\"ref.same-id-twice\" = \"y\"",
            "known.toml:2: `ref.same-id-twice` stands in the file twice",
        ),
    ] {
        assert_eq!(read(text).unwrap_err(), told);
    }
    let broken = read("create.works = \"x\"\n[").unwrap_err();
    assert!(broken.starts_with("known.toml:2: "), "{broken}");
}

#[test]
fn the_first_file_holds_what_failed_and_lets_the_next_run_pass() {
    let mut failed = case("ref.same-id-twice", Verdict::Failed);
    failed.actual = Some("500 \"no\"\n\u{1b}[31m and more".to_owned());
    let cases = vec![
        failed,
        case("create.works", Verdict::Passed),
        case("get.read-only", Verdict::Warned),
        case("restart.remembers", Verdict::Skipped),
    ];
    let mut report = Report::new(TargetInfo::default(), 1, cases);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("known.toml");
    may_write(&path).unwrap();
    assert_eq!(write(&path, &report).unwrap(), 1);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("ref.same-id-twice = \"500 \\\"no\\\" [31m and more\"\n"),
        "{text}"
    );
    assert!(may_write(&path).unwrap_err().contains("delete it first"));
    assert!(write(&path, &report).is_err());

    assert_eq!(report.failures().count(), 1);
    report.expect(&ExpectedFailures::read(&path).unwrap(), TODAY);
    assert_eq!(report.failures().count(), 0);
    assert_eq!((report.summary.failed, report.summary.expected), (1, 1));
}
