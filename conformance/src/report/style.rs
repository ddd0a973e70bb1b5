//! Colours and widths of the terminal reports.

use anstyle::{AnsiColor, Style};

/// Something broken.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Something questionable.
pub(super) const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// Something right.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Something to be read second.
pub(super) const DIM: Style = Style::new().dimmed();
/// A heading.
pub(super) const HEAD: Style = Style::new().bold();

/// `text` in a style. The stream that it is written to drops the codes where there is no colour.
pub(super) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
