//! The report as JSON: the contract with scripts.

use super::Report;

/// The whole report as one JSON object, indented, with a newline at the end.
///
/// # Errors
/// None in practice: every field can be written as JSON.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}
