//! What is replaced in a snapshot, as one table.

use std::path::PathBuf;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

use crate::recording::Mask;
use crate::report::Report;

/// Something that differs from run to run, and what stands for it.
#[derive(Debug, Clone, Copy)]
pub struct Redaction {
    /// What it is.
    pub what: &'static str,
    /// The pattern; empty where it is known from the run and not by its looks.
    pub pattern: &'static str,
    /// What stands for it.
    pub shown: &'static str,
}

const fn by_looks(what: &'static str, pattern: &'static str, shown: &'static str) -> Redaction {
    Redaction {
        what,
        pattern,
        shown,
    }
}

const fn known(what: &'static str, shown: &'static str) -> Redaction {
    Redaction {
        what,
        pattern: "",
        shown,
    }
}

/// Everything that is replaced. Secrets are masked before an exchange is kept at all. The same ID
/// and the same mountpoint keep the same number within a case.
pub const REDACTIONS: &[Redaction] = &[
    known(
        "the value of Content-Length, which changes with names and paths",
        "[length]",
    ),
    known("the value of Date", "[time]"),
    known("a mountpoint that the plugin answered", "[mountpoint N]"),
    known("what the names of a run begin with", "[run]"),
    known("a volume whose name does not begin so", "[volume N]"),
    known("the value of an option whose name looks secret", "***"),
    known("volumes in a List that the case itself does not name", ""),
    known(
        "the directory of the run, in the one for temporary files",
        "[work]",
    ),
    by_looks(
        "a time",
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?",
        "[time]",
    ),
    by_looks("a mount ID", r"\b[0-9a-f]{64}\b", "[id N]"),
    by_looks("a random text of a case", r"\b[0-9a-f]{8,}\b", "[random]"),
    by_looks(
        "how long something took",
        r"\b\d+(\.\d+)? ?m?s\b",
        "[duration]",
    ),
    by_looks("a process", r"\bpid \d+", "pid [n]"),
];

/// Where the directories of runs lie.
fn temporary() -> PathBuf {
    let named = std::env::temp_dir();
    named.canonicalize().unwrap_or(named)
}

/// Replaces in the exchanges of one case.
pub(super) struct Redactor {
    prefix: String,
    socket: String,
    /// The directories of runs.
    work: Option<Regex>,
    mountpoints: Vec<String>,
    /// The volumes that the case has named so far.
    names: Vec<String>,
    mask: Mask,
}

/// The patterns of [`REDACTIONS`], compiled.
static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let patterns = REDACTIONS
        .iter()
        .filter(|redaction| !redaction.pattern.is_empty());
    patterns
        .filter_map(|redaction| Some((Regex::new(redaction.pattern).ok()?, redaction.shown)))
        .collect()
});

impl Redactor {
    pub(super) fn new(prefix: &str, report: &Report) -> Self {
        Self {
            prefix: prefix.to_owned(),
            socket: report
                .target
                .address
                .trim_start_matches("unix://")
                .to_owned(),
            work: Regex::new(&format!(
                "{}/volplug-[A-Za-z0-9]+",
                regex_lite::escape(&temporary().to_string_lossy())
            ))
            .ok(),
            mountpoints: Vec::new(),
            names: Vec::new(),
            mask: Mask::default(),
        }
    }

