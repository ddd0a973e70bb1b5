//! The file of what once failed: played first the next time, and by `replay`.
//!
//! One JSON object a line, each with the schema of its kind, so that files can be put together with
//! `cat` and kept in version control: a sequence of calls, docker commands, or a round of calls that
//! meet.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::sequence::Sequence;
use crate::catalogue::{LINEARIZABLE, RANDOM_COMMANDS, unclear_command};
use crate::linear::Round;
use crate::model::Invariant;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "schema")]
pub enum Entry {
    /// Calls one after the other.
    #[serde(rename = "volplug-conformance/sequence@1")]
    Sequence(KeptSequence),
    /// Docker commands.
    #[serde(rename = "volplug-conformance/commands@1")]
    Commands(KeptCommands),
    /// Calls that meet.
    #[serde(rename = "volplug-conformance/round@1")]
    Round(KeptRound),
}

/// A sequence that broke an invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptSequence {
    /// The id of the invariant.
    pub broke: String,
    /// The seed of the run that found it.
    pub seed: u64,
    /// The sequence, as short as it got.
    pub sequence: Sequence,
}

/// Docker commands that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptCommands {
    /// The id of the case.
    pub broke: String,
    /// The seed of the run that found them.
    pub seed: u64,
    /// The number of the script that they were shortened from.
    pub number: u64,
    /// Whether containers run on while the daemon is gone.
    pub live_restore: bool,
    /// The commands, as few as it took, with `{plugin}`, `{volume}` and `{other}` for the names.
    pub commands: Vec<String>,
}

/// A round whose calls have no order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptRound {
    /// The id of the case.
    pub broke: String,
    /// The seed of the run that found it.
    pub seed: u64,
    /// Its number.
    pub number: u64,
    /// What was called.
    pub round: Round,
}

impl Entry {
    /// The section or case that plays it.
    #[must_use]
    pub const fn player(&self) -> &'static str {
        match self {
            Self::Sequence(_) => "prop",
            Self::Commands(_) => RANDOM_COMMANDS,
            Self::Round(_) => LINEARIZABLE,
        }
    }

    /// What it broke.
    #[must_use]
    pub fn broke(&self) -> &str {
        match self {
            Self::Sequence(kept) => &kept.broke,
            Self::Commands(kept) => &kept.broke,
            Self::Round(kept) => &kept.broke,
        }
    }

    /// Whether it is the same, whichever run has found it.
    fn is_same(&self, other: &Self) -> bool {
        let what = match (self, other) {
            (Self::Sequence(kept), Self::Sequence(known)) => kept.sequence == known.sequence,
            (Self::Commands(kept), Self::Commands(known)) => {
                (&kept.commands, kept.live_restore) == (&known.commands, known.live_restore)
            }
            (Self::Round(kept), Self::Round(known)) => kept.round == known.round,
            _ => false,
        };
        what && self.broke() == other.broke()
    }

    /// What is wrong with it, if something is.
    fn flaw(&self) -> Option<String> {
        let broke = self.broke();
        match self {
            Self::Sequence(_) => Invariant::named(broke)
                .is_none()
                .then(|| format!("there is no invariant `{broke}`")),
            _ if broke != self.player() => Some(format!(
                "it cannot have broken `{broke}`: what it holds is played by `{}`",
                self.player()
            )),
            Self::Commands(kept) => kept.commands.iter().find_map(|line| unclear_command(line)),
            Self::Round(kept) => kept.round.flaw(),
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
    /// What this run has found.
    found: Arc<Mutex<Vec<Entry>>>,
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
            found: Arc::default(),
        })
    }

    /// The same, and nothing is ever written into the file.
    #[must_use]
    pub fn fixed(mut self) -> Self {
        self.grows = false;
        self
    }

    /// What the file holds.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The sequences of calls in the file.
    pub fn sequences(&self) -> impl Iterator<Item = &KeptSequence> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Sequence(kept) => Some(kept),
            _ => None,
        })
    }

    /// The docker commands in the file.
    pub fn commands(&self) -> impl Iterator<Item = &KeptCommands> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Commands(kept) => Some(kept),
            _ => None,
        })
    }

    /// The rounds in the file.
    pub fn rounds(&self) -> impl Iterator<Item = &KeptRound> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Round(kept) => Some(kept),
            _ => None,
        })
    }

    /// Keeps a finding, to be [written](Self::write) when the run is over.
    pub fn keep(&self, entry: Entry) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = self.entries.iter().chain(&*found);
        if !known.any(|known| known.is_same(&entry)) {
            found.push(entry);
        }
    }

    /// Adds what was kept to the file.
    ///
    /// # Errors
    /// A sentence where the file cannot be written.
    pub fn write(&self) -> Result<(), String> {
        let Some(path) = self.file.as_ref().filter(|_| self.grows) else {
            return Ok(());
        };
        let found = std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner));
        if found.is_empty() {
            return Ok(());
        }
        let written = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            for entry in &found {
                writeln!(file, "{}", serde_json::to_string(entry)?)?;
            }
            Ok(())
        };
        written().map_err(|error| {
            let shown = path.display();
            format!("--regressions: {shown} cannot be written: {error}")
        })
    }
}

