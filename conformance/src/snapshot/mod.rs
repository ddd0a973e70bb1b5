//! Snapshots: what each case sent and what came back, kept from one run to the next, so that an
//! author sees what a change did to the wire also where every rule still holds.
//!
//! Files are those of the crate insta, and so is the way of working: what differs is written as
//! `NAME.snap.new` beside `NAME.snap`, and accepted with `--accept` or `cargo insta review`. What
//! differs from run to run is replaced as [`REDACTIONS`] declares.

mod file;
mod redact;

use std::path::{Path, PathBuf};

pub(crate) use redact::replaced;
pub use redact::{REDACTIONS, Redaction};

use crate::report::{CaseReport, Report, Verdict};
use file::{Snap, is_found_by_cargo_insta, pending};
use redact::Redactor;

/// Cases of which no two runs are alike, and why: sections, or single cases.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("conc", "calls at the same time are answered in any order"),
    ("enc.escapes", "names are written in escapes"),
    ("http.disconnect", "connections break off at any moment"),
    ("http.malformed", "bodies are cut and altered at random"),
    ("prop", "play is random"),
    (
        "ref.sequence-cp-two-targets",
        "an engine walks through its volumes in any order",
    ),
    ("restart.any-moment", "kills come at any moment"),
    (
        "restart.graceful",
        "the signal meets calls that are under way",
    ),
    (
        "sec",
        "hostile names are made of random texts and of the machine's paths",
    ),
    (
        "sequence",
        "an engine walks through its volumes in any order",
    ),
];

/// What became of the snapshots of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Cases whose exchange is as it was.
    pub same: usize,
    /// Those that differ, or are new: id, and the difference as a text.
    pub differing: Vec<(String, String)>,
    /// Those that were accepted.
    pub accepted: Vec<String>,
    /// Those that have no snapshot, since no two runs are alike.
    pub left_out: usize,
}

impl Outcome {
    /// The end of a report, for a person.
    #[must_use]
    pub fn told(&self, directory: &Path) -> String {
        let mut text = String::new();
        for (id, difference) in &self.differing {
            text += &format!(
                "{} snapshot of {id}\n{difference}\n",
                crate::report::cross()
            );
        }
        text += &format!("snapshots: {} alike", self.same);
        if !self.accepted.is_empty() {
            text += &format!(", {} accepted", self.accepted.len());
        }
        if !self.differing.is_empty() {
            let shown = directory.display();
            let taken = if is_found_by_cargo_insta(directory) {
                "--accept or `cargo insta review` takes them"
            } else {
                "--accept takes them"
            };
            text += &format!(
                ", {} differ: see {shown}/*.snap.new; {taken}",
                self.differing.len()
            );
        }
        if self.left_out > 0 {
            let why: Vec<String> = LEFT_OUT
                .iter()
                .map(|(what, why)| format!("{what}: {why}"))
                .collect();
            text += &format!(
                "\n{} cases have none, as no two runs of them are alike ({})",
                self.left_out,
                why.join("; ")
            );
        }
        text + "\n"
    }
}

/// Compares the exchanges of a run with those kept in `directory`; `accept` keeps the new ones.
/// `prefix` is what the run's own names begin with.
///
/// # Errors
/// A sentence where a file cannot be read or written.
pub fn check(
    report: &Report,
    prefix: &str,
    directory: &Path,
    accept: bool,
) -> Result<Outcome, String> {
    let told =
        |path: &Path, error: std::io::Error| format!("--snapshots: {}: {error}", path.display());
    std::fs::create_dir_all(directory).map_err(|error| told(directory, error))?;
    let mut outcome = Outcome::default();
    for case in &report.cases {
        if is_left_out(&case.id) {
            outcome.left_out += usize::from(case.verdict != Verdict::Skipped);
            continue;
        }
        // What did not run says nothing about the wire.
        if case.verdict == Verdict::Skipped || case.transcript.is_empty() {
            continue;
        }
        let path = directory.join(format!("{}.snap", case.id));
        let fresh = Snap::new(&case.title, &exchange(case, prefix, report));
        let kept = Snap::read(&path).map_err(|error| told(&path, error))?;
        let new = pending(&path);
        if kept.as_ref().is_some_and(|kept| kept == fresh.content()) {
            outcome.same += 1;
            remove(&new).map_err(|error| told(&new, error))?;
        } else if accept {
            fresh.write(&path).map_err(|error| told(&path, error))?;
            remove(&new).map_err(|error| told(&new, error))?;
            outcome.accepted.push(case.id.clone());
        } else {
            fresh.write(&new).map_err(|error| told(&new, error))?;
            let before = kept.unwrap_or_default();
            let difference = similar::TextDiff::from_lines(before.as_str(), fresh.content())
                .unified_diff()
                .context_radius(3)
                .missing_newline_hint(false)
                .to_string();
            outcome.differing.push((case.id.clone(), difference));
        }
    }
    Ok(outcome)
}

/// Whether a case has no snapshot.
#[must_use]
pub fn is_left_out(id: &str) -> bool {
    let section = id.split('.').next().unwrap_or(id);
    LEFT_OUT
        .iter()
        .any(|(what, _)| *what == id || *what == section)
}

fn remove(path: &PathBuf) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The exchange of a case as its snapshot shows it.
fn exchange(case: &CaseReport, prefix: &str, report: &Report) -> String {
    let mut redactor = Redactor::new(prefix, report);
    let mut lines = vec![format!("{} {:?}", case.level, case.verdict).to_lowercase()];
    for exchange in &case.transcript {
        lines.push(String::new());
        lines.extend(exchange.before.iter().map(|step| format!("# {step}")));
        let request = &exchange.request;
        lines.push(format!("> {} {}", request.method, request.path));
        lines.extend(
            redactor
                .headers(&request.headers)
                .map(|header| format!("> {header}")),
        );
        lines.push(format!("> {}", redactor.request(&request.body)));
        match &exchange.response {
            Some(response) => {
                lines.push(format!("< {}", response.status));
                lines.extend(
                    redactor
                        .headers(&response.headers)
                        .map(|header| format!("< {header}")),
                );
                lines.push(format!("< {}", redactor.answer(&response.body)));
            }
            None => lines.push("< (nothing)".to_owned()),
        }
    }
    if case.transcript_left_out > 0 {
        lines.push("# … and more in the middle".to_owned());
    }
    lines.extend(case.afterwards.iter().map(|step| format!("# {step}")));
    redactor.text(&lines.join("\n"))
}
