//! The file of sequences that once failed: played first the next time, and by `replay`.
//!
//! One JSON object a line, each with its schema, so that files can be put together with `cat` and
//! kept in version control.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sequence::Sequence;

/// The schema of a line.
pub const SCHEMA: &str = "volplug-conformance/sequence@1";

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: String,
    /// The id of the invariant that it broke.
    pub broke: String,
    /// The seed of the run that found it.
    pub seed: u64,
    /// The sequence, as short as it got.
    pub sequence: Sequence,
}

impl Entry {
    /// A line for a sequence that broke the invariant `broke`.
    #[must_use]
    pub fn new(broke: &str, seed: u64, sequence: Sequence) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            broke: broke.to_owned(),
            seed,
            sequence,
        }
    }
}

/// A file of regressions, read before the run.
#[derive(Debug, Clone, Default)]
pub struct Regressions {
    file: Option<PathBuf>,
    entries: Vec<Entry>,
    /// Whether new findings are written into the file.
    grows: bool,
}

impl Regressions {
    /// Reads `file`; where there is none, it is made when there is something to write.
    ///
    /// # Errors
    /// A sentence with the file, the line and what is wrong with it.
    pub fn read(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{shown} cannot be read: {error}")),
        };
        let mut entries = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            entries.push(entry(line).map_err(|why| format!("{shown}, line {number}: {why}"))?);
        }
        Ok(Self {
            file: Some(file.to_owned()),
            entries,
            grows: true,
        })
    }

    /// The same, and nothing is ever written into the file.
    #[must_use]
    pub const fn fixed(mut self) -> Self {
        self.grows = false;
        self
    }

    /// What the file holds.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds a line to the file, unless it is there.
    ///
    /// # Errors
    /// A sentence where the file cannot be written.
    pub fn add(&self, entry: &Entry) -> Result<(), String> {
        let Some(file) = self.file.as_ref().filter(|_| self.grows) else {
            return Ok(());
        };
        let is_there =
            |known: &Entry| known.sequence == entry.sequence && known.broke == entry.broke;
        if self.entries.iter().any(is_there) {
            return Ok(());
        }
        let told = |error: &dyn std::fmt::Display| {
            format!(
                "--regressions: {} cannot be written: {error}",
                file.display()
            )
        };
        let line = serde_json::to_string(entry).map_err(|error| told(&error))?;
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| writeln!(file, "{line}"))
            .map_err(|error| told(&error))
    }
}

fn entry(line: &str) -> Result<Entry, String> {
    let value: serde_json::Value =
        serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}"))?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => {
            return Err(format!("its schema is `{other}`, and should be `{SCHEMA}`"));
        }
        None => return Err(format!("it has no \"schema\"; it should be `{SCHEMA}`")),
    }
    let entry: Entry =
        serde_json::from_value(value).map_err(|error| format!("it is no sequence: {error}"))?;
    if crate::model::Invariant::named(&entry.broke).is_none() {
        return Err(format!("there is no invariant `{}`", entry.broke));
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::super::generate::sequence;
    use super::*;

    #[test]
    fn what_is_written_is_read_back_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("regressions.jsonl");
        let entries = [0, 1].map(|index| Entry::new("prop.released", 7, sequence(7, index)));
        let empty = Regressions::read(&file).unwrap();
        for entry in &entries {
            empty.add(entry).unwrap();
        }
        let full = Regressions::read(&file).unwrap();
        assert_eq!(full.entries(), entries);
        full.add(&entries[0]).unwrap();
        full.fixed()
            .add(&Entry::new("prop.agree", 7, sequence(7, 3)))
            .unwrap();
        assert_eq!(Regressions::read(&file).unwrap().entries(), entries);
    }

    #[test]
    fn a_bad_line_is_told_with_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("regressions.jsonl");
        let good = serde_json::to_string(&Entry::new("prop.agree", 1, sequence(1, 0))).unwrap();
        for (bad, why) in [
            ("nonsense", "it is no JSON"),
            ("{}", "it has no \"schema\""),
            ("{\"schema\":\"x@1\"}", "its schema is `x@1`"),
            (
                &good.replace("prop.agree", "prop.x"),
                "there is no invariant `prop.x`",
            ),
            (&good.replace("\"do\":", "\"undo\":"), "it is no sequence"),
        ] {
            std::fs::write(&file, format!("{good}\n\n{bad}\n")).unwrap();
            let told = Regressions::read(&file).unwrap_err();
            assert!(told.contains("line 3: ") && told.contains(why), "{told}");
        }
    }
}