/// Reads a line.
fn entry(line: &str) -> Result<Entry, String> {
    let value: serde_json::Value =
        serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}"))?;
    let schema = value.get("schema").and_then(serde_json::Value::as_str);
    if schema.is_none() {
        return Err(
            "it has no \"schema\", such as `volplug-conformance/sequence@1`: is it a line that \
             --regressions wrote?"
                .to_owned(),
        );
    }
    let entry: Entry = serde_json::from_value(value).map_err(|error| error.to_string())?;
    entry.flaw().map_or(Ok(entry), Err)
}

#[cfg(test)]
mod tests {
    use super::super::generate::sequence;
    use super::*;
    use crate::linear::round;

    fn entries() -> Vec<Entry> {
        let sequence = |broke: &str, index| {
            Entry::Sequence(KeptSequence {
                broke: broke.to_owned(),
                seed: 7,
                sequence: sequence(7, index),
            })
        };
        let commands = [
            "docker run -d --name c1 --volume-driver {plugin} -v {volume}:/data busybox sleep 600",
            "# kill -9 the plugin and start it again",
            "docker rm -f c1",
        ];
        vec![
            sequence("prop.released", 0),
            sequence("prop.agree", 1),
            Entry::Commands(KeptCommands {
                broke: RANDOM_COMMANDS.to_owned(),
                seed: 7,
                number: 3,
                live_restore: true,
                commands: commands.map(str::to_owned).to_vec(),
            }),
            Entry::Round(KeptRound {
                broke: LINEARIZABLE.to_owned(),
                seed: 7,
                number: 2,
                round: round(7, 2),
            }),
        ]
    }

    #[test]
    fn what_is_written_is_read_back_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("regressions.jsonl");
        let entries = entries();
        let empty = Regressions::read(&file).unwrap();
        for entry in entries.iter().chain(&entries) {
            empty.keep(entry.clone());
        }
        empty.write().unwrap();
        let full = Regressions::read(&file).unwrap();
        assert_eq!(full.entries(), entries);
        assert_eq!((full.sequences().count(), full.commands().count()), (2, 1));
        full.keep(entries[0].clone());
        full.write().unwrap();
        let fixed = Regressions::read(&file).unwrap().fixed();
        fixed.keep(Entry::Round(KeptRound {
            broke: LINEARIZABLE.to_owned(),
            seed: 7,
            number: 4,
            round: round(7, 4),
        }));
        fixed.write().unwrap();
        assert_eq!(Regressions::read(&file).unwrap().entries(), entries);
    }

    #[test]
    fn a_bad_line_is_told_with_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("regressions.jsonl");
        let [sequence, _, commands, round] = entries()
            .iter()
            .map(|entry| serde_json::to_string(entry).unwrap())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        for (bad, why) in [
            ("nonsense", "it is no JSON"),
            ("{}", "it has no \"schema\""),
            ("{\"schema\":\"x@1\"}", "unknown variant `x@1`"),
            (
                &sequence.replace("prop.released", "prop.x"),
                "there is no invariant `prop.x`",
            ),
            (
                &sequence.replace("\"do\":", "\"undo\":"),
                "missing field `do`",
            ),
            (
                &sequence.replace("\"seed\"", "\"sed\""),
                "unknown field `sed`",
            ),
            (
                &commands.replace("docker rm -f c1", "rm -rf /"),
                "not understood: rm -rf /",
            ),
            (
                &commands.replace(RANDOM_COMMANDS, LINEARIZABLE),
                "it cannot have broken `conc.linearizable`",
            ),
            (
                &round.replacen("\"clients\":[[", "\"clients\":[[{\"do\":\"kill\"},", 1),
                "a round is made of calls",
            ),
        ] {
            std::fs::write(&file, format!("{sequence}\n\n{bad}\n")).unwrap();
            let told = Regressions::read(&file).unwrap_err();
            assert!(told.contains("line 3: ") && told.contains(why), "{told}");
        }
    }
}
