//! One finding, with all that is needed to believe it and to see it again.

use super::super::style::{BAD, DIM, HEAD, WARN, styled};
use super::super::text::{answer, printable, sent};
use super::super::{CaseReport, Report, Verdict};
use super::layout::Page;

/// The shell variable that stands for the plugin's socket in curl lines.
const SOCKET: &str = "$S";

/// How far a drawing of calls stands in, and how wide it is with that at the most.
const DRAWING_INDENT: usize = 4;
const WIDEST_DRAWING: usize = 80;

/// Tells once what the curl lines below have in common.
pub(super) fn socket_line(page: &mut Page, report: &Report) {
    let Some(path) = report.target.address.strip_prefix("unix://") else {
        return;
    };
    let quoted = shell_words::quote(path);
    match &report.target.command {
        None => page.dim_paragraph(&format!("In the curl lines below, S={quoted}"), 0),
        Some(_) => page.dim_paragraph(
            &format!("For the curl lines below, start the plugin as above and set S to its socket (here {quoted})."),
            0,
        ),
    }
}

/// Writes a finding and names what it explains.
pub(super) fn write(page: &mut Page, report: &Report, case: &CaseReport, follow: &[&CaseReport]) {
    let (mark, style) = match case.verdict {
        Verdict::Failed => ("✗", BAD),
        _ => ("!", WARN),
    };
    page.blank();
    page.line(&format!(
        "{} {}  {}",
        styled(style, mark),
        styled(HEAD, &case.id),
        styled(style, case.level)
    ));
    page.paragraph(&case.title, 2);
    let mut label = |name: &str, text: &str| {
        page.labelled(&styled(DIM, name), name.len(), &printable(text));
    };
    if let (Some(expected), Some(actual)) = (&case.expected, &case.actual) {
        label("expected", expected);
        label("got", actual);
    }
    label("Docker", &case.why);
    if let Some(history) = &case.history {
        let room = page
            .width()
            .clamp(40, WIDEST_DRAWING)
            .saturating_sub(DRAWING_INDENT);
        page.line("");
        for line in history.drawing(room) {
            page.line(&format!("{:DRAWING_INDENT$}{line}", ""));
        }
        page.line("");
    }
    let mut label = |name: &str, text: &str| {
        page.labelled(&styled(DIM, name), name.len(), &printable(text));
    };
    // What was sent last says nothing where calls met.
    if let Some(exchange) = case.transcript.last().filter(|_| case.history.is_none()) {
        label("sent", &sent(exchange));
        label("answer", &answer(exchange));
    }
    label("source", &case.source.join("; "));
    if let Some(known) = &case.expectation {
        label("known", &known.told());
    }
    let cause = case.explained_by.as_deref();
    let expected = |cause: &&str| {
        report
            .findings()
            .any(|c| c.id == **cause && c.is_expected())
    };
    if let Some(cause) = cause.filter(expected) {
        label(
            "follows",
            &format!("from {cause}, which is expected to fail"),
        );
    }
    for note in &case.notes {
        label("note", note);
    }
    let mut name = "docker";
    for line in &case.reproduce.docker {
        page.command(&styled(DIM, name), name.len(), &printable(line));
        name = "";
    }
    let mut name = "curl";
    let socket = report
        .target
        .address
        .strip_prefix("unix://")
        .unwrap_or_default();
    let option = format!("--unix-socket {}", shell_words::quote(socket));
    for line in &case.reproduce.curl {
        let line = line.replace(&option, &format!("--unix-socket {SOCKET}"));
        page.command(&styled(DIM, name), name.len(), &printable(&line));
        name = "";
    }
    if !follow.is_empty() {
        let (found, unjudged): (Vec<&&CaseReport>, Vec<_>) =
            follow.iter().partition(|case| case.verdict.is_finding());
        let ids = |cases: &[&&CaseReport]| {
            cases
                .iter()
                .map(|case| case.id.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        if !found.is_empty() {
            page.labelled(
                &styled(DIM, "explains"),
                8,
                &format!("the findings {}", ids(&found)),
            );
        }
        if !unjudged.is_empty() {
            page.labelled(
                &styled(DIM, "hides"),
                5,
                &format!(
                    "what cannot be judged until it is mended: {}",
                    ids(&unjudged)
                ),
            );
        }
    }
}
