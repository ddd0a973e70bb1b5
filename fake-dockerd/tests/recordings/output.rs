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
        // The local driver keeps its volumes in a map.
        ["volume", "prune", ..] => {
            let mut lines: Vec<&str> = stdout.lines().collect();
            lines.sort_unstable();
            lines.join("\n")
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
        ["inspect", name] if !name.starts_with('-') => {
            let objects: Vec<Value> = serde_json::from_str(&stdout).unwrap_or_default();
            json!(objects.iter().map(inspected).collect::<Vec<_>>()).to_string()
        }
        ["ps", ..] => table(&stdout, &["IMAGE", "COMMAND", "STATUS", "NAMES"]),
        // Images are names here, and have no size.
        ["system", "df"] => {
            let rows = table(&stdout, &["TYPE", "TOTAL", "ACTIVE", "SIZE"]);
            let rows = rows.lines().filter(|row| !row.starts_with("Images"));
            rows.collect::<Vec<_>>().join("\n")
        }
        ["system", "df", "-v"] => {
            let volumes = stdout.split("Local Volumes space usage:").nth(1);
            let volumes = volumes.and_then(|rest| rest.split("Build cache").next());
            volumes.unwrap_or_default().trim().to_owned()
        }
        _ => stdout.trim().to_owned(),
    }
}

/// What of a container depends on what was asked, and not on the machine or the time.
fn inspected(object: &Value) -> Value {
    let (config, host, state) = (&object["Config"], &object["HostConfig"], &object["State"]);
    json!({
        "Name": object["Name"], "Path": object["Path"], "Args": object["Args"],
        "Mounts": object["Mounts"], "RestartCount": object["RestartCount"],
        "State": [
            &state["Status"], &state["Running"], &state["Paused"], &state["Restarting"],
            &state["Dead"], &state["ExitCode"], &state["Error"],
        ],
        "Config": [&config["Image"], &config["Cmd"], &config["Volumes"], &config["Labels"]],
        "HostConfig": [
            &host["Binds"], &host["VolumeDriver"], &host["VolumesFrom"], &host["RestartPolicy"],
            &host["AutoRemove"], &host["NetworkMode"],
        ],
    })
}

/// The given columns of a table that the CLI printed, without times.
fn table(stdout: &str, columns: &[&str]) -> String {
    let mut lines = stdout.lines();
    let head = lines.next().unwrap_or_default();
    let rows = lines.map(|line| {
        let cells = columns.iter().map(|column| {
            let start = head.find(column).unwrap_or(line.len());
            let cell = line.get(start..).unwrap_or_default();
            // Cells are three spaces apart, and have no two in them.
            let cell = cell.split("   ").next().unwrap_or_default().trim();
            without_time(cell)
        });
        cells.collect::<Vec<_>>().join("|")
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// `Up 6 seconds` and `Exited (0) 2 seconds ago` without how long.
fn without_time(status: &str) -> &str {
    match status.split_once(") ") {
        Some((exited, _)) if exited.starts_with("Exited (") => exited,
        _ if status.starts_with("Up ") => "Up",
        _ => status,
    }
}

/// The message of an error that the Engine API answered.
pub(crate) fn message(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["message"].as_str().unwrap_or_default().to_owned()
}
