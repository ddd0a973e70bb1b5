//! The suite beside things that others made: a real plugin, a real schema. Where one cannot be had
//! the test is ignored, with the reason in its name, and never passed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let schema = std::env::var("VOLPLUG_JUNIT_SCHEMA").ok();
    let trials = vec![
        trial(
            "junit_keeps_to_the_schema",
            missing_schema(schema.as_deref()),
            move || junit_keeps_to_the_schema(schema.as_deref().unwrap_or_default()),
        ),
        trial(
            "rclone_gets_the_findings_that_were_verified",
            missing_rclone(),
            rclone_findings,
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A test that is ignored where something is missing.
fn trial(
    name: &str,
    missing: Option<String>,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let name = missing
        .as_ref()
        .map_or_else(|| name.to_owned(), |why| format!("{name} (skipped: {why})"));
    Trial::test(name, test).with_ignored_flag(missing.is_some())
}

fn has(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok()
}

fn missing_schema(schema: Option<&str>) -> Option<String> {
    match schema {
        None => Some("VOLPLUG_JUNIT_SCHEMA names no schema, ci/test fetches it".to_owned()),
        Some(path) if !Path::new(path).exists() => Some(format!("{path} does not exist")),
        Some(_) if !has("xmllint", "--version") => Some("xmllint is not installed".to_owned()),
        Some(_) => None,
    }
}

fn missing_rclone() -> Option<String> {
    if !has("rclone", "version") {
        Some("rclone is not installed".to_owned())
    } else if !has("fusermount3", "--version") || !Path::new("/dev/fuse").exists() {
        Some("there is no FUSE here".to_owned())
    } else if !nix::unistd::geteuid().is_root() {
        Some("mounting needs root here".to_owned())
    } else {
        None
    }
}

/// A whole report, findings and skips included, against the schema of Jenkins.
fn junit_keeps_to_the_schema(schema: &str) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("report.xml");
    let output = Command::new(env!("CARGO_BIN_EXE_volplug-conformance"))
        .args([
            "--reference",
            "--hostile=off",
            "--only=sec",
            "--only=glob",
            "--opt",
            "bogus=1",
            "--format",
        ])
        .arg(format!("junit={}", file.display()))
        .output()?;
    let xml = std::fs::read_to_string(&file)?;
    for part in ["<failure", "<skipped", "<testcase"] {
        if !xml.contains(part) {
            return Err(format!("the report holds no {part}: {}\n{xml}", output.status).into());
        }
    }
    let output = Command::new("xmllint")
        .args(["--noout", "--schema", schema])
        .arg(&file)
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }
}

/// `rclone serve docker` as Debian has it, on local directories. Each finding of the snapshot was
/// seen by hand before it was kept.
fn rclone_findings() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("report.json");
    let version = Command::new("rclone").arg("version").output()?;
    let version = String::from_utf8_lossy(&version.stdout)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    let output = Command::new(env!("CARGO_BIN_EXE_volplug-conformance"))
        .args(["--exec", "rclone serve docker --socket-addr {socket} --base-dir {work}/mnt --cache-dir {work}/cache --config {work}/rclone.conf"])
        .args(["--opt", "type=local", "--opt", "path=/tmp/volplug-rclone/{volume}"])
        .args(["--prepare", "mkdir -p /tmp/volplug-rclone/{volume}"])
        .args(["--cleanup", "rm -rf /tmp/volplug-rclone/{volume}"])
        // It locks up when Mount and Unmount meet, now here, now there: what is pinned is what one call
        // after the other shows.
        .args(["--jobs", "1", "--skip", "conc", "--skip", "err.answers"])
        // So many sequences, however long they take: its mounts are slow.
        .args(["--sequences", "60"])
        .args(["--seed", "1", "--timeout", "3", "--format"])
        .arg(format!("json={}", file.display()))
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value =
        serde_json::from_slice(&std::fs::read(&file)?).map_err(|e| format!("{e}\n{told}"))?;
    let lines: Vec<String> = report["cases"]
        .as_array()
        .ok_or("no cases")?
        .iter()
        .filter(|case| case["verdict"] == "failed" || case["verdict"] == "warned")
        // Where it happens to lock up, whatever is asked next goes unanswered.
        .filter(|case| {
            let reason = case["reason"].as_str().unwrap_or_default();
            !reason.contains("gave no answer")
        })
        .map(|case| {
            let text = |key: &str| case[key].as_str().unwrap_or_default();
            let cause = case["explained_by"]
                .as_str()
                .map(|id| format!(" (explained by {id})"));
            format!(
                "{} {}{}",
                text("verdict"),
                text("id"),
                cause.unwrap_or_default()
            )
        })
        .collect();
    if version != "rclone v1.60.1-DEV" {
        // Another rclone has other faults: those of this one are pinned.
        println!(
            "{version} was judged, the findings kept are those of v1.60.1-DEV:\n{}",
            lines.join("\n")
        );
        return Ok(());
    }
    insta::assert_snapshot!("rclone_1_60_1", lines.join("\n"));
    Ok(())
}
