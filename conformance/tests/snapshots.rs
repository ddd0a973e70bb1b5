//! Snapshots of whole runs: the same for every seed and number of jobs, and what differs is shown.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::Path;
use std::process::{Command, Output};

const RUNNER: &str = env!("CARGO_BIN_EXE_volplug-conformance");

fn run(directory: &Path, arguments: &[&str]) -> Output {
    command(directory, arguments).output().unwrap()
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(RUNNER);
    command.args(["--reference", "--snapshots"]);
    command.arg(directory).args(arguments);
    command
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn files(directory: &Path, end: &str) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(end)).collect()
}

#[test]
fn snapshots_are_the_same_for_every_seed_number_of_jobs_and_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let first = run(
        path,
        &["--accept", "--seed", "1", "--jobs", "1", "--skip", "prop"],
    );
    assert_eq!(first.status.code(), Some(0), "{}", told(&first));
    assert!(files(path, ".snap").len() > 80, "{}", told(&first));
    // Nor do they change with where temporary files lie.
    let elsewhere = tempfile::tempdir().unwrap();
    let second = command(path, &["--seed", "2", "--jobs", "8", "--skip", "prop"])
        .env("TMPDIR", elsewhere.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(0), "{}", told(&second));
    assert!(
        told(&second).contains("no two runs of them are alike"),
        "{}",
        told(&second)
    );
    // Nothing of the machine and nothing of the run.
    for name in files(path, ".snap") {
        let text = std::fs::read_to_string(path.join(&name)).unwrap();
        assert!(!text.contains("/volplug-"), "{name}: {text}");
    }
}

#[test]
fn what_differs_is_shown_and_kept_beside_until_it_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let only = ["--only", "create.works"];
    let new = run(path, &only);
    assert_eq!(new.status.code(), Some(1), "{}", told(&new));
    assert_eq!(
        (files(path, ".snap").len(), files(path, ".snap.new").len()),
        (0, 1)
    );
    let accepted = run(path, &[&only[..], &["--accept"]].concat());
    assert_eq!(accepted.status.code(), Some(0), "{}", told(&accepted));
    assert_eq!(
        (files(path, ".snap").len(), files(path, ".snap.new").len()),
        (1, 0)
    );
    let file = path.join("create.works.snap");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("---\nsource: ") && text.contains("> POST /VolumeDriver.Create"),
        "{text}"
    );
    std::fs::write(&file, text.replace("< 200", "< 299")).unwrap();
    let differing = run(path, &only);
    assert_eq!(differing.status.code(), Some(1));
    assert!(
        told(&differing).contains("-< 299") && told(&differing).contains("+< 200"),
        "{}",
        told(&differing)
    );
}
