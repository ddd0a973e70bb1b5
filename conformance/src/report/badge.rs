//! A badge for a README: an SVG that says in two words how the last run ended.

use maud::{Markup, PreEscaped, html};

use super::Report;
use super::conclusion::{Tone, conclusion, count, counts};

/// What stands on the left.
const LABEL: &str = "volume plugin";

/// How wide a letter is taken to be, in pixels; the text is fitted to what comes of it.
const LETTER: usize = 7;

/// The badge as SVG.
#[must_use]
pub fn badge(report: &Report) -> String {
    let (tone, text) = conclusion(report);
    let message = match tone {
        Tone::Good if report.summary.expected > 0 => {
            count(report.summary.expected, "known failure", "known failures")
        }
        Tone::Good => format!("{} rules hold", report.summary.passed),
        _ => text,
    };
    let colour = match tone {
        Tone::Good => "#1a7f37",
        Tone::Unsure => "#9a6700",
        Tone::Bad => "#cf222e",
    };
    let left = LABEL.len() * LETTER + 10;
    let right = message.chars().count() * LETTER + 10;
    let title = format!("{}: {}", report.target.plugin, counts(report.summary));
    drawn(&title, &message, colour, left, right).into_string()
}

fn drawn(title: &str, message: &str, colour: &str, left: usize, right: usize) -> Markup {
    let width = left + right;
    let text = |from: usize, room: usize, text: &str| {
        html! {
            text x=(from + room / 2) y="14" textLength=(room - 10) { (text) }
        }
    };
    html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height="20" role="img"
            aria-label={ (LABEL) ": " (message) } {
            title { (super::text::printable(title)) }
            clipPath id="r" { rect width=(width) height="20" rx="3" fill="#fff" {} }
            g clip-path="url(#r)" {
                rect width=(left) height="20" fill="#3d444d" {}
                rect x=(left) width=(right) height="20" fill=(colour) {}
            }
            g fill="#fff" text-anchor="middle" font-size="11"
                font-family="Verdana,Geneva,DejaVu Sans,sans-serif" {
                (text(0, left, LABEL))
                (text(left, right, message))
            }
        }
        (PreEscaped("\n"))
    }
}
