//! `diff`: two recordings, or two reports.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::run::print;
use crate::exit::Exit;
use crate::recording::{Difference, Recording, diff as compare};

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
            let text = if args.json {
                format!("{:#}\n", json!({"schema": SCHEMA, "cases": found}))
            } else {
                reports(&found)
            };
            (found.is_empty(), text)
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
    Report(Report),
}

/// As much of a report as is compared.
#[derive(Deserialize)]
struct Report {
    schema: String,
    cases: Vec<Case>,
}

#[derive(Deserialize, Clone, PartialEq)]
struct Case {
    id: String,
    verdict: String,
    reason: Option<String>,
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
        Ok(report) if report.schema == crate::report::SCHEMA => Ok(File::Report(report)),
        _ => Err(format!(
            "{shown} is neither a recording, as `record` writes it, nor a report, as --format json does"
        )),
    }
}

/// A case that ended in another way.
#[derive(serde::Serialize)]
struct Change {
    id: String,
    first: String,
    second: String,
    reason: Option<String>,
}

fn changes(first: &Report, second: &Report) -> Vec<Change> {
    let by_id = |report: &Report| {
        let cases = report
            .cases
            .iter()
            .map(|case| (case.id.clone(), case.clone()));
        cases.collect::<BTreeMap<_, _>>()
    };
    let (before, now) = (by_id(first), by_id(second));
    // In the order of the reports, those that only the second has at the end.
    let more = second
        .cases
        .iter()
        .filter(|case| !before.contains_key(&case.id));
    let all = first.cases.iter().chain(more);
    let changed = all.filter_map(|case| {
        let verdict = |of: &BTreeMap<String, Case>| {
            of.get(&case.id)
                .map_or_else(|| "absent".to_owned(), |case| case.verdict.clone())
        };
        let (first, second) = (verdict(&before), verdict(&now));
        (first != second).then(|| Change {
            id: case.id.clone(),
            reason: now
                .get(&case.id)
                .or(before.get(&case.id))
                .and_then(|case| case.reason.clone()),
            first,
            second,
        })
    });
    changed.collect()
}

fn reports(found: &[Change]) -> String {
    let mut text = String::new();
    for change in found {
        let _ = writeln!(text, "{}  {} → {}", change.id, change.first, change.second);
        if let Some(reason) = &change.reason {
            let _ = writeln!(text, "    {reason}");
        }
    }
    match found.len() {
        0 => "every case ended alike\n".to_owned(),
        count => text + &format!("{count} cases ended in another way\n"),
    }
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
