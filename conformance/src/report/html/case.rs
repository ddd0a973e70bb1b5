//! One case of the page.

use maud::{Markup, html};

use super::super::CaseReport;
use super::super::text::{printable, spans};
use super::{drawings, sign};
use crate::expected::Expectation;
use crate::suite::Exchange;

/// Which button shows and hides the case.
pub(super) fn kind(case: &CaseReport) -> &'static str {
    match case.verdict {
        _ if case.is_expected() => "expected",
        _ if case.passes_unexpectedly() => "failed",
        verdict => verdict.word(),
    }
}

/// A case with all that is known of it; `open` where the reader should see it at once.
pub(super) fn write(case: &CaseReport, follow: &[&CaseReport], open: bool) -> Markup {
    let kind = kind(case);
    html! {
        details class="case" id=(case.id) data-kind=(kind) data-section=(case.section) open[open] {
            summary {
                span class={ "sign " (kind) } aria-label=(kind) { (sign(case.verdict)) }
                " " code { (case.id) } " " span class="level" { (case.level) }
                span class="rule" { (prose(&case.title)) }
            }
            dl class="facts" {
                @if let (Some(expected), Some(actual)) = (&case.expected, &case.actual) {
                    (fact("expected", expected))
                    (fact("got", actual))
                } @else if let Some(reason) = &case.reason {
                    (fact("reason", reason))
                }
                @if let Some(known) = case.expectation.as_ref().map(Expectation::told) {
                    (fact("known", &known))
                }
                dt { "Docker" } dd { (prose(&case.why)) }
                @for note in &case.notes { (fact("note", note)) }
                dt { "source" }
                dd { @for (at, source) in case.source.iter().enumerate() {
                    @if at > 0 { "; " }
                    (linked(source))
                } }
                @if let Some(cause) = &case.explained_by {
                    dt { "explained by" } dd { (link_to(cause)) }
                }
                @if !follow.is_empty() {
                    dt { "explains" }
                    dd { @for case in follow { (link_to(&case.id)) " " } }
                }
            }
            @if let Some(history) = &case.history { (drawings::history(history)) }
            (commands("Docker commands", &case.reproduce.docker))
            (commands("The calls by hand", &case.reproduce.curl))
            (exchanges(case))
        }
    }
}

fn fact(name: &str, text: &str) -> Markup {
    html! { dt { (name) } dd { (printable(text)) } }
}

/// A rule's own sentences, with what stands in backticks as code.
pub(in crate::report) fn prose(sentences: &str) -> Markup {
    html! {
        @for (is_code, piece) in spans(sentences) {
            @if is_code { code { (printable(piece)) } } @else { (printable(piece)) }
        }
    }
}

fn link_to(id: &str) -> Markup {
    html! { a href={ "#" (id) } { code { (id) } } }
}

/// A source, with a link where it is one.
fn linked(source: &str) -> Markup {
    html! {
        @if source.starts_with("https://") && !source.contains(char::is_whitespace) {
            a href=(source) rel="noreferrer" { (source) }
        } @else { (printable(source)) }
    }
}

fn commands(title: &str, lines: &[String]) -> Markup {
    html! {
        @if !lines.is_empty() {
            h4 { (title) }
            pre { code { @for line in lines { (printable(line)) "\n" } } }
        }
    }
}

/// What was sent and what came back.
fn exchanges(case: &CaseReport) -> Markup {
    let number = case.transcript.len();
    html! {
        @if number > 0 {
            details class="exchanges" {
                summary { (number) @if number == 1 { " exchange" } @else { " exchanges" } }
                @if case.transcript_left_out > 0 {
                    p { (case.transcript_left_out) " more in the middle are not kept." }
                }
                ol {
                    @for exchange in &case.transcript { li { (one(exchange)) } }
                }
                @for step in &case.afterwards { p class="step" { (printable(step)) } }
            }
        }
    }
}

fn one(exchange: &Exchange) -> Markup {
    let request = &exchange.request;
    html! {
        @for step in &exchange.before { p class="step" { (printable(step)) } }
        p {
            code { (printable(&request.method)) " " (printable(&request.path)) }
            " → "
            @match &exchange.response {
                Some(response) => span class=(if exchange.failed { "failed" } else { "passed" }) { (response.status) },
                None => span class="failed" { (printable(exchange.error.as_deref().unwrap_or("no answer"))) },
            }
            span class="ms" { (exchange.ms) " ms" }
        }
        (body("sent", &request.body))
        @if let Some(response) = &exchange.response { (body("answered", &response.body)) }
        details class="headers" {
            summary { "headers" }
            pre { code {
                (lines(&request.headers))
                @if let Some(response) = &exchange.response { "\n" (lines(&response.headers)) }
            } }
        }
    }
}

fn body(what: &str, text: &str) -> Markup {
    html! {
        @if !text.trim().is_empty() {
            pre aria-label=(what) { code { (printable(text.trim_end())) } }
        }
    }
}

fn lines(headers: &[(String, String)]) -> Markup {
    html! {
        @for (name, value) in headers { (printable(name)) ": " (printable(value)) "\n" }
    }
}
