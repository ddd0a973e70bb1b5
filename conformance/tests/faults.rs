//! How we know that the suite sees: a plugin with one known fault fails the cases meant for that
//! fault, and no others but what follows from it; without a fault it passes everything.
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

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use volplug_conformance::catalogue::{Section, sections};
use volplug_fixtures::faults::{FAULTS, Fault};

/// What became of a fault, for the table at the end.
struct Seen {
    fault: &'static str,
    caught: bool,
    cases: Vec<String>,
    took: Duration,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.nth(1).is_some_and(|word| word == "faulty-plugin") {
        let program = std::env::args_os().take(1);
        return volplug_fixtures::faulty::main(program.chain(words));
    }
    let mut arguments = Arguments::from_args();
    // Those that mostly wait are all begun at once; of the others a few for each processor, since
    // they wait now and then.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let busy = arguments.test_threads.unwrap_or(3 * processors);
    arguments.test_threads = Some(busy + LONG.len());
    let turns = Arc::new(Turns::new(busy));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut trials = vec![Trial::test("no_fault_no_finding", without_fault)];
    let (first, then): (Vec<&Fault>, Vec<&Fault>) =
        FAULTS.iter().partition(|fault| LONG.contains(&fault.name));
    for fault in first.into_iter().chain(then) {
        let seen = Arc::clone(&seen);
        let unseen = NOT_HERE
            .iter()
            .find(|(start, _)| fault.name.starts_with(start));
        let name = unseen.map_or_else(
            || fault.name.to_owned(),
            |(_, why)| format!("{} (skipped: {why})", fault.name),
        );
        let turns = (!LONG.contains(&fault.name)).then(|| Arc::clone(&turns));
        let trial = Trial::test(name, move || {
            let _turn = turns.as_ref().map(|turns| turns.take());
            with_fault(fault, &seen)
        });
        trials.push(trial.with_ignored_flag(unseen.is_some()));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    table(&seen.lock().unwrap());
    conclusion.exit_code()
}

/// How many runs may be busy at once.
struct Turns {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The right to be busy, until it is dropped.
struct Turn<'a>(&'a Turns);

impl Turns {
    fn new(free: usize) -> Self {
        Self {
            free: Mutex::new(free),
            freed: Condvar::new(),
        }
    }

    fn take(&self) -> Turn<'_> {
        let free = self.free.lock().unwrap();
        *self.freed.wait_while(free, |free| *free == 0).unwrap() -= 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap() += 1;
        self.0.freed.notify_one();
    }
}

/// Faults that take up to two minutes, nearly all of it waiting. They are begun first, beside all
/// others, so that nobody waits for them in the end.
const LONG: &[&str] = &[
    "get.fast",
    "act.prompt",
    "mount.fail-clean:lock",
    "disc.early",
    "conc.other-volumes:global-lock",
    "conc.other-volumes:list",
    "mount.late-client",
    "get.during-mount",
    "restart.graceful:cuts-calls",
    "restart.graceful:slow",
    "unmount.last",
    "err.in-time",
    "list.prompt",
    "unmount.prompt",
    "http.stalled-head",
    "http.idle",
];

/// What some faults need to show: flags of the plugin, and flags of the run.
const SPECIAL: &[(&str, &str, &[&str])] = &[
    // Half a minute of patience.
    ("http.idle", "", &["--soak"]),
    ("http.stalled-head", "", &["--soak"]),
    // A Mount that can be watched.
    (
        "get.during-mount",
        " --slow-mount 300",
        &["--timeout", "10"],
    ),
    (
        "mount.late-client",
        " --slow-mount 300",
        &["--timeout", "10"],
    ),
    (
        "conc.other-volumes:global-lock",
        " --slow-mount 300",
        &["--timeout", "10"],
    ),
    (
        "conc.other-volumes:list",
        " --slow-mount 300",
        &["--timeout", "10"],
    ),
    (
        "restart.graceful:cuts-calls",
        " --slow-mount 300",
        &["--timeout", "10"],
    ),
    // Options that the fault is about.
    (
        "create.repeat-different:ignored",
        "",
        &["--opt", "token=t-{volume}"],
    ),
    (
        "create.repeat-different:swaps",
        "",
        &["--opt", "token=t-{volume}"],
    ),
    ("create.bad-options:unparsable", "", &["--opt", "mode=0750"]),
    ("restart.remembers:options", "", &["--opt", "mode=0755"]),
    // It strikes at the next Unmount, whosever that is.
    ("mount.sibling-failure", "", &["--jobs", "1"]),
    // Their command lines hold a token, and must not be those of a run beside them.
    ("secret.not-in-argv", "", &["--seed", "2"]),
    ("sec.no-shell:option", "", &["--seed", "3"]),
    // A plugin with a specification file is found by its name.
    (
        "disc.spec-file",
        " --spec {work}/specs/faulty.spec",
        &["--plugin", "faulty"],
    ),
    (
        "disc.cleanup:spec",
        " --spec {work}/specs/faulty.spec",
        &["--plugin", "faulty"],
    ),
];

