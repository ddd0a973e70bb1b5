//! What plugins sent, as text that does nothing to whoever reads it.

use crate::suite::Exchange;

/// How much of a body is shown in a line.
const SHOWN: usize = 300;

/// Text with control characters as escapes: a plugin must not steer the reader's terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().flat_map(visible).collect()
}

/// Our own sentences, cut where code in backticks begins and ends: what is code, and the text.
pub(super) fn spans(text: &str) -> impl Iterator<Item = (bool, &str)> {
    // A tick without a second one is a character like others.
    let pairs = text.matches('`').count() / 2 * 2;
    let pieces = text.splitn(pairs + 1, '`').enumerate();
    pieces
        .map(|(at, piece)| (at % 2 == 1, piece))
        .filter(|(_, piece)| !piece.is_empty())
}

fn visible(c: char) -> Vec<char> {
    // What turns the direction of text makes it read otherwise than it is.
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns {
        c.escape_default().collect()
    } else {
        vec![c]
    }
}

/// A request in a line.
pub(super) fn sent(exchange: &Exchange) -> String {
    let request = &exchange.request;
    format!(
        "{} {} {}",
        request.method,
        request.path,
        body(&request.body, request.body_bytes)
    )
}

/// An answer in a line.
pub(super) fn answer(exchange: &Exchange) -> String {
    match (&exchange.response, &exchange.error) {
        (Some(response), _) => format!(
            "{} {} ({} ms)",
            response.status,
            body(&response.body, response.body_bytes),
            exchange.ms
        ),
        (None, error) => format!(
            "none: the plugin {} ({} ms)",
            error.as_deref().unwrap_or("said nothing"),
            exchange.ms
        ),
    }
}

fn body(text: &str, bytes: usize) -> String {
    let text = text.trim_end();
    if text.is_empty() {
        return "with an empty body".to_owned();
    }
    let line: String = text.chars().take(SHOWN).flat_map(visible).collect();
    if text.chars().count() > SHOWN {
        format!("{line}… ({bytes} bytes)")
    } else {
        line
    }
}
