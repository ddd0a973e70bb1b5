//! Runs the lines of `docs/protocol.md` and compares every answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where the page's driver lives; the test moves it to a directory of its own.
const PLACE: &str = "/tmp/tour";

/// The lines of the `console` blocks: commands, and what is printed after each.
fn console(page: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match line.strip_prefix("$ ") {
                Some(command) => steps.push((command.to_owned(), Vec::new())),
                None => steps
                    .last_mut()
                    .expect("output follows a command")
                    .1
                    .push(line.to_owned()),
            },
        }
    }
    steps
}

/// Times differ from run to run; their form does not.
fn without_times(line: &str) -> String {
    let Some(start) = line.find("\"CreatedAt\":\"") else {
        return line.to_owned();
    };
    let time = start + "\"CreatedAt\":\"".len();
    let end = time + line[time..].find('"').unwrap();
    assert_eq!(end - time, "2026-11-21T08:48:29Z".len(), "{line}");
    format!("{}TIME{}", &line[..time], &line[end..])
}

#[test]
fn every_line_of_the_page_is_true() {
    let curl = Command::new("curl")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    assert!(curl.is_ok(), "this test needs curl");
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/protocol.md")).unwrap();
    let steps = console(&page);
    assert!(steps.len() > 20);
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let place = directory.path().to_str().unwrap();

    // One shell for all lines; a mark on its own line ends what each one prints.
    let mut script = String::from("trap 'kill $driver; wait $driver' EXIT\n");
    for (at, (command, _)) in steps.iter().enumerate() {
        script += &command.replace(PLACE, place);
        if command.ends_with('&') {
            script += &format!(
                " driver=$!\nfor i in $(seq 500); do [ -S {place}/volplug.sock ] && break; sleep 0.01; done"
            );
        }
        script += &format!("\necho '=== {at}'\n");
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_volplug-driver"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .arg("-c")
        .arg(&script)
        .env("PATH", path)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout)
        .unwrap()
        .replace(place, PLACE);

    let mut rest = printed.as_str();
    for (at, (command, expected)) in steps.iter().enumerate() {
        let (got, after) = rest.split_once(&format!("=== {at}\n")).unwrap_or_else(|| {
            panic!(
                "`{command}` did not end:\n{rest}\n{}",
                String::from_utf8_lossy(&output.stderr)
            )
        });
        let got: Vec<String> = got.lines().map(without_times).collect();
        let expected: Vec<String> = expected.iter().map(|line| without_times(line)).collect();
        assert_eq!(got, expected, "$ {command}");
        rest = after;
    }
}
