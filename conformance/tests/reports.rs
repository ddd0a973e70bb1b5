//! The reports of one made-up run, in every format, as snapshots: as a reader and a script will see them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod made_up;

use made_up::{HOSTILE, hostile, known, report};
use serde_json::Value;
use volplug_conformance::report::{
    Format, Matrix, Report, Verdict, annotations, badge, html, human, inert, json, junit, markdown,
    merge, read, tap,
};

fn without_colour(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn human_at_80_columns() {
    let text = without_colour(&human(&report(), 80));
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 80, "{longest}\n{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn human_at_200_columns() {
    insta::assert_snapshot!(without_colour(&human(&report(), 200)));
}

#[test]
fn colour_adds_nothing_but_colour_and_plugins_cannot_add_their_own() {
    let coloured = human(&report(), 80);
    assert!(coloured.contains("\u{1b}[1m"));
    assert!(
        !coloured.contains("already mounted\u{1b}"),
        "the plugin's escape code came through"
    );
}

#[test]
fn json_keeps_the_contract() {
    let value: Value = serde_json::from_str(&json(&report()).unwrap()).unwrap();
    assert_eq!(value["schema"], "volplug-conformance/report@1");
    assert_eq!(value["seed"], 7);
    assert_eq!(value["duration_ms"], 1234);
    assert_eq!(
        value["summary"],
        serde_json::json!({"passed": 1, "failed": 2, "warned": 1, "skipped": 2})
    );
    for case in value["cases"].as_array().unwrap() {
        for key in [
            "id",
            "section",
            "title",
            "level",
            "verdict",
            "reason",
            "source",
            "duration_ms",
            "reproduce",
            "transcript",
        ] {
            assert!(case.get(key).is_some(), "{key} of {}", case["id"]);
        }
        assert!(case["reproduce"]["docker"].is_array() && case["reproduce"]["curl"].is_array());
    }
    let failed = &value["cases"][2];
    assert_eq!(
        (failed["level"].as_str(), failed["verdict"].as_str()),
        (Some("must"), Some("failed"))
    );
    let exchange = &failed["transcript"][0];
    assert_eq!(exchange["request"]["path"], "/VolumeDriver.Mount");
    assert_eq!(exchange["response"]["status"], 500);
    assert_eq!(exchange["ms"], 2);
}

#[test]
fn junit_is_what_ci_servers_read() {
    let xml = junit(&report()).unwrap();
    insta::assert_snapshot!(xml);
}

#[test]
fn junit_skips_what_was_expected_and_fails_what_holds_now() {
    let xml = junit(&known()).unwrap();
    assert!(
        xml.contains("expected until 2030-12-31: see &lt;#12&gt; of @team"),
        "{xml}"
    );
    assert!(xml.contains("type=\"unexpected pass\""), "{xml}");
}

#[test]
fn expectations_are_told_to_a_person() {
    let text = without_colour(&human(&known(), 100));
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in [
        "Expected failures that hold now",
        "✗ create.works it holds, and was expected to be broken (see <#12> of @team): delete line 3 of known.toml",
        "~ ref.same-id-twice expected until 2030-12-31: see <#12> of @team",
        "follows from ref.same-id-twice, which is expected to fail",
    ] {
        assert!(plain.contains(told), "{told}\n{text}");
    }
    assert!(
        text.ends_with("(1 expected) in 0.0 s: 1 MUST broken\n"),
        "{text}"
    );
}

#[test]
fn tap_is_version_14() {
    let text = tap(&known());
    assert!(text.starts_with("TAP version 14\n1..6\n"), "{text}");
    for line in [
        "not ok 1 - create.works",
        "ok 2 - create.repeat-same",
        "not ok 3 - ref.same-id-twice # TODO expected until 2030-12-31: see <\\#12> of @team",
        "not ok 4 - ref.after-daemon-crash",
        "ok 5 - restart.remembers # SKIP needs to stop and start the plugin",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
}

#[test]
fn markdown_is_a_comment_that_a_person_reads() {
    let text = markdown(&known());
    assert!(
        text.starts_with("### ❌ Volume plugin `p`: 1 MUST broken\n"),
        "{text}"
    );
    for part in [
        "- `create.works`: it holds, and was expected to be broken (see &lt;\\#12&gt; of @\u{200b}team)",
        "<summary><b>ref.after-daemon-crash</b> (MUST):",
        "client 1",
        "<details><summary>Skipped</summary>",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn github_gets_annotations() {
    let text = annotations(&known());
    for start in [
        "::error title=create.works MUST,file=known.toml,line=3::",
        "::error title=ref.after-daemon-crash MUST::",
        "::warning title=create.repeat-same ",
        "::notice title=ref.same-id-twice MUST::",
        "::notice title=volplug::1 MUST broken",
    ] {
        assert!(begins_a_line(&text, start), "{start}\n{text}");
    }
}

#[test]
fn a_badge_says_how_it_ended() {
    let svg = badge(&report());
    assert!(
        svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"),
        "{svg}"
    );
    assert!(svg.contains(">2 MUSTs broken by 1 cause<"), "{svg}");
}

#[test]
fn the_last_line_counts_causes_apart_from_what_they_break() {
    let last = |report: &Report| {
        let text = without_colour(&human(report, 200));
        text.lines().last().unwrap().to_owned()
    };
    let mut report = report();
    assert!(last(&report).ends_with(": 2 MUSTs broken by 1 cause"));
    // A broken SHOULD of its own fails a strict run, and is a cause more.
    report.cases[1].verdict = Verdict::Failed;
    let told = last(&report);
    assert!(
        told.ends_with(": 3 rules broken by 2 causes, 2 of them MUST"),
        "{told}"
    );
    report.cases[1].verdict = Verdict::Warned;
    report.cases[3].explained_by = None;
    assert!(last(&report).ends_with(": 2 MUSTs broken"));
}

/// Lines of the report that a plugin could have brought in as its own.
fn begins_a_line(text: &str, start: &str) -> bool {
    text.lines()
        .any(|line| line.trim_start().starts_with(start))
}

#[test]
fn what_plugins_send_means_nothing_in_any_format() {
    let report = hostile();
    for (name, format) in Format::ALL {
        let text = format.render(&report, 100).unwrap();
        let text = without_colour(&text);
        if !matches!(format, Format::Json | Format::Junit) {
            assert!(
                !text.contains('\u{1b}') && !text.contains('\u{202e}'),
                "{name}"
            );
        }
        assert!(
            !begins_a_line(&text, "::error title=owned"),
            "{name}\n{text}"
        );
        match format {
            Format::Html | Format::Badge => {
                assert!(
                    !text.contains("<img") && !text.contains("<script>document"),
                    "{name}\n{text}"
                );
            }
            Format::Tap => {
                assert!(!begins_a_line(&text, "not ok 1 - owned"), "{text}");
                let points = text
                    .lines()
                    .filter(|line| line.starts_with("ok") || line.starts_with("not ok"));
                assert_eq!(points.count(), report.cases.len(), "{text}");
            }
            Format::Markdown => {
                assert!(!begins_a_line(&text, "# heading"), "{text}");
                for (at, _) in text.match_indices("<img") {
                    assert!(in_code(&text[..at]), "{text}");
                }
                for (at, _) in text.match_indices("@octocat") {
                    assert!(in_code(&text[..at]), "{text}");
                }
            }
            Format::Github => {
                for line in text.lines() {
                    let known = ["::error title=", "::warning title=", "::notice title="];
                    assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
                    let properties = line.split("::").nth(1).unwrap_or_default();
                    assert!(!properties.contains("owned"), "{line}");
                }
            }
            _ => {}
        }
    }
    assert!(!annotations(&report).contains(HOSTILE));
}

/// Whether what comes next stands in code: in a fence, or behind an odd number of equal runs of ticks
/// in its line.
fn in_code(before: &str) -> bool {
    let fence = before.lines().fold(None::<&str>, |open, line| {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        match open {
            None if ticks.len() >= 3 => Some(ticks),
            Some(open) if ticks.len() >= open.len() && line.trim_matches('`').is_empty() => None,
            open => open,
        }
    });
    let mut span = None::<usize>;
    let line = before.lines().last().unwrap_or_default();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let run = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        span = match span {
            None => Some(run),
            Some(open) if open == run => None,
            open => open,
        };
        rest = &rest[start + run..];
    }
    fence.is_some() || span.is_some()
}

#[test]
fn commands_in_what_a_person_reads_are_switched_off() {
    assert_eq!(inert("a\n", "t"), "::stop-commands::t\na\n\n::t::\n");
}

#[test]
fn a_long_report_still_fits_a_comment() {
    let mut long = report();
    for number in 0..200 {
        let mut case = long.cases[2].clone();
        case.id = format!("ref.case-{number}");
        case.actual = Some("x".repeat(2000));
        long.cases.push(case);
    }
    let long = Report::new(long.target, 1, long.cases);
    let text = markdown(&long);
    assert!(text.len() < 65_536, "{}", text.len());
    assert!(text.contains("findings more, too long for a comment"));
}

#[test]
fn a_report_is_read_as_it_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("report.json");
    for report in [report(), hostile(), known()] {
        let text = json(&report).unwrap();
        std::fs::write(&path, &text).unwrap();
        assert_eq!(json(&read(&path).unwrap()).unwrap(), text);
    }
    for (text, told) in [
        ("{", "is no JSON report"),
        ("{}", "is no report: make one with --format json="),
        (
            "{\"schema\": \"other/report@9\"}",
            "has the schema `other/report@9`",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let why = read(&path).unwrap_err();
        assert!(why.contains(told), "{why}");
    }
}

#[test]
fn parts_are_joined_only_if_they_belong_together() {
    let part = |text: &str| {
        let mut report = report();
        report.target.partition = Some(text.to_owned());
        report
    };
    let why = merge(vec![part("1/3"), part("3/3")]).unwrap_err();
    assert_eq!(why, "the report of --partition 2/3 is missing");
    assert!(
        merge(vec![part("1/2"), part("2/3")])
            .unwrap_err()
            .contains("not parts of one run")
    );
    let mut other = report();
    other.target.plugin = "q".to_owned();
    assert!(
        merge(vec![report(), other])
            .unwrap_err()
            .contains("`report compare`")
    );
    assert_eq!(
        merge(vec![part("1/2"), part("2/2")]).unwrap().summary,
        report().summary
    );
}

#[test]
fn rules_in_a_table_show_code_as_code() {
    let mut report = report();
    report.cases[2].title = "`a | b` and c | d".to_owned();
    let reports = [("one".to_owned(), report)];
    let text = Matrix::new(&reports).unwrap().markdown();
    assert!(
        text.contains("| `ref.same-id-twice` `a \\| b` and c \\| d | ✗ |\n"),
        "{text}"
    );
}

#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let page = html(&report());
    for tag in ["<link", "<img", "<iframe", " src=", "@import", "url("] {
        assert!(!page.contains(tag), "{tag}");
    }
}
