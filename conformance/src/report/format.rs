//! The formats of a report, by name.

use std::str::FromStr;

use super::{Report, annotations, badge, html, human, json, junit, markdown, tap};
use crate::suggest;

/// A report format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a person at a terminal.
    Human,
    /// For scripts.
    Json,
    /// For CI servers.
    Junit,
    /// For what reads the Test Anything Protocol.
    Tap,
    /// A comment on a change.
    Markdown,
    /// Annotations of GitHub Actions, and with them the job's summary.
    Github,
    /// A badge for a README.
    Badge,
    /// A page for a browser.
    Html,
}

impl Format {
    /// All formats by their names.
    pub const ALL: [(&'static str, Self); 8] = [
        ("human", Self::Human),
        ("json", Self::Json),
        ("junit", Self::Junit),
        ("tap", Self::Tap),
        ("markdown", Self::Markdown),
        ("github", Self::Github),
        ("badge", Self::Badge),
        ("html", Self::Html),
    ];

    /// The report in this format, `width` columns wide where that means anything.
    ///
    /// # Errors
    /// A sentence when the format cannot hold the report.
    pub fn render(self, report: &Report, width: usize) -> Result<String, String> {
        Ok(match self {
            Self::Human => human(report, width),
            Self::Json => json(report).map_err(|error| error.to_string())?,
            Self::Junit => junit(report)?,
            Self::Tap => tap(report),
            Self::Markdown => markdown(report),
            Self::Github => annotations(report),
            Self::Badge => badge(report),
            Self::Html => html(report),
        })
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(name, _)| *name == text);
        known.map(|(_, format)| *format).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name);
            let hint = suggest::hint(suggest::nearest(text, names));
            format!(
                "there is no format `{text}`{hint}; there are {}",
                names.join(", ")
            )
        })
    }
}
