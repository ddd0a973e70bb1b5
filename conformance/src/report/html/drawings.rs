//! What is drawn: calls of several clients over time, and how long calls took.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::Report;
use super::super::text::printable;
use crate::linear::{Bar, Counterexample, events};
use crate::protocol::Endpoint;

/// Pixels from one event to the next, from one client to the next, and for a client's name.
const STEP: usize = 34;
const ROW: usize = 34;
const MARGIN: usize = 64;

/// The calls of a history as bars: what overlaps in time overlaps in the drawing.
pub(super) fn history(history: &Counterexample) -> Markup {
    let events = events(&history.calls);
    let place = |number: usize, end: bool| {
        let at = events
            .iter()
            .position(|(_, is_end, of)| *of == number && *is_end == end);
        MARGIN + at.unwrap_or(events.len()) * STEP
    };
    let clients = history
        .calls
        .iter()
        .map(|bar| bar.client)
        .max()
        .unwrap_or(0);
    let (width, height) = (MARGIN + (events.len() + 1) * STEP, clients * ROW + 8);
    html! {
        figure {
            div class="scroll" tabindex="0" role="group" aria-label="Calls over time" {
                svg class="history" width=(width) height=(height) role="img"
                    viewBox=(format!("0 0 {width} {height}")) {
                    title { "Calls of " (clients) " clients over time" }
                    @for client in 1..=clients {
                        text x="0" y=(client * ROW - 8) { "client " (client) }
                        line x1=(MARGIN) x2=(width) y1=(client * ROW + 2) y2=(client * ROW + 2) {}
                    }
                    @for bar in &history.calls {
                        (drawn(bar, place(bar.number, false), place(bar.number, true), bar.number == history.stuck))
                    }
                }
            }
            figcaption {
                ol {
                    @for bar in &history.calls { li value=(bar.number) { (said(bar)) } }
                }
                p {
                    "No order of these calls explains the answers: "
                    @if history.order.is_empty() { "not even one of them can be first" }
                    @else { "after " (history.order()) " no other can be next" }
                    ", and " (history.stuck) " had to be. Seen in " (history.seen) " of "
                    (history.rounds) " rounds, seed " (history.seed) ", round " (history.round) "."
                }
            }
        }
    }
}

fn drawn(bar: &Bar, from: usize, to: usize, stuck: bool) -> Markup {
    let top = bar.client * ROW - 24;
    let width = to.saturating_sub(from).max(STEP / 2);
    html! {
        g class=(if stuck { "stuck" } else { "call" }) {
            title { (said(bar)) }
            rect x=(from) y=(top) width=(width) height="22" rx="4" {}
            text x=(from + width / 2) y=(top + 15) text-anchor="middle" { (bar.number) }
        }
    }
}

fn said(bar: &Bar) -> String {
    let id = bar.id.map(|id| format!(" {id}")).unwrap_or_default();
    let answer = bar.answer.as_deref().unwrap_or("(not answered yet)");
    printable(&format!("{}{id} → {answer}", bar.call))
}

/// How long the calls took that the report keeps, an endpoint a row: each column is twice as long
/// as the one before.
pub(super) fn latencies(report: &Report) -> Markup {
    let mut rows: BTreeMap<Endpoint, BTreeMap<u32, usize>> = BTreeMap::new();
    for exchange in report.cases.iter().flat_map(|case| &case.transcript) {
        if let (Some(endpoint), Some(_)) = (
            Endpoint::from_path(&exchange.request.path),
            &exchange.response,
        ) {
            // 0 ms, 1 ms, 2 to 3 ms, 4 to 7 ms …
            let column = u64::BITS - exchange.ms.leading_zeros();
            *rows.entry(endpoint).or_default().entry(column).or_default() += 1;
        }
    }
    let columns = rows
        .values()
        .flat_map(BTreeMap::keys)
        .max()
        .map_or(0, |last| last + 1);
    html! {
        @if !rows.is_empty() {
            section {
                h2 { "How long calls took" }
                p { "The answered calls that this report keeps, by milliseconds." }
                div class="scroll" tabindex="0" role="group" aria-label="How long calls took" {
                    table class="latency" {
                        thead { tr {
                            th scope="col" { "call" }
                            @for column in 0..columns { th scope="col" { (span(column)) } }
                        } }
                        tbody { @for (endpoint, row) in &rows {
                            @let most = row.values().copied().max().unwrap_or(1);
                            tr {
                                th scope="row" { (endpoint) }
                                @for column in 0..columns {
                                    @let number = row.get(&column).copied().unwrap_or(0);
                                    td { @if number > 0 { (bar(number, most)) (number) } }
                                }
                            }
                        } }
                    }
                }
            }
        }
    }
}

/// A bar whose height is the share of the row's longest.
fn bar(number: usize, most: usize) -> Markup {
    let height = (number * 24).div_ceil(most.max(1));
    html! {
        svg width="22" height="24" aria-hidden="true" {
            rect x="0" y=(24 - height) width="22" height=(height) {}
        }
    }
}

/// What a column stands for, in milliseconds.
fn span(column: u32) -> String {
    match column {
        0 => "<1".to_owned(),
        1 => "1".to_owned(),
        _ => format!("{}–{}", 1u64 << (column - 1), (1u64 << column) - 1),
    }
}
