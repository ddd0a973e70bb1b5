//! `diff`: two recordings, or two reports.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::run::print;
use crate::exit::Exit;
use crate::recording::{Difference, Recording, diff as compare};
use crate::report::{self, Answered, CaseReport, Report};

/// How many cases are named that show the same difference.
const NAMED: usize = 3;

/// The schema of the JSON that `diff` prints.
const SCHEMA: &str = "volplug-conformance/diff@1";

/// The flags of `diff`.
#[derive(Debug, Args)]
#[command(after_help = "EXIT STATUS:
  0  they are alike
  1  they differ
  2  they cannot be compared")]
pub(super) struct DiffArgs {
    /// A recording as `record` writes it, or a report as --format json does.
    first: PathBuf,
    /// Another one of the same kind.
    second: PathBuf,
    /// As JSON for tools.
    #[arg(long)]
    json: bool,
}

pub(super) fn diff(args: &DiffArgs) -> Result<Exit, String> {
    let (same, text) = match (read(&args.first)?, read(&args.second)?) {
        (File::Recording(first), File::Recording(second)) => {
            let found = compare(&first, &second);
            let text = if args.json {
                format!("{:#}\n", json!({"schema": SCHEMA, "recordings": found}))
            } else {
                recordings(&found)
            };
            (found.is_none(), text)
        }
        (File::Report(first), File::Report(second)) => {
            let found = changes(&first, &second);
            let answers = report::answers(&first, &second);
            let text = if args.json {
                let found = json!({"schema": SCHEMA, "cases": found, "endpoints": answers});
                format!("{found:#}\n")
            } else {
                answered(&answers) + &reports(&found, &answers)
            };
            (found.is_empty() && answers.is_empty(), text)
        }
        _ => {
            return Err("one is a recording and the other a report: give two of a kind".to_owned());
        }
    };
    print(&text)?;
    Ok(if same { Exit::Ok } else { Exit::Violation })
}

enum File {
    Recording(Recording),
    Report(Box<Report>),
}

fn read(file: &Path) -> Result<File, String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if Recording::is_one(&text) {
        return Recording::parse(&text)
            .map(File::Recording)
            .map_err(|why| format!("{shown} is no recording: {why}"));
    }
    match serde_json::from_str::<Report>(&text) {
        Ok(report) if report.schema == report::SCHEMA => Ok(File::Report(Box::new(report))),
        _ => Err(format!(
            "{shown} is neither a recording, as `record` writes it, nor a report, as --format json does"
        )),
    }
}

/// A case that ended in another way.
#[derive(serde::Serialize)]
struct Change {
    id: String,
    first: &'static str,
    second: &'static str,
    reason: Option<String>,
}

/// Answers that differ, by endpoint.
type Answers = BTreeMap<String, Vec<Answered>>;

fn changes(first: &Report, second: &Report) -> Vec<Change> {
    let (before, now) = (by_id(first), by_id(second));
    // In the order of the reports, those that only the second has at the end.
    let more = second
        .cases
        .iter()
        .filter(|case| !before.contains_key(case.id.as_str()));
    let all = first.cases.iter().chain(more);
    let changed = all.filter_map(|case| {
        let id = case.id.as_str();
        let (first, second) = (before.get(id).copied(), now.get(id).copied());
        let verdict = |case: Option<&CaseReport>| case.map_or("absent", |case| case.verdict.word());
        (verdict(first) != verdict(second)).then(|| Change {
            id: case.id.clone(),
            reason: second.or(first).and_then(|case| case.reason.clone()),
            first: verdict(first),
            second: verdict(second),
        })
    });
    changed.collect()
}

fn by_id(report: &Report) -> BTreeMap<&str, &CaseReport> {
    let cases = report.cases.iter();
    cases.map(|case| (case.id.as_str(), case)).collect()
}

fn reports(found: &[Change], answers: &Answers) -> String {
    let mut text = String::new();
    for change in found {
        let _ = writeln!(text, "{}  {} → {}", change.id, change.first, change.second);
        if let Some(reason) = &change.reason {
            let _ = writeln!(text, "    {reason}");
        }
    }
    text += &match found.len() {
        0 => "every case ended alike".to_owned(),
        1 => "1 case ended in another way".to_owned(),
        count => format!("{count} cases ended in another way"),
    };
    text + match answers.len() {
        0 => ", and every call was answered alike\n",
        _ => "\n",
    }
}

/// What the same call is answered in one report and not in the other.
fn answered(answers: &Answers) -> String {
    let mut text = String::new();
    for (path, differing) in answers {
        let _ = writeln!(text, "{path}");
        for one in differing {
            let named = one.cases.iter().take(NAMED).map(String::as_str);
            let named: Vec<&str> = named.collect();
            let more = match one.cases.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let _ = writeln!(text, "    {}  (in {}{more})", one.sent, named.join(", "));
            for answer in &one.first {
                let _ = writeln!(text, "  -   {answer}");
            }
            for answer in &one.second {
                let _ = writeln!(text, "  +   {answer}");
            }
        }
    }
    text
}

fn recordings(found: &Difference) -> String {
    if found.is_none() {
        return "the same calls, and the same answers\n".to_owned();
    }
    let mut text = String::new();
    for (path, endpoint) in &found.endpoints {
        let (first, second) = endpoint.calls;
        let _ = writeln!(
            text,
            "{path}  {first} calls in the first, {second} in the second"
        );
        for sent in &endpoint.only_first {
            let _ = writeln!(text, "  - {sent}");
        }
        for sent in &endpoint.only_second {
            let _ = writeln!(text, "  + {sent}");
        }
        for answer in &endpoint.answers {
            let _ = writeln!(text, "    {}", answer.sent);
            for answer in &answer.first {
                let _ = writeln!(text, "  -   {answer}");
            }
            for answer in &answer.second {
                let _ = writeln!(text, "  +   {answer}");
            }
        }
    }
    for other in &found.others {
        let _ = writeln!(text, "{other}");
    }
    text
}
