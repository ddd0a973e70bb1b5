//! Lines, wrapped text and commands within a width.

use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter};

use super::super::style::{DIM, HEAD, styled};

/// Where the text of a labelled line begins.
const COLUMN: usize = 12;

/// Text being laid out.
pub(super) struct Page {
    out: String,
    width: usize,
}

impl Page {
    pub(super) const fn new(width: usize) -> Self {
        Self {
            out: String::new(),
            width,
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    /// A line as it is.
    pub(super) fn line(&mut self, text: &str) {
        self.out += text;
        self.out.push('\n');
    }

    /// How wide the text may be.
    pub(super) const fn width(&self) -> usize {
        self.width
    }

    /// An empty line, but never two.
    pub(super) fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A heading with a rule beneath it.
    pub(super) fn heading(&mut self, text: &str) {
        self.blank();
        self.line(&styled(HEAD, text));
        self.line(&styled(DIM, "─".repeat(display_width(text))));
    }

    /// Wrapped text.
    pub(super) fn paragraph(&mut self, text: &str, indent: usize) {
        for line in self.wrap(text, indent) {
            self.line(&format!("{}{line}", " ".repeat(indent)));
        }
    }

    /// Wrapped text to be read second.
    pub(super) fn dim_paragraph(&mut self, text: &str, indent: usize) {
        for line in self.wrap(text, indent) {
            self.line(&format!("{}{}", " ".repeat(indent), styled(DIM, line)));
        }
    }

    /// `label   text`, the text wrapped in its own column. `length` is what the label takes on the
    /// screen, which its colour codes do not tell.
    pub(super) fn labelled(&mut self, label: &str, length: usize, text: &str) {
        let mut start = format!("  {label}{}", " ".repeat(COLUMN.saturating_sub(length + 2)));
        for line in self.wrap(text, COLUMN) {
            self.line(&format!("{start}{line}"));
            start = " ".repeat(COLUMN);
        }
    }

    /// A command in the column of labelled text; where it does not fit, it goes on behind a
    /// backslash, so that it can be copied whole.
    pub(super) fn command(&mut self, label: &str, length: usize, command: &str) {
        let mut start = format!("  {label}{}", " ".repeat(COLUMN.saturating_sub(length + 2)));
        let room = self.width.saturating_sub(COLUMN + 2).max(20);
        let mut line = String::new();
        // Only blanks between words may be broken at; inside quotes they are part of a word.
        for word in shell_pieces(command) {
            if !line.is_empty() && display_width(&line) + 1 + display_width(word) > room {
                self.line(&format!("{start}{line} \\"));
                start = " ".repeat(COLUMN + 2);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
        self.line(&format!("{start}{line}"));
    }

    fn wrap<'a>(&self, text: &'a str, indent: usize) -> Vec<std::borrow::Cow<'a, str>> {
        let room = self.width.saturating_sub(indent).max(20);
        // Paths and JSON are broken only where they are too long for a line of their own.
        let options = Options::new(room)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation);
        textwrap::wrap(text, options)
    }
}

/// Splits a command at blanks outside of quotes; comments stay whole.
fn shell_pieces(command: &str) -> Vec<&str> {
    if command.starts_with('#') {
        return vec![command];
    }
    let mut pieces = Vec::new();
    let (mut start, mut quote, mut escaped) = (0, None, false);
    for (at, c) in command.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => {
                pieces.extend(command.get(start..at).filter(|piece| !piece.is_empty()));
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.extend(command.get(start..).filter(|piece| !piece.is_empty()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::{Page, shell_pieces};

    #[test]
    fn commands_are_broken_between_words_only() {
        assert_eq!(
            shell_pieces("a 'b c' \"d \\\" e\" f\\ g"),
            ["a", "'b c'", "\"d \\\" e\"", "f\\ g"]
        );
        let mut page = Page::new(40);
        page.command(
            "curl",
            4,
            "curl -s --unix-socket $S -d '{\"Name\":\"v 1\"}' http://plugin/x",
        );
        assert_eq!(
            page.finish(),
            "  curl      curl -s --unix-socket $S \\\n              -d '{\"Name\":\"v 1\"}' \\\n              http://plugin/x\n"
        );
    }

    #[test]
    fn labelled_text_stays_in_its_column() {
        let mut page = Page::new(40);
        page.labelled("got", 3, "one two three four five six seven eight");
        assert_eq!(
            page.finish(),
            "  got       one two three four five six\n            seven eight\n"
        );
    }
}
