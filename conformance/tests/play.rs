//! How we know that random play sees: a plugin with a fault that only sequences show is found out,
//! quickly and with a short proof, and plugins without one never are.
//!
//! One test a fault. The plugin is this very executable, started again with `faulty-plugin` as its
//! first argument, so that no other program has to be built first.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use volplug_fixtures::faults::FAULTS;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.nth(1).is_some_and(|word| word == "faulty-plugin") {
        let program = std::env::args_os().take(1);
        return volplug_fixtures::faulty::main(program.chain(words));
    }
    let mut arguments = Arguments::from_args();
    // Each run has a process for the runner and one for the plugin.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut trials = vec![
        Trial::test("the_faultless_plugin_breaks_nothing", || {
            breaks_nothing(&faulty(""), PLAY, "600")
        }),
        Trial::test("the_reference_driver_breaks_nothing", || {
            breaks_nothing(&["--reference".to_owned()], PLAY, "600")
        }),
        Trial::test("the_faultless_plugin_breaks_nothing_in_100000", || {
            breaks_nothing(&faulty(""), PLAY, "100000")
        })
        .with_ignored_flag(true),
        Trial::test("the_reference_driver_breaks_nothing_in_100000", || {
            breaks_nothing(&["--reference".to_owned()], PLAY, "100000")
        })
        .with_ignored_flag(true),
        Trial::test("the_faultless_plugin_has_an_order_and_keeps_data", || {
            breaks_nothing(&faulty(""), OTHER_PLAY, "300")
        }),
        Trial::test("the_reference_driver_has_an_order_and_keeps_data", || {
            breaks_nothing(&["--reference".to_owned()], OTHER_PLAY, "300")
        }),
        Trial::test("the_faultless_plugin_has_an_order_in_10000", || {
            breaks_nothing(&faulty(""), OTHER_PLAY, "10000")
        })
        .with_ignored_flag(true),
        Trial::test("the_reference_driver_has_an_order_in_10000", || {
            breaks_nothing(&["--reference".to_owned()], OTHER_PLAY, "10000")
        })
        .with_ignored_flag(true),
        Trial::test("a_sequence_is_kept_and_replayed", || {
            let fault = "prop.holds-kept:fourth-holder";
            kept_and_replayed(play_on_socket, fault, "prop", "sequence", "holds now")
        }),
        Trial::test("a_kept_kill_in_a_call_gets_several_plays", several_plays),
        Trial::test("commands_are_kept_and_replayed", || {
            let only = "sequence.random";
            kept_and_replayed(
                play_started,
                "unmount.not-last",
                only,
                "commands",
                "hold now",
            )
        }),
        Trial::test("a_round_is_kept_and_replayed", || {
            let only = "conc.linearizable";
            kept_and_replayed(play_started, only, only, "round", "holds now")
        }),
        Trial::test("a_seed_decides_what_is_found", decided_by_the_seed),
    ];
    for fault in BY_COMMANDS {
        let name = format!("commands:{fault}");
        trials.push(Trial::test(name, move || found_by_commands(fault)));
    }
    let names = FAULTS.iter().map(|fault| fault.name);
    let names: Vec<_> = names
        .filter(|name| name.starts_with("prop.") || ALSO.contains(name))
        .collect();
    for name in &names {
        let (name, seen) = (*name, Arc::clone(&seen));
        trials.push(Trial::test(name, move || found_out(name, &seen)));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let all_ran = seen.lock().unwrap().len() == names.len();
    let short = table(&seen.lock().unwrap());
    if all_ran && !short {
        println!("the median proof has more than 6 steps");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// Faults that hand-written cases find, and play must find too.
const ALSO: &[&str] = &[
    "act.repeat:resets-holds",
    "create.keeps-mounts:all-gone",
    "create.keeps-mounts:one-left",
    "mount.data-persists:re-create",
    "mount.data-persists:unmount",
    "mount.fail-clean:holder",
    "mount.own-path:by-options",
    "ref.after-daemon-crash",
    "ref.balanced:returning-id",
    "ref.balanced:third-holder",
    "ref.failed-not-counted",
    "ref.floor",
    "ref.leak-not-yank",
    "ref.live-restore:dropped",
    "ref.live-restore:refused",
    "ref.same-id-twice:refuse",
    "ref.same-id-twice:set",
    "ref.same-volume-twice:one-hold",
    "remove.failed-keeps:data-gone",
    "remove.failed-keeps:unusable",
    "remove.stays-removed",
    "remove.works:still-listed",
    "restart.faithful",
    "restart.old-ids:refused",
    "restart.old-ids:takes-all",
    "restart.remembers:in-memory",
    "sec.injective:case",
    "sec.injective:slash",
    "sec.injective:unicode",
    "unmount.not-last",
    "unmount.stray:takes-all",
    "unmount.stray:takes-another",
];

/// Faults that random docker commands must find.
const BY_COMMANDS: &[&str] = &[
    "act.repeat:resets-holds",
    "prop.holds-kept:recycled-slot",
    "ref.balanced:third-holder",
    "ref.same-id-twice:refuse",
    "restart.remembers:in-memory",
    "unmount.not-last",
];

/// The flags for the plugin with a fault, or without.
fn faulty(fault: &str) -> Vec<String> {
    let this = std::env::current_exe().unwrap();
    let fault = if fault.is_empty() {
        String::new()
    } else {
        format!(" --fault {fault}")
    };
    let plugin = format!(
        "{} faulty-plugin --socket {{socket}} --root {{work}}/root{fault}",
        this.display()
    );
    ["--exec", &plugin].map(str::to_owned).to_vec()
}

/// A run of the section `prop`.
fn play(directory: &Path, target: &[String], flags: &[&str]) -> (i32, Value) {
    let report = directory.join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_volplug-conformance"))
        .args(flags)
        .args(target)
        .args(["--seed", "1", "--timeout", "2", "--format"])
        .arg(format!("json={}", report.display()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let report = std::fs::read(&report).unwrap_or_else(|error| panic!("{error}: {told}"));
    let report = serde_json::from_slice(&report).unwrap_or_else(|_| panic!("{told}"));
    (output.status.code().unwrap(), report)
}

/// A run against a plugin that the runner starts, kills and starts again as it likes.
fn play_started(directory: &Path, fault: &str, flags: &[&str]) -> (i32, Value) {
    play(directory, &faulty(fault), flags)
}

/// A run against a plugin that is there already: nothing kills it, so that no finding is left to luck.
fn play_on_socket(directory: &Path, fault: &str, flags: &[&str]) -> (i32, Value) {
    let plugin = Running::start(directory, fault);
    let target = ["--socket".to_owned(), plugin.socket.display().to_string()];
    play(directory, &target, flags)
}

/// A plugin that was started by the test, until it is dropped.
struct Running {
    child: Child,
    socket: PathBuf,
    _home: tempfile::TempDir,
}

impl Running {
    fn start(directory: &Path, fault: &str) -> Self {
        let home = tempfile::tempdir_in(directory).unwrap();
        let socket = home.path().join("plugin.sock");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("faulty-plugin").arg("--socket").arg(&socket);
        command.arg("--root").arg(home.path().join("root"));
        if !fault.is_empty() {
            command.args(["--fault", fault]);
        }
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut running = Self {
            child,
            socket,
            _home: home,
        };
        while UnixStream::connect(&running.socket).is_err() {
            let ended = running.child.try_wait().unwrap();
            assert_eq!(ended, None, "the plugin has ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn findings(report: &Value) -> Vec<&Value> {
    let cases = report["cases"].as_array().unwrap().iter();
    cases
        .filter(|case| case["verdict"] == "failed" || case["verdict"] == "warned")
        .collect()
}

/// Calls that come one after the other.
const PLAY: &[&str] = &["--only", "prop"];

/// Calls that meet, and docker commands.
const OTHER_PLAY: &[&str] = &["--only", "conc.linearizable", "--only", "sequence.random"];

fn breaks_nothing(target: &[String], only: &[&str], sequences: &str) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let flags = [only, &["--sequences", sequences]].concat();
    let (status, report) = play(directory.path(), target, &flags);
    let cases = report["cases"].as_array().unwrap();
    for case in cases {
        if case["verdict"] != "passed" {
            return Err(format!("{}: {} {}", case["id"], case["reason"], case["sequence"]).into());
        }
    }
    let played = cases[0]["notes"][0].as_str().unwrap_or_default();
    if !played.starts_with(sequences) || status != 0 || report.get("left_behind").is_some() {
        let left = &report["left_behind"];
        return Err(format!("status {status}, {played}, left behind: {left}").into());
    }
    println!("{played}");
    Ok(())
}

/// What became of a fault, for the table at the end.
struct Seen {
    fault: &'static str,
    found: Vec<(String, Value)>,
}

/// Within the default time, or, where the machine was too busy for that, within a minute: how fast it is
/// is told by the table, and no test's question.
fn found_out(fault: &'static str, seen: &Mutex<Vec<Seen>>) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let run = |flags: &[&str]| found_in(&play_started(directory.path(), fault, flags).1);
    let meant = fault.split(':').next().unwrap_or_default();
    let shows = |found: &[(String, Value)]| {
        let mut ids = found.iter().map(|(id, _)| id);
        ids.any(|id| !fault.starts_with("prop.") || id == meant)
    };
    let mut found = run(PLAY);
    if !shows(&found) {
        found = run(&[PLAY, &["--play-time", "60"]].concat());
    }
    let is_found = shows(&found);
    let told = format!("{:?}", found.iter().map(|(id, _)| id).collect::<Vec<_>>());
    let flaky: Vec<_> = found
        .iter()
        // Where in a call a kill falls is luck.
        .filter(|(_, proof)| proof["broke"] != proof["played"] && !kills_during_a_call(proof))
        .map(|(id, proof)| format!("{id} is flaky: {proof}"))
        .collect();
    seen.lock().unwrap().push(Seen { fault, found });
    if !is_found {
        return Err(format!("not found out: {told}").into());
    }
    if !flaky.is_empty() {
        return Err(flaky.join("\n").into());
    }
    Ok(())
}

/// The invariants that were found broken, with their proofs; the first that was found comes first.
fn found_in(report: &Value) -> Vec<(String, Value)> {
    let mut found: Vec<_> = findings(report)
        .into_iter()
        .map(|case| {
            let id = case["id"].as_str().unwrap().to_owned();
            (id, case["sequence"].clone())
        })
        .collect();
    found.sort_by_key(|(_, proof)| proof["calls"].as_u64());
    found
}

fn kills_during_a_call(proof: &Value) -> bool {
    let mut steps = proof["sequence"]["steps"].as_array().unwrap().iter();
    steps.any(|step| step["do"] == "kill-during")
}

/// The shortest commands that show a fault.
fn found_by_commands(fault: &str) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let only = ["--only", "sequence.random"];
    let (status, report) = play_started(directory.path(), fault, &only);
    let found = findings(&report);
    let [case] = found.as_slice() else {
        return Err(format!("not found, with status {status}").into());
    };
    let commands = case["reproduce"]["docker"].as_array().unwrap();
    println!("{fault}: {} lines", commands.len());
    if commands.len() > 8 {
        return Err(format!("too many commands: {commands:#?}").into());
    }
    Ok(())
}

/// What is found is kept, found again by the file alone, not written down twice, and holds on a plugin
/// that is right.
fn kept_and_replayed(
    play: fn(&Path, &str, &[&str]) -> (i32, Value),
    fault: &str,
    only: &str,
    kind: &str,
    again: &str,
) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("found.jsonl");
    let shown = file.display().to_string();
    let keep = ["--only", only, "--regressions", &shown];
    let (_, first) = play(directory.path(), fault, &keep);
    let kept = std::fs::read_to_string(&file)?;
    assert!(!kept.is_empty());
    assert_eq!(kept.lines().count(), findings(&first).len());
    for line in kept.lines() {
        let line: Value = serde_json::from_str(line)?;
        assert_eq!(line["schema"], format!("volplug-conformance/{kind}@1"));
    }
    let more = [&keep[..], &["--sequences", "0"]].concat();
    let (_, second) = play(directory.path(), fault, &more);
    let ids = |report: &Value| {
        let ids = findings(report).into_iter().map(|case| case["id"].clone());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(&second), ids(&first));
    assert_eq!(std::fs::read_to_string(&file)?, kept);
    let (status, right) = play(directory.path(), "", &["replay", &shown]);
    assert_eq!(status, 0, "{}", right["notices"]);
    let told = right["notices"][0].as_str().unwrap();
    assert!(told.contains(again), "{told}");
    let (_, wrong) = play(directory.path(), fault, &["replay", &shown]);
    assert_eq!(ids(&wrong), ids(&first));
    Ok(())
}

/// Whether a kept sequence with a kill in the middle of a call breaks something is luck: "holds now"
/// takes more than one play.
fn several_plays() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("found.jsonl");
    let kept = json!({
        "schema": "volplug-conformance/sequence@1",
        "broke": "prop.durable",
        "seed": 1,
        "sequence": {
            "names": ["plain"],
            "steps": [
                { "do": "create", "volume": 0, "options": "usual" },
                { "do": "kill-during", "call": "mount", "volume": 0, "id": 0, "percent": 50 },
                { "do": "mount", "volume": 0, "id": 0 },
            ],
        },
    });
    std::fs::write(&file, format!("{kept}\n"))?;
    let replay = ["replay", &file.display().to_string()];
    let (status, report) = play_started(directory.path(), "", &replay);
    let told = report["notices"][0].as_str().unwrap();
    assert_eq!(status, 0, "{told}");
    assert!(told.contains("holds now, in 5 plays"), "{told}");
    let (_, report) = play_on_socket(directory.path(), "", &replay);
    let told = report["notices"][0].as_str().unwrap();
    assert!(told.contains("holds without its restarts"), "{told}");
    Ok(())
}

/// How far a plugin had come when it was killed in the middle of a call is no seed's to decide, so
/// nothing kills it here.
fn decided_by_the_seed() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let proofs = ["1", "8"].map(|jobs| {
        let (_, report) = play_on_socket(
            directory.path(),
            "ref.balanced:third-holder",
            &["--only", "prop", "--jobs", jobs],
        );
        findings(&report)
            .into_iter()
            .map(|case| (case["id"].clone(), case["sequence"]["sequence"].clone()))
            .collect::<Vec<_>>()
    });
    assert!(!proofs[0].is_empty());
    assert_eq!(proofs[0], proofs[1]);
    Ok(())
}

/// Prints what found which fault, and how; whether the proofs are short.
fn table(seen: &[Seen]) -> bool {
    if seen.is_empty() {
        return true;
    }
    let width = seen.iter().map(|seen| seen.fault.len()).max().unwrap_or(0);
    println!(
        "{:width$}  {:16} {:>6} {:>7} {:>5} {:>6} {:>10}  also",
        "fault", "found by", "calls", "after s", "steps", "tries", "proof in s"
    );
    let mut lengths = Vec::new();
    for Seen { fault, found } in seen {
        let Some(((by, proof), others)) = found.split_first() else {
            println!("{fault:width$}  NOT FOUND");
            continue;
        };
        let steps = proof["sequence"]["steps"].as_array().map_or(0, Vec::len);
        lengths.push(steps);
        let seconds = |key: &str| proof[key].as_f64().unwrap() / 1000.0;
        let others: Vec<&str> = others.iter().map(|(id, _)| id.as_str()).collect();
        println!(
            "{fault:width$}  {by:16} {:>6} {:>7.1} {steps:>5} {:>6} {:>10.1}  {}",
            proof["calls"],
            seconds("after_ms"),
            proof["tries"],
            seconds("ms"),
            others.join(" ")
        );
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
    println!(
        "{} of {} faults found; the median proof has {median} steps\n",
        lengths.len(),
        seen.len()
    );
    median <= 6
}
