//! The report as one page that needs no network: findings first, then every case with what was sent
//! and answered, to be filtered and searched.
//!
//! Everything is written by `maud`, which escapes it; a policy in the page lets nothing run but its
//! own script.

mod case;
mod drawings;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html as page};
use sha2::{Digest as _, Sha256};

use super::conclusion::{Tone, conclusion, counts};
use super::groups::{self, Group};
use super::text::printable;
use super::{CaseReport, Report, Verdict};
use crate::catalogue;
pub(super) use case::prose;

/// The page's own script.
const SCRIPT: &str = include_str!("script.js");

/// The page's own style.
pub(super) const STYLE: &str = include_str!("style.css");

/// The verdicts that can be shown and hidden, with what the buttons say.
const VERDICTS: [(&str, &str); 5] = [
    ("failed", "failed"),
    ("warned", "warned"),
    ("expected", "expected"),
    ("passed", "passed"),
    ("skipped", "skipped"),
];

/// The whole report as a page.
#[must_use]
pub fn html(report: &Report) -> String {
    let (tone, text) = conclusion(report);
    let plugin = printable(&report.target.plugin);
    let body = page! {
        header {
            h1 { span class=(tone_class(tone)) { (mark(tone)) } " " (plugin) ": " (text) }
            p { (counts(report.summary)) }
            (conditions(report))
        }
        (controls(report))
        main {
            (findings(report))
            (expected(report))
            (remarks(report))
            h2 { "All other cases" }
            (sections(report))
            (drawings::latencies(report))
        }
    };
    document(&format!("{plugin}: {text}"), &body, SCRIPT)
}

/// A page that needs nothing from elsewhere, and in which nothing else runs.
pub(super) fn document(title: &str, body: &Markup, script: &str) -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(script));
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; base-uri 'none'; \
         form-action 'none'"
    );
    let page = page! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) script { (PreEscaped(script)) } }
        }
    };
    page.into_string()
}

/// What was judged, and under which conditions.
fn conditions(report: &Report) -> Markup {
    let target = &report.target;
    let took = std::time::Duration::from_millis(report.duration_ms).as_secs_f32();
    page! {
        dl class="facts" {
            dt { "address" } dd { code { (printable(&target.address)) } }
            @if let Some(command) = &target.command {
                dt { "command" } dd { code { (printable(command)) } }
            }
            @if let Some(settings) = &target.settings {
                dt { "settings" } dd { code { (printable(settings)) } }
            }
            dt { "run" }
            dd {
                (format!("{took:.1} s, seed {}, isolation: {}, ", report.seed, target.isolation))
                @if target.hostile { "hostile cases sent" } @else { "no hostile cases" }
            }
        }
    }
}

fn controls(report: &Report) -> Markup {
    let kinds: Vec<&str> = report.cases.iter().map(case::kind).collect();
    page! {
        form id="filter" class="controls" role="search" {
            input id="search" type="search" placeholder="Search: id, rule, anything sent"
                aria-label="Search the cases" autocomplete="off";
            div class="buttons" role="group" aria-label="Which verdicts are shown" {
                @for (kind, label) in VERDICTS {
                    @let number = kinds.iter().filter(|known| **known == kind).count();
                    @if number > 0 {
                        button type="button" data-kind=(kind) aria-pressed="true" class=(kind) {
                            (number) " " (label)
                        }
                    }
                }
            }
            select id="section" aria-label="Section" {
                option value="" { "every section" }
                @for section in catalogue::sections() {
                    @if report.cases.iter().any(|case| case.section == section.name) {
                        option value=(section.name) { (section.title) }
                    }
                }
            }
            button type="button" id="unfold" { "Unfold all" }
            p id="shown" aria-live="polite" {}
            p class="hint" {
                kbd { "/" } " search, " kbd { "j" } " " kbd { "k" } " next and previous case, "
                kbd { "Enter" } " unfold, " kbd { "Esc" } " show all"
            }
        }
    }
}

fn findings(report: &Report) -> Markup {
    page! {
        @for (harm, group) in groups::groups(report) {
            section {
                h2 { (harm.heading()) }
                @for Group { case, follow } in group {
                    (case::write(case, &follow, true))
                }
            }
        }
    }
}

/// What was expected to be broken.
fn expected(report: &Report) -> Markup {
    page! {
        @for (heading, cases) in report.expected() {
            section {
                h2 { (heading) }
                @for case in cases { (case::write(case, &[], false)) }
            }
        }
    }
}

fn remarks(report: &Report) -> Markup {
    let lines: Vec<&String> = report.notices.iter().chain(&report.left_behind).collect();
    page! {
        @if !lines.is_empty() {
            section {
                h2 { "What else happened" }
                ul { @for line in lines { li { (printable(line)) } } }
            }
        }
    }
}

/// Every case that is not shown above: findings that another one explains among them.
fn sections(report: &Report) -> Markup {
    let groups = groups::groups(report);
    let above: Vec<&str> = groups
        .values()
        .flatten()
        .map(|group| group.case.id.as_str())
        .collect();
    let rest = |case: &&CaseReport| {
        !above.contains(&case.id.as_str()) && !case.is_expected() && !case.passes_unexpectedly()
    };
    page! {
        @for section in catalogue::sections() {
            @let cases: Vec<_> = report.cases.iter().filter(|case| case.section == section.name).filter(rest).collect();
            @if !cases.is_empty() {
                section {
                    h3 { (section.title) }
                    @for case in cases { (case::write(case, &[], false)) }
                }
            }
        }
    }
}

const fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "passed",
        Tone::Unsure => "warned",
        Tone::Bad => "failed",
    }
}

const fn mark(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "✓",
        Tone::Unsure => "!",
        Tone::Bad => "✗",
    }
}

/// The sign of a verdict.
pub(super) const fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "✓",
        Verdict::Failed => "✗",
        Verdict::Warned => "!",
        Verdict::Skipped => "–",
    }
}