/// How the plugin's pretended storage is cut off and restored: by a file.
const STORAGE: &[&str] = &[
    "--storage-cut",
    "sh -c 'echo cut > {work}/storage'",
    "--storage-slow",
    "sh -c 'echo slow 300 > {work}/storage'",
    "--storage-restore",
    "rm -f {work}/storage",
];

/// Faults that only storage shows that is cut off.
const OF_STORAGE: &[&str] = &[
    "act.prompt-without-storage",
    "err.in-time",
    "get.always-when-known",
    "get.always-when-known:slowly",
    "list.fails-loudly",
    "list.prompt",
    "unmount.prompt",
    "restart.partial:dies",
    "restart.partial:forgets",
    "create.atomic-without-storage",
    "mount.fail-clean-without-storage",
    "remove.failed-keeps-without-storage",
];

/// Faults that are judged section by section, all at once: nearly every case waits for a second or two,
/// and one after the other that would be minutes. It is the same cases as in one run.
const BY_SECTION: &[&str] = &["get.fast", "act.prompt"];

/// Faults that leave no plugin to judge: that the run says so, with status 2, is the finding.
const NO_PLUGIN: &[&str] = &[
    "disc.reachable",
    "disc.spec-file",
    "act.handshake:lower-case",
    "act.handshake:nothing",
    "act.handshake:string",
];

/// Faults that make nonsense of every other call, so that any case may fail.
const NONSENSE: &[&str] = &["http.keep-alive:mixes-answers"];

/// Faults that are not judged here, by how their names begin, and why.
const NOT_HERE: &[(&str, &str)] = &[(
    "prop.",
    "found by random play, which the test `play` judges",
)];

/// Faults that are a matter of luck, and how many runs they are given: whether two calls meet in the
/// window, and which case's calls they are, differs from run to run. All others are given one.
const RACES: &[&str] = &[
    "conc.",
    "create.durable",
    "http.disconnect",
    "http.keep-alive",
    "http.parallel-connections",
    "mount.late-client",
    "mount.sibling-failure",
    "restart.any-moment",
];
const RUNS_OF_RACES: usize = 3;

