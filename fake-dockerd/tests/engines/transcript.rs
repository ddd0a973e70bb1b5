//! What became of a script: per command its exit status and what it printed, and what the plugin was
//! asked over the whole of it, since a container that ends lets go of its volumes in its own time.
//! IDs, times and the test's own directory differ each time and are named.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;

use regex_lite::{Captures, Regex};

pub(crate) struct Transcript {
    directory: String,
    ids: Vec<String>,
    /// Commands, and what became of them; at last the plugin's calls.
    steps: Vec<(String, String)>,
}

impl Transcript {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.display().to_string(),
            ids: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// A command that has ended.
    pub(crate) fn ended(&mut self, command: &str, output: &Output) {
        let mut text = format!("exit status {:?}\n", output.status.code());
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            for line in String::from_utf8_lossy(bytes).lines() {
                // The CLI's own, when it is told of an error before it has sent everything.
                if line.contains("read/write on closed pipe") {
                    continue;
                }
                // Of columns as wide as an ID or a size, the padding is no matter.
                let words: Vec<&str> = line.split_whitespace().collect();
                let _ = writeln!(text, "{name}: {}", words.join(" "));
            }
        }
        self.add(command, &text);
    }

    /// What a list shows at the end, in whatever order.
    pub(crate) fn left(&mut self, list: &str, output: &Output) {
        self.add(
            &format!("{list} (at the end)"),
            &String::from_utf8_lossy(&output.stdout),
        );
        if let Some((_, text)) = self.steps.last_mut() {
            *text = sorted(text);
        }
    }

    /// The plugin's calls since the last time, or over all of the script: paths and bodies.
    pub(crate) fn called(&mut self, when: &str, calls: Vec<(String, String)>) {
        let lines = calls
            .iter()
            .map(|(path, body)| format!("{path} {body:?}\n"));
        self.add(when, &lines.collect::<String>());
    }

    fn add(&mut self, command: &str, text: &str) {
        let text = text.replace(&self.directory, "<directory>");
        let root = Regex::new(r"/[^ :]*/data/volumes/").unwrap();
        let text = root.replace_all(&text, "<data root>/volumes/");
        let time = Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)").unwrap();
        let text = time.replace_all(&text, "<time>");
        let ago = Regex::new(r"(About )?\S+ seconds?( ago)?|Less than a second( ago)?").unwrap();
        let text = ago.replace_all(&text, "<while>$2");
        let id = Regex::new(r"\b([0-9a-f]{64}|[0-9a-f]{12})\b").unwrap();
        // Named in the order of their first appearance: which is which has to be the same, too.
        let text = id
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
        self.steps.push((command.to_owned(), text));
    }

    /// The same with every step's lines in order and IDs that are all alike: where an engine's own
    /// order is random.
    pub(crate) fn unordered(self) -> Self {
        let id = Regex::new(r"<id \d+").unwrap();
        let alike = |text: &str| sorted(&id.replace_all(text, "<id"));
        let steps = self.steps.iter();
        let steps = steps
            .map(|(command, text)| (command.clone(), alike(text)))
            .collect();
        Self { steps, ..self }
    }

    /// The first command that did not come to the same with `ours`.
    pub(crate) fn difference(&self, ours: &Self) -> Option<String> {
        let mut pairs = self.steps.iter().zip(&ours.steps);
        let ((command, theirs), (_, ours)) = pairs.find(|(theirs, ours)| theirs != ours)?;
        Some(format!(
            "docker {command}\n--- dockerd\n{theirs}--- fake-dockerd\n{ours}"
        ))
    }
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n") + "\n"
}