    /// Header lines; those whose values differ from run to run without theirs.
    pub(super) fn headers<'a>(
        &self,
        headers: &'a [(String, String)],
    ) -> impl Iterator<Item = String> + 'a {
        headers
            .iter()
            .map(|(name, value)| match name.to_ascii_lowercase().as_str() {
                "content-length" => format!("{name}: [length]"),
                "date" => format!("{name}: [time]"),
                _ => format!("{name}: {value}"),
            })
    }

    /// The body of a request; the volume that it names is of the case from now on.
    pub(super) fn request(&mut self, body: &str) -> String {
        let value: Value = serde_json::from_str(body).unwrap_or_default();
        if let Some(name) = value
            .get("Name")
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
            && !self.names.iter().any(|known| known == name)
        {
            self.names.push(name.to_owned());
        }
        self.mask.body(body.trim_end().to_owned())
    }

    /// The body of an answer; the mountpoints in it are replaced from now on wherever they stand.
    pub(super) fn answer(&mut self, body: &str) -> String {
        let mut text = body.trim_end().to_owned();
        if let Ok(mut value) = serde_json::from_str::<Value>(body) {
            if let Some(volumes) = value.get_mut("Volumes").and_then(Value::as_array_mut) {
                let own = |volume: &Value| {
                    let name = volume["Name"].as_str().unwrap_or_default();
                    self.names.iter().any(|known| known == name)
                };
                let before = volumes.len();
                volumes.retain(own);
                if volumes.len() < before {
                    text = value.to_string();
                }
            }
            self.learn(&value);
        }
        self.mask.known(text)
    }

    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(path) = members.get("Mountpoint").and_then(Value::as_str)
                    && path.starts_with('/')
                    && !self.mountpoints.iter().any(|known| known == path)
                {
                    self.mountpoints.push(path.to_owned());
                }
                members.values().for_each(|member| self.learn(member));
            }
            Value::Array(values) => values.iter().for_each(|value| self.learn(value)),
            _ => {}
        }
    }

    /// Whether a name is ordinary, and not one that shows where it comes from.
    fn is_other(&self, name: &str) -> bool {
        let ordinary = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
        name.len() >= 12
            && name.len() < 64
            && name.chars().all(ordinary)
            && !name.contains(&self.prefix)
    }

    /// The whole text, everything replaced.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let mut paths: Vec<_> = self.mountpoints.iter().enumerate().collect();
        // The longest first: one may be the start of another.
        paths.sort_by_key(|(_, path)| std::cmp::Reverse(path.len()));
        for (at, path) in paths {
            text = text.replace(path, &format!("[mountpoint {}]", at + 1));
        }
        if !self.socket.is_empty() {
            text = text.replace(&self.socket, "[socket]");
        }
        let mut others: Vec<_> = self
            .names
            .iter()
            .filter(|name| self.is_other(name))
            .enumerate()
            .collect();
        others.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
        for (at, name) in others {
            text = text.replace(name.as_str(), &format!("[volume {}]", at + 1));
        }
        text = text.replace(&self.prefix, "[run]");
        text = text.replace(&self.prefix.to_uppercase(), "[RUN]");
        if let Some(work) = &self.work {
            text = work.replace_all(&text, "[work]").into_owned();
        }
        replaced(text)
    }
}

/// A text in which everything is replaced that is known by its looks.
pub(crate) fn replaced(mut text: String) -> String {
    for (pattern, shown) in PATTERNS.iter() {
        let mut seen: Vec<String> = Vec::new();
        let replaced = pattern.replace_all(&text, |found: &regex_lite::Captures<'_>| {
            let found = found.get(0).map_or("", |found| found.as_str());
            let at = seen
                .iter()
                .position(|known| known == found)
                .unwrap_or_else(|| {
                    seen.push(found.to_owned());
                    seen.len() - 1
                });
            shown.replace("N]", &format!("{}]", at + 1))
        });
        text = replaced.into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced() {
        let report = Report::new(crate::report::TargetInfo::default(), 1, Vec::new());
        let mut redactor = Redactor::new("vpabcd", &report);
        let id = "0123456789abcdef".repeat(4);
        let other = "f".repeat(64);
        let body = redactor.answer("{\"Mountpoint\":\"/var/lib/x/vpabcd-a-1\"}\n");
        let work = temporary().join("volplug-aBc123/x");
        let work = work.display();
        let text = redactor.text(&format!(
            "{body} {id} {other} {id} 2026-01-02T03:04:05.6Z {work} vpabcd-b deadbeef01 12 ms"
        ));
        assert_eq!(
            text,
            "{\"Mountpoint\":\"[mountpoint 1]\"} [id 1] [id 2] [id 1] [time] [work]/x [run]-b [random] [duration]"
        );
    }

    #[test]
    fn every_pattern_is_one() {
        for redaction in REDACTIONS {
            assert!(Regex::new(redaction.pattern).is_ok(), "{}", redaction.what);
        }
    }
}
