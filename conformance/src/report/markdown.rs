//! The report as Markdown: a comment on a change that a person would read.
//!
//! Whatever a plugin sent stands in code, where neither Markdown nor HTML nor `@names` mean
//! anything.

use super::conclusion::{Tone, conclusion, count, counts};
use super::groups::{self, Group};
use super::text::{answer, printable, sent, spans};
use super::{CaseReport, Report};
use crate::expected::Expectation;

/// A comment on GitHub may have 65,536 characters, and a job summary 1 MiB. What does not fit is
/// in the other reports.
const LONGEST: usize = 60_000;

/// The whole report.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let (tone, text) = conclusion(report);
    let mark = match tone {
        Tone::Good => "✅",
        Tone::Unsure => "⚠️",
        Tone::Bad => "❌",
    };
    let plugin = code(&report.target.plugin);
    let mut out = format!(
        "### {mark} Volume plugin {plugin}: {text}\n\n{} in {:.1} s, seed {}.\n",
        counts(report.summary),
        std::time::Duration::from_millis(report.duration_ms).as_secs_f32(),
        report.seed
    );
    known(&mut out, report);
    findings(&mut out, report);
    let rest = rest(report);
    if out.len() + rest.len() <= LONGEST {
        out += &rest;
    }
    out
}

fn findings(out: &mut String, report: &Report) {
    let mut left_out = 0;
    for (harm, group) in groups::groups(report) {
        let mut heading = format!("\n#### {}\n", harm.heading());
        for Group { case, follow } in group {
            let text = heading.clone() + &finding(case, &follow);
            if out.len() + text.len() > LONGEST {
                left_out += 1;
                continue;
            }
            *out += &text;
            heading.clear();
        }
    }
    if left_out > 0 {
        let findings = count(left_out, "finding", "findings");
        *out += &format!("\n{findings} more, too long for a comment: see the full report.\n");
    }
}

fn finding(case: &CaseReport, follow: &[&CaseReport]) -> String {
    let mut out = format!(
        "\n<details><summary><b>{}</b> ({}): {}</summary>\n\n",
        html(&case.id),
        case.level,
        html_prose(&case.title)
    );
    let mut item = |name: &str, text: &str| out += &format!("- **{name}:** {text}\n");
    if let (Some(expected), Some(actual)) = (&case.expected, &case.actual) {
        item("Expected", &code(expected));
        item("Got", &code(actual));
    }
    item("Docker", &prose(&case.why));
    if let Some(exchange) = case.transcript.last().filter(|_| case.history.is_none()) {
        item("Sent", &code(&sent(exchange)));
        item("Answer", &code(&answer(exchange)));
    }
    if let Some(known) = &case.expectation {
        item("Known", &text(&known.told()));
    }
    let ids: Vec<&str> = follow.iter().map(|case| case.id.as_str()).collect();
    if !ids.is_empty() {
        item("Explains", &ids.join(", "));
    }
    let sources: Vec<String> = case.source.iter().map(|source| text(source)).collect();
    item("Source", &sources.join("; "));
    if let Some(history) = &case.history {
        out += &fence(&history.drawing(90).join("\n"), "text");
    }
    let commands = case.reproduce.docker.iter().chain(&case.reproduce.curl);
    let commands: Vec<String> = commands.map(|line| printable(line)).collect();
    if !commands.is_empty() {
        out += &fence(&commands.join("\n"), "sh");
    }
    out + "\n</details>\n"
}

/// What was expected to be broken.
fn known(out: &mut String, report: &Report) {
    for (heading, cases) in report.expected() {
        *out += &format!("\n#### {heading}\n\n");
        for case in cases {
            let told = case
                .expectation
                .as_ref()
                .map(Expectation::told)
                .unwrap_or_default();
            *out += &format!("- `{}`: {}\n", case.id, text(&told));
        }
    }
}

/// What was skipped, and what happened beside the cases.
fn rest(report: &Report) -> String {
    let mut out = String::new();
    for line in report.notices.iter().chain(&report.left_behind) {
        out += &format!("\n> {}\n", code(line));
    }
    let skipped = groups::skipped(report);
    if !skipped.is_empty() {
        out += "\n<details><summary>Skipped</summary>\n\n";
        for (reason, ids) in skipped {
            out += &format!("- {}: {}\n", text(reason), ids.join(", "));
        }
        out += "\n</details>\n";
    }
    out
}

/// Text that may hold anything, in code, on one line.
pub(crate) fn code(text: &str) -> String {
    let text = printable(text);
    if text.trim().is_empty() {
        return "(empty)".to_owned();
    }
    let ticks = "`".repeat(longest_run(&text) + 1);
    // A blank on both sides is taken away again, and keeps the text's own ticks apart.
    let pad = if text.starts_with('`') || text.ends_with('`') || text.starts_with(' ') {
        " "
    } else {
        ""
    };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// Lines that may hold anything, in a block of code.
fn fence(text: &str, language: &str) -> String {
    let ticks = "`".repeat(longest_run(text).max(2) + 1);
    format!("\n{ticks}{language}\n{text}\n{ticks}\n")
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

/// Sentences: links stay links, everything else that Markdown or HTML would take for its own does
/// not. A blank of no width keeps `@names` from being called.
pub(crate) fn text(text: &str) -> String {
    let mut out = String::new();
    for word in printable(text).split_inclusive(' ') {
        if word.starts_with("https://") {
            out += &word.replace('<', "%3C").replace('>', "%3E");
            continue;
        }
        for c in word.chars() {
            if matches!(
                c,
                '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!'
            ) {
                out.push('\\');
            }
            match c {
                '<' => out += "&lt;",
                '>' => out += "&gt;",
                '&' => out += "&amp;",
                '@' => out += "@\u{200b}",
                c => out.push(c),
            }
        }
    }
    out
}

/// A rule's own sentences, with what stands in backticks as code.
pub(crate) fn prose(sentences: &str) -> String {
    spans(sentences)
        .map(|(is_code, piece)| if is_code { code(piece) } else { text(piece) })
        .collect()
}

/// The same inside of an HTML element.
fn html_prose(sentences: &str) -> String {
    spans(sentences)
        .map(|(is_code, piece)| match html(piece) {
            piece if is_code => format!("<code>{piece}</code>"),
            piece => piece,
        })
        .collect()
}

/// Text inside of an HTML element.
fn html(text: &str) -> String {
    let text = printable(text);
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
