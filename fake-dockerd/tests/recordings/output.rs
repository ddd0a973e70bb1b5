//! What commands print, as far as it is compared.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::compare::without_ids;

/// What a command prints, without what differs each time.
pub(crate) fn canonical(argv: &[&str], stdout: &str) -> String {
    let stdout = without_ids(stdout);
    match argv {
        ["volume", "ls", ..] => {
            let mut lines: Vec<String> = stdout
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .filter(|line| line != "DRIVER VOLUME NAME")
                .collect();
            lines.sort();
            lines.join("\n").trim().to_owned()
        }
        ["volume", "inspect", ..] => {
            let mut volumes: Vec<BTreeMap<String, Value>> =
                serde_json::from_str(&stdout).unwrap_or_default();
            for volume in &mut volumes {
                if volume["Driver"] == "local" {
                    volume.remove("CreatedAt");
                }
            }
            json!(volumes).to_string()
        }
        ["inspect", "-f", "{{json .Mounts}}", ..] => {
            let lines = stdout.lines().map(|line| {
                let mut mounts: Vec<BTreeMap<String, Value>> =
                    serde_json::from_str(line).unwrap_or_default();
                mounts.sort_by_key(|mount| mount["Destination"].to_string());
                json!(mounts).to_string()
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        ["inspect", "-f", "{{json .State}}", ..] => {
            let state: Value = serde_json::from_str(&stdout).unwrap_or_default();
            let error = state["Error"].as_str().unwrap_or_default().trim_end();
            format!("{} {} {error}", state["Status"], state["ExitCode"])
        }
        _ => stdout.trim().to_owned(),
    }
}
