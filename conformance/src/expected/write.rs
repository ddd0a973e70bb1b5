//! Makes the first file of expected failures, from a run.

use std::io::Write as _;
use std::path::Path;

use crate::report::{Report, Verdict};

/// The longest reason that is made from a finding.
const LONGEST: usize = 160;

/// Whether the file could be made: one that exists holds reasons that somebody wrote.
///
/// # Errors
/// A sentence that says what to do instead.
pub fn may_write(path: &Path) -> Result<(), String> {
    if path.exists() {
        return Err(format!(
            "--write-expected-failures: {0} exists, and its reasons would be lost: judge by it with \
             --expected-failures {0}, or delete it first",
            path.display()
        ));
    }
    Ok(())
}

/// Writes the cases for which the run failed, and says how many.
///
/// # Errors
/// A sentence that names the file.
pub fn write(path: &Path, report: &Report) -> Result<usize, String> {
    let failed = || {
        report
            .failures()
            .filter(|case| case.verdict == Verdict::Failed)
    };
    let mut text = format!(
        "# What is known to be broken in {}. One line a case: a reason and, if you like, the last\n\
         # day on which it may be: {{ reason = \"…\", until = 2030-12-31 }}. Delete what is mended.\n",
        report.target.plugin.escape_default()
    );
    for case in failed() {
        let got = case.actual.as_deref().or(case.reason.as_deref());
        let reason = one_line(got.unwrap_or_default());
        text += &format!("{} = {}\n", case.id, quoted(&reason));
    }
    let told =
        |why: std::io::Error| format!("--write-expected-failures: {}: {why}", path.display());
    let mut file = std::fs::File::create_new(path).map_err(told)?;
    file.write_all(text.as_bytes()).map_err(told)?;
    Ok(failed().count())
}

/// A string of TOML: one of JSON without control characters is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The start of a text, without anything that would break the line.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let words: String = plain.collect();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", words.get(..end).unwrap_or_default()),
        None => words,
    }
}
