//! The report as JSON: the contract with scripts.

use std::path::Path;

use super::{Report, SCHEMA};

/// The whole report as one JSON object, indented, with a newline at the end.
///
/// # Errors
/// None in practice: every field can be written as JSON.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

/// Reads a report that [`json`] wrote.
///
/// # Errors
/// A sentence that names the file: it cannot be read, is no such report, or one of another schema.
pub fn read(path: &Path) -> Result<Report, String> {
    let name = path.display();
    let text = std::fs::read(path).map_err(|why| format!("{name}: {why}"))?;
    let value: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|why| format!("{name} is no JSON report of volplug-conformance: {why}"))?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => {
            return Err(format!(
                "{name} has the schema `{other}`, and this program reads `{SCHEMA}`"
            ));
        }
        None => {
            return Err(format!(
                "{name} is no report: make one with --format json={name}"
            ));
        }
    }
    serde_json::from_value(value).map_err(|why| format!("{name}: {why}"))
}
