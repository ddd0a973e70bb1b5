//! Known failures: a file that says which cases fail today, why, and until when that is accepted.
//!
//! ```toml
//! ref.same-id-twice = { reason = "a held ID is refused, see #12", until = 2027-03-31 }
//! create.durable = "state is kept in memory only"
//! ```
//!
//! One line a case, so that the line of a case that has been mended can be named, and deleted.

mod write;

use std::ops::Range;
use std::path::Path;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use crate::catalogue;
use crate::report::{CaseReport, Verdict};
use crate::suggest;
use crate::toml_source::{TomlSource, sorted};

pub use write::{may_write, write};

/// The keys of a case's table.
const KEYS: [&str; 2] = ["reason", "until"];

/// The cases that are expected to fail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpectedFailures {
    /// What the file is called in messages.
    file: String,
    entries: Vec<Known>,
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    id: &'static str,
    reason: String,
    until: Option<Date>,
    line: usize,
}

/// What the file says about a case, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// Why the case fails.
    pub reason: String,
    /// The last day on which it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The file.
    pub file: String,
    /// The number of its line, from 1.
    pub line: usize,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The case fails, as expected: the run does not fail for it.
    FailsAsExpected,
    /// The case passes: the run fails until its line is deleted.
    PassesUnexpectedly,
    /// The case fails, and its day is over: it counts as any other failure.
    RanOut,
    /// The case was skipped: nothing is known.
    NotJudged,
}

impl Expectation {
    /// The sentence that a reader needs: what to do, and where.
    #[must_use]
    pub fn told(&self) -> String {
        let Self {
            reason, file, line, ..
        } = self;
        let until = self.until.as_deref().unwrap_or_default();
        match self.outcome {
            Outcome::FailsAsExpected if until.is_empty() => format!("expected: {reason}"),
            Outcome::FailsAsExpected => format!("expected until {until}: {reason}"),
            Outcome::PassesUnexpectedly => format!(
                "it holds, and was expected to be broken ({reason}): delete line {line} of {file}"
            ),
            Outcome::RanOut => format!(
                "it was expected to be broken until {until} ({reason}): mend it, or set another \
                 date in line {line} of {file}"
            ),
            Outcome::NotJudged => format!("expected, and not judged: {reason}"),
        }
    }
}

impl ExpectedFailures {
    /// Reads a file.
    ///
    /// # Errors
    /// A sentence with the line: the file cannot be read, names a case that does not exist, gives no
    /// reason, or has a key that is not known.
    pub fn read(path: &Path) -> Result<Self, String> {
        let source = TomlSource::read(path)?;
        let mut entries = Vec::new();
        for entry in source.entries()? {
            match entry.value {
                // `ref.same-id-twice = …` is a table `ref` to TOML.
                DeValue::Table(section) if !entry.key.contains('.') => {
                    for case in sorted(section) {
                        let id = format!("{}.{}", entry.key, case.key);
                        entries.push(known(&source, &id, &case.at, case.value)?);
                    }
                }
                value => entries.push(known(&source, &entry.key, &entry.at, value)?),
            }
        }
        let twice = entries
            .iter()
            .enumerate()
            .find(|(at, known): &(usize, &Known)| {
                let mut before = entries.iter().take(*at);
                before.any(|other| other.id == known.id)
            });
        if let Some((_, twice)) = twice {
            return Err(format!(
                "{}:{}: `{}` stands in the file twice",
                source.name(),
                twice.line,
                twice.id
            ));
        }
        Ok(Self {
            file: source.name().to_owned(),
            entries,
        })
    }

    /// What the file says about a case that has been judged, as of `today`.
    #[must_use]
    pub fn of(&self, case: &CaseReport, today: Date) -> Option<Expectation> {
        let known = self.entries.iter().find(|known| known.id == case.id)?;
        let over = known.until.is_some_and(|until| until < today);
        Some(Expectation {
            reason: known.reason.clone(),
            until: known.until.map(|until| until.to_string()),
            file: self.file.clone(),
            line: known.line,
            outcome: match case.verdict {
                Verdict::Skipped => Outcome::NotJudged,
                Verdict::Passed => Outcome::PassesUnexpectedly,
                Verdict::Failed | Verdict::Warned if over => Outcome::RanOut,
                Verdict::Failed | Verdict::Warned => Outcome::FailsAsExpected,
            },
        })
    }
}

fn known(
    source: &TomlSource,
    id: &str,
    at: &Range<usize>,
    value: DeValue<'_>,
) -> Result<Known, String> {
    let Some(case) = catalogue::find(id) else {
        let ids = catalogue::all().map(|case| case.id);
        let hint = suggest::hint(suggest::nearest(id, ids));
        return Err(source.error(at, format!("no case is called `{id}`{hint}")));
    };
    let id = case.id;
    let example = format!("{id} = \"why it fails\"");
    let (mut reason, mut until) = (None, None);
    match value {
        DeValue::String(text) => reason = Some(text.into_owned()),
        DeValue::Table(table) => {
            for entry in sorted(table) {
                match (entry.key.as_str(), entry.value) {
                    ("reason", DeValue::String(text)) => reason = Some(text.into_owned()),
                    ("until", DeValue::Datetime(day)) => until = Some(day.to_string()),
                    ("until", DeValue::String(day)) => until = Some(day.into_owned()),
                    (key, _) if KEYS.contains(&key) => {
                        let what = format!("`{key}` of `{id}` should be {}", expected(key));
                        return Err(source.error(&entry.at, what));
                    }
                    (key, _) => {
                        let hint = suggest::hint(suggest::nearest(key, KEYS));
                        let what = format!("`{id}` has no `{key}`, but a reason and until{hint}");
                        return Err(source.error(&entry.at, what));
                    }
                }
            }
        }
        _ => return Err(source.error(at, format!("it should be like this: {example}"))),
    }
    let Some(reason) = reason.filter(|reason| !reason.trim().is_empty()) else {
        return Err(source.error(at, format!("`{id}` needs a reason: {example}")));
    };
    let until = until
        .map(|day| {
            day.parse::<Date>().map_err(|_| {
                let what = format!("`until` of `{id}` should be {}", expected("until"));
                source.error(at, what)
            })
        })
        .transpose()?;
    Ok(Known {
        id,
        reason,
        until,
        line: source.line(at),
    })
}

fn expected(key: &str) -> &'static str {
    match key {
        "until" => "a day, such as 2027-03-31",
        _ => "a text",
    }
}

#[cfg(test)]
mod tests;
