//! Recordings are played against plugins and compared, and so are two recordings or two reports.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use volplug_conformance::recording::{Recording, diff};

const RUNNER: &str = env!("CARGO_BIN_EXE_volplug-conformance");

fn run(arguments: &[&str]) -> Output {
    Command::new(RUNNER).args(arguments).output().unwrap()
}

fn fixture(engine: &str, scenario: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/recordings")
        .join(engine)
        .join(format!("{scenario}.json"))
}

fn stdout(output: &Output) -> String {
    assert!(
        !output.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes a recording in which `from` was `to`, and gives its path.
fn altered(directory: &Path, recording: &Path, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(recording).unwrap();
    assert!(text.contains(from));
    let path = directory.join("altered.json");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_engines_sent_is_answered_by_the_reference_driver_as_it_was_recorded() {
    for scenario in [
        "copy-up-two",
        "docker-cp",
        "volumes-from",
        "anonymous-volume",
    ] {
        let path = fixture("26.1.5", scenario);
        let output = run(&["replay", path.to_str().unwrap(), "--reference"]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{scenario}: {}",
            stdout(&output)
        );
        assert!(stdout(&output).contains("calls played"), "{scenario}");
    }
}

#[test]
fn an_answer_that_differs_is_shown_as_sent_recorded_and_got() {
    let directory = tempfile::tempdir().unwrap();
    let path = fixture("26.1.5", "copy-up-two");
    let file = altered(
        directory.path(),
        &path,
        "\\\"Scope\\\":\\\"local\\\"",
        "\\\"Scope\\\":\\\"global\\\"",
    );
    let output = run(&["replay", &file, "--reference"]);
    let told = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for part in [
        "/VolumeDriver.Capabilities",
        "sent",
        "recorded  200",
        "got       200",
        "Scope is local, and was global",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let output = run(&["replay", &file, "--reference", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "volplug-conformance/replay@1");
    assert_eq!(report["differing"], serde_json::json!([1]));
}

#[test]
fn calls_that_the_recorded_plugin_was_told_to_fail_are_not_expected_of_another_one() {
    let path = fixture("26.1.5", "fault-mount-err200");
    let output = run(&["replay", path.to_str().unwrap(), "--reference"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("left out"), "{}", stdout(&output));
}

#[test]
fn what_cannot_be_played_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f.json");
    let file = path.to_str().unwrap();
    for (content, why) in [
        ("{\"scenario\":\"s\",\"commands\":[]}", "holds no call"),
        (
            "{\"scenario\":\"s\",\"commands\":[{\"calls\":[{}]}]}",
            "is no recording",
        ),
        ("{\"schema\":\"x@1\"}", "unknown variant `x@1`"),
    ] {
        std::fs::write(&path, content).unwrap();
        let output = run(&["replay", file, "--reference"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(why), "{told}");
    }
    let several = fixture("26.1.5", "activate-multiple");
    let names = Recording::read(&several)
        .unwrap()
        .calls()
        .map(|(_, call)| call.plugin.clone())
        .collect::<std::collections::BTreeSet<_>>();
    if names.len() > 1 {
        let output = run(&["replay", several.to_str().unwrap(), "--reference"]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("--recorded-plugin"));
    }
}

#[test]
fn a_recording_is_like_itself_and_its_difference_from_another_is_told_by_endpoint() {
    let directory = tempfile::tempdir().unwrap();
    let path = fixture("26.1.5", "copy-up-two");
    let same = path.to_str().unwrap();
    assert_eq!(run(&["diff", same, same]).status.code(), Some(0));
    let other = altered(
        directory.path(),
        &path,
        "no such volume: v1",
        "what volume?",
    );
    let output = run(&["diff", same, &other]);
    let told = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("/VolumeDriver.Get") && told.contains("what volume?"),
        "{told}"
    );
    let output = run(&["diff", same, &other, "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        json["recordings"]["endpoints"]["/VolumeDriver.Get"].is_object(),
        "{json}"
    );
}

#[test]
fn recordings_of_one_scenario_from_two_engines_are_compared_without_their_ids() {
    let read = |engine| Recording::read(&fixture(engine, "docker-cp")).unwrap();
    let found = diff(&read("26.1.5"), &read("28.5.2"));
    assert!(found.is_none(), "{found:?}");
}

#[test]
fn reports_are_compared_case_by_case_and_endpoint_by_endpoint() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (path("first.json"), path("second.json"));
    let output = run(&[
        "--reference",
        "--only",
        "create.works",
        "--seed",
        "1",
        "--format",
        &format!("json={first}"),
    ]);
    assert_eq!(output.status.code(), Some(0));
    // Names, IDs and paths of another run are no difference.
    let again = path("again.json");
    let format = format!("json={again}");
    let flags = ["--reference", "--only", "create.works", "--seed", "2"];
    run(&[&flags[..], &["--format", &format]].concat());
    let output = run(&["diff", &first, &again]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let text = std::fs::read_to_string(&first).unwrap();
    assert_eq!(run(&["diff", &first, &first]).status.code(), Some(0));
    std::fs::write(&second, text.replace("\"passed\",", "\"failed\",")).unwrap();
    let output = run(&["diff", &first, &second]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("create.works  passed → failed"),
        "{}",
        stdout(&output)
    );
    let shown = text.replace("{\\\"Err\\\":\\\"\\\"}", "{\\\"Err\\\":\\\"not today\\\"}");
    assert_ne!(shown, text);
    std::fs::write(&second, shown).unwrap();
    let output = run(&["diff", &first, &second]);
    assert_eq!(output.status.code(), Some(1));
    let told = stdout(&output);
    for line in [
        "/VolumeDriver.Create\n",
        "(in create.works)\n  -   200 {}\n  +   200 {\"Err\":\"not today\"}\n",
        "every case ended alike\n",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let output = run(&["diff", &first, &second, "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let create = &json["endpoints"]["/VolumeDriver.Create"][0];
    assert_eq!(
        create["cases"],
        serde_json::json!(["create.works"]),
        "{json}"
    );
    let recording = fixture("26.1.5", "docker-cp");
    let output = run(&["diff", &first, recording.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
}
