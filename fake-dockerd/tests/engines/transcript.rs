//! What became of a script: per command its exit status, what it printed, and what the plugin was
//! asked meanwhile. IDs, times and the test's own directory differ each time and are named.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;

use regex_lite::{Captures, Regex};

/// A command and what became of it.
pub(crate) struct Step {
    command: &'static str,
    text: String,
}

impl Step {
    pub(crate) fn new(
        command: &'static str,
        output: &Output,
        calls: Vec<(String, String)>,
    ) -> Self {
        let mut text = format!("exit status {:?}\n", output.status.code());
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            for line in String::from_utf8_lossy(bytes).lines() {
                // Of columns as wide as an ID or a size, the padding is no matter.
                let words: Vec<&str> = line.split_whitespace().collect();
                let _ = writeln!(text, "{name}: {}", words.join(" "));
            }
        }
        for (path, body) in calls {
            let _ = writeln!(text, "plugin: {path} {body:?}");
        }
        Self { command, text }
    }
}

pub(crate) struct Transcript {
    directory: String,
    ids: Vec<String>,
    steps: Vec<Step>,
}

impl Transcript {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.display().to_string(),
            ids: Vec::new(),
            steps: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, mut step: Step) {
        let text = step.text.replace(&self.directory, "<directory>");
        let time = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)").unwrap();
        let text = time.replace_all(&text, "<time>");
        let ago = Regex::new(r"(About )?\S+ seconds?( ago)?|Less than a second( ago)?").unwrap();
        let text = ago.replace_all(&text, "<while>$2");
        let id = Regex::new(r"\b([0-9a-f]{64}|[0-9a-f]{12})\b").unwrap();
        // Named in the order of their first appearance: which is which has to be the same, too.
        step.text = id
            .replace_all(&text, |found: &Captures<'_>| {
                let short = found[0][..12].to_owned();
                let at = self.ids.iter().position(|id| *id == short);
                let at = at.unwrap_or_else(|| {
                    self.ids.push(short);
                    self.ids.len() - 1
                });
                format!("<id {at}, {} digits>", found[0].len())
            })
            .into_owned();
        self.steps.push(step);
    }

    /// The first command that did not come to the same with `ours`.
    pub(crate) fn difference(&self, ours: &Self) -> Option<String> {
        let mut pairs = self.steps.iter().zip(&ours.steps);
        let (theirs, ours) = pairs.find(|(theirs, ours)| theirs.text != ours.text)?;
        Some(format!(
            "docker {}\n--- dockerd\n{}--- fake-dockerd\n{}",
            theirs.command, theirs.text, ours.text
        ))
    }
}
