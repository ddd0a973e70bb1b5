//! A TOML file whose mistakes are told with the line that they are in.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The text of a file, and what it is called in messages.
#[derive(Debug, Clone)]
pub(crate) struct TomlSource {
    name: String,
    text: String,
}

impl TomlSource {
    /// Reads `path`.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|why| format!("{name}: {why}"))?;
        Ok(Self { name, text })
    }

    /// The entries of the file in the order of its lines: key and value, each with its place.
    ///
    /// # Errors
    /// `FILE:LINE: what is wrong`.
    pub(crate) fn entries(&self) -> Result<Vec<Entry<'_>>, String> {
        let table = DeTable::parse(&self.text).map_err(|error| {
            let at = error.span().unwrap_or(0..0);
            self.error(&at, error.message().replace('\n', ", "))
        })?;
        Ok(sorted(table.into_inner()))
    }

    /// `FILE:LINE: what is wrong`.
    pub(crate) fn error(&self, at: &Range<usize>, what: impl std::fmt::Display) -> String {
        format!("{}:{}: {what}", self.name, self.line(at))
    }

    /// The number of the line in which something begins, from 1.
    pub(crate) fn line(&self, at: &Range<usize>) -> usize {
        let before = self.text.bytes().take(at.start);
        before.filter(|byte| *byte == b'\n').count() + 1
    }

    /// What the file is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A key and its value.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) at: Range<usize>,
    pub(crate) value: DeValue<'a>,
}

/// The entries of a table in the order in which they were written.
pub(crate) fn sorted<'a>(table: DeTable<'a>) -> Vec<Entry<'a>> {
    let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'a>>)| Entry {
        at: key.span(),
        key: std::borrow::Cow::into_owned(key.into_inner()),
        value: value.into_inner(),
    };
    let mut entries: Vec<Entry<'a>> = table.into_iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.at.start);
    entries
}