/// A run against the plugin with `fault`: the exit status, and the report if there is one.
fn judge(fault: Option<&str>, more: &[&str]) -> (i32, Option<Value>, String) {
    let directory = tempfile::tempdir().unwrap();
    let specs = directory.path().join("specs");
    std::fs::create_dir(&specs).unwrap();
    let report = directory.path().join("report.json");
    let this = std::env::current_exe().unwrap();
    let special = SPECIAL.iter().find(|(name, ..)| Some(*name) == fault);
    let (_, plugin_flags, flags) = special.copied().unwrap_or(("", "", &[]));
    let specs = specs.display().to_string();
    let plugin_flags = plugin_flags.replace("{work}/specs", &specs);
    let fault = fault
        .map(|name| format!(" --fault {name}"))
        .unwrap_or_default();
    // Storage that is cut off, and storage that another host uses, too.
    let alone = fault.is_empty();
    let with_storage = alone || OF_STORAGE.contains(&fault.trim_start_matches(" --fault "));
    let with_peer = alone || fault.starts_with(" --fault glob.");
    let plugin_flags = format!(
        "{plugin_flags}{}{}",
        if with_storage {
            " --storage {work}/storage"
        } else {
            ""
        },
        if with_peer { " --shared {shared}" } else { "" },
    );
    // Found through its specification file, it must not lie where sockets are looked for.
    let socket = if flags.contains(&"--plugin") {
        "{work}/plugin.sock"
    } else {
        "{socket}"
    };
    let plugin = format!(
        "{} faulty-plugin --socket {socket} --root {{work}}/root{fault}{plugin_flags}",
        this.display()
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_volplug-conformance"));
    command.args(["--exec", &plugin, "--start-timeout", "5"]);
    if with_storage {
        command.args(STORAGE);
    }
    if with_peer {
        command.args(["--peer-exec", &plugin]);
    }
    if !flags.contains(&"--seed") {
        command.args(["--seed", "1"]);
    }
    if !flags.contains(&"--timeout") {
        // A call that hangs on purpose should cost little here.
        command.args(["--timeout", "2"]);
    }
    // How well play sees is another test's question.
    command.args(["--sequences", "60", "--play-time", "4"]);
    if flags.contains(&"--plugin") {
        command.args(["--sockets-dir", &specs, "--specs-dir", &specs]);
    }
    let output = command
        .args(flags)
        .args(more)
        .arg("--format")
        .arg(format!("json={}", report.display()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = std::fs::read(&report)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    (output.status.code().unwrap_or(-1), json, told)
}

/// What [`judge`] comes to over all sections: the worst exit status, all findings, all that was told.
fn judge_by_section(fault: &str) -> (i32, Vec<Finding>, String) {
    let runs: Vec<_> = std::thread::scope(|scope| {
        let run = |section: &'static Section| {
            scope.spawn(move || judge(Some(fault), &["--only", section.name]))
        };
        let started: Vec<_> = sections().map(run).collect();
        let ended = started.into_iter().map(|run| run.join().unwrap());
        ended.collect()
    });
    let status = runs.iter().map(|(status, ..)| *status).max().unwrap();
    let told = runs.iter().map(|(_, _, told)| told.as_str()).collect();
    let found = runs
        .iter()
        .flat_map(|(_, report, _)| findings(report.as_ref()));
    (status, found.collect(), told)
}

fn without_fault() -> Result<(), Failed> {
    let (status, report, told) = judge(None, &["--strict"]);
    let findings = findings(report.as_ref());
    if status != 0 || !findings.is_empty() {
        return Err(format!("status {status}, false alarms: {}\n{told}", list(&findings)).into());
    }
    let report = report.unwrap();
    if report.get("left_behind").is_some() {
        return Err(format!("left behind: {}", report["left_behind"]).into());
    }
    Ok(())
}

fn with_fault(fault: &'static Fault, seen: &Mutex<Vec<Seen>>) -> Result<(), Failed> {
    let is_race = RACES.iter().any(|start| fault.name.starts_with(start));
    let runs = if is_race { RUNS_OF_RACES } else { 1 };
    let (mut what, mut result) = once(fault);
    for _ in 1..runs {
        if result.is_ok() {
            break;
        }
        (what, result) = once(fault);
    }
    seen.lock().unwrap().push(what);
    result
}

/// One run against the plugin with a fault.
fn once(fault: &'static Fault) -> (Seen, Result<(), Failed>) {
    let begun = Instant::now();
    let (status, findings, told) = if BY_SECTION.contains(&fault.name) {
        judge_by_section(fault.name)
    } else {
        let (status, report, told) = judge(Some(fault.name), &[]);
        (status, findings(report.as_ref()), told)
    };
    let missed: Vec<_> = fault
        .breaks
        .iter()
        .filter(|id| !findings.iter().any(|f| f.id == **id))
        .collect();
    let refused = status == 2 && NO_PLUGIN.contains(&fault.name);
    let caught = missed.is_empty() || refused;
    let cases = findings.iter().map(|finding| finding.id.clone()).collect();
    let seen = Seen {
        fault: fault.name,
        caught,
        cases,
        took: begun.elapsed(),
    };
    if refused {
        return (seen, Ok(()));
    }
    let unexplained: Vec<_> = findings
        .iter()
        .filter(|finding| !follows(finding, &findings, fault) && !NONSENSE.contains(&fault.name))
        .collect();
    let musts_broken = findings.iter().any(|finding| finding.verdict == "failed");
    let mut wrong = Vec::new();
    if !missed.is_empty() {
        wrong.push(format!("not found: {missed:?}"));
    }
    if !unexplained.is_empty() {
        wrong.push(format!(
            "found besides: {}",
            list(&unexplained.into_iter().cloned().collect::<Vec<_>>())
        ));
    }
    if status != i32::from(musts_broken) {
        wrong.push(format!("exit status {status}"));
    }
    let result = if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{}\n{told}", wrong.join("\n")).into())
    };
    (seen, result)
}

/// A finding of a report.
#[derive(Clone)]
struct Finding {
    id: String,
    verdict: String,
    explained_by: Option<String>,
    reason: String,
}

fn findings(report: Option<&Value>) -> Vec<Finding> {
    let cases = report
        .and_then(|report| report["cases"].as_array())
        .cloned()
        .unwrap_or_default();
    let text = |case: &Value, key: &str| case[key].as_str().unwrap_or_default().to_owned();
    cases
        .iter()
        .filter(|case| case["verdict"] == "failed" || case["verdict"] == "warned")
        .map(|case| Finding {
            id: text(case, "id"),
            verdict: text(case, "verdict"),
            explained_by: case["explained_by"].as_str().map(str::to_owned),
            reason: text(case, "reason"),
        })
        .collect()
}

/// Whether a finding is meant for the fault, or explained by one that is.
fn follows(finding: &Finding, all: &[Finding], fault: &Fault) -> bool {
    let mut passed = BTreeSet::new();
    let mut at = finding;
    loop {
        if fault.breaks.contains(&at.id.as_str()) {
            return true;
        }
        if !passed.insert(at.id.clone()) {
            return false;
        }
        let cause = at
            .explained_by
            .as_ref()
            .and_then(|id| all.iter().find(|other| other.id == *id));
        let Some(cause) = cause else { return false };
        at = cause;
    }
}

fn list(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("\n  {}: {}", finding.id, finding.reason))
        .collect()
}

fn table(seen: &[Seen]) {
    if seen.is_empty() {
        return;
    }
    let width = seen
        .iter()
        .map(|seen| seen.fault.len())
        .max()
        .unwrap_or_default();
    println!("{:width$}  seconds  caught by", "fault");
    for Seen {
        fault,
        caught,
        cases,
        took,
    } in seen
    {
        let took = took.as_secs_f32();
        let by = if *caught {
            cases.join(" ")
        } else {
            format!("NOT CAUGHT (but {})", cases.join(" "))
        };
        println!("{fault:width$}  {took:7.1}  {by}");
    }
    let caught = seen.iter().filter(|seen| seen.caught).count();
    println!("detection rate: {caught} of {} faults\n", seen.len());
}
