//! Whole runs as a user makes them: against the reference driver, against a plugin that runs
//! already, found by name, interrupted, with a plugin that hangs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const RUNNER: &str = env!("CARGO_BIN_EXE_volplug-conformance");

fn run(arguments: &[&str]) -> Output {
    Command::new(RUNNER).args(arguments).output().unwrap()
}

/// Runs and reads the JSON report.
fn report(arguments: &[&str]) -> (i32, Value) {
    let output = run(&[arguments, &["--format", "json"]].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let report =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{told}"));
    (output.status.code().unwrap(), report)
}

fn cases(report: &Value) -> &Vec<Value> {
    report["cases"].as_array().unwrap()
}

fn with_verdict<'a>(report: &'a Value, verdict: &str) -> Vec<&'a str> {
    cases(report)
        .iter()
        .filter(|case| case["verdict"] == verdict)
        .map(|case| case["id"].as_str().unwrap())
        .collect()
}

/// The reference driver on a socket of its own, outside of any run.
struct Driver {
    child: Child,
    directory: tempfile::TempDir,
}

impl Driver {
    fn start() -> Self {
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let child = Command::new(RUNNER)
            .args(["reference-driver", "local", "--socket"])
            .arg(directory.path().join("volplug.sock"))
            .arg("--data-root")
            .arg(directory.path().join("data"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let driver = Self { child, directory };
        let begun = Instant::now();
        while UnixStream::connect(driver.socket()).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::sleep(Duration::from_millis(5));
        }
        driver
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("volplug.sock")
    }

    fn address(&self) -> String {
        self.socket().display().to_string()
    }

    fn call(&self, path: &str, body: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        let length = body.len();
        write!(stream, "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The names that List shows.
    fn volumes(&self) -> Vec<String> {
        let answer = self.call("/VolumeDriver.List", "{}");
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        let names = body["Volumes"].as_array().unwrap().iter();
        names
            .map(|volume| volume["Name"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_reference_driver_passes_even_strictly_and_only_what_cannot_be_judged_is_skipped() {
    let (status, report) = report(&["--reference", "--strict", "--soak"]);
    assert_eq!(
        (status, with_verdict(&report, "failed")),
        (0, vec![]),
        "{}",
        report["summary"]
    );
    assert!(
        report["summary"]["passed"].as_u64().unwrap() > 100,
        "{}",
        report["summary"]
    );
    assert!(
        report.get("left_behind").is_none(),
        "{}",
        report["left_behind"]
    );
    for case in cases(&report)
        .iter()
        .filter(|case| case["verdict"] == "skipped")
    {
        assert!(
            !case["reason"].as_str().unwrap().is_empty(),
            "{}",
            case["id"]
        );
    }
}

#[test]
fn a_run_leaves_nothing_on_the_plugin_and_touches_nothing_that_was_there() {
    let driver = Driver::start();
    driver.call("/VolumeDriver.Create", "{\"Name\":\"precious\"}");
    driver.call(
        "/VolumeDriver.Mount",
        "{\"Name\":\"precious\",\"ID\":\"somebody\"}",
    );
    let (status, report) = report(&["--socket", &driver.address()]);
    assert_eq!(status, 0, "{:?}", with_verdict(&report, "failed"));
    assert!(report["target"]["volumes_before"] == 1);
    assert_eq!(driver.volumes(), ["precious"]);
    assert!(
        driver
            .call("/VolumeDriver.Get", "{\"Name\":\"precious\"}")
            .contains("\"holders\":1")
    );
}

#[test]
fn nothing_is_left_where_temporary_files_lie_in_memory() {
    // Below /dev, which is the kernel's and not covered.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let output = Command::new(RUNNER)
        .args(["--reference", "--only", "mount"])
        .env("TMPDIR", memory.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(memory.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_plugin_is_not_accused_of_mounts_that_a_container_does_not_see() {
    let driver = Driver::start();
    // What a container is: processes and mounts of its own.
    let contained = |program: &str| {
        let mut command = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--pid", "--fork", "--mount-proc", program]);
        command
    };
    if !contained("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("skipped: unshare makes no namespaces here");
        return;
    }
    let output = contained(RUNNER)
        .args(["--only", "mount", "--format", "json"])
        .args(["--socket", &driver.address()])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{:?}",
        with_verdict(&report, "failed")
    );
    let mut cases = cases(&report).iter();
    let case = cases.find(|case| case["id"] == "mount.visible").unwrap();
    assert!(
        case["reason"].as_str().unwrap().contains("rslave"),
        "{case}"
    );
}

#[test]
fn the_same_seed_gives_the_same_report_whatever_the_jobs() {
    let verdicts = |jobs| {
        let (_, report) = report(&["--reference", "--seed", "42", "--jobs", jobs]);
        let keys = ["id", "level", "verdict", "reason", "title"];
        cases(&report)
            .iter()
            .map(|case| keys.map(|key| case[key].to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(verdicts("1"), verdicts("8"));
}

#[test]
fn ctrl_c_ends_with_130_and_removes_what_was_made() {
    let driver = Driver::start();
    let runner = Command::new(RUNNER)
        .args(["--socket", &driver.address(), "--soak"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // In the middle: some of its volumes are there.
    let begun = Instant::now();
    while driver.volumes().is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the run makes no volumes"
        );
    }
    kill(
        Pid::from_raw(runner.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let output = runner.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("interrupted"));
    assert_eq!(driver.volumes(), Vec::<String>::new());
}

#[test]
fn a_plugin_is_found_by_name() {
    let driver = Driver::start();
    let place = driver.directory.path().display().to_string();
    let (status, report) = report(&[
        "--plugin",
        "volplug",
        "--sockets-dir",
        &place,
        "--specs-dir",
        &place,
        "--only",
        "disc",
    ]);
    assert_eq!(status, 0, "{:?}", with_verdict(&report, "failed"));
    assert_eq!(report["target"]["plugin"], "volplug");
    assert!(with_verdict(&report, "passed").contains(&"disc.reachable"));
}

#[test]
fn names_keep_to_the_alphabet_that_the_plugin_takes() {
    let (status, report) = report(&[
        "--reference",
        "--hostile",
        "off",
        "--skip",
        "sec",
        "--skip",
        "enc.escapes",
        // It asks for strange names on purpose, and takes a refusal for an answer.
        "--skip",
        "get.same-name",
        "--name-chars",
        "xyz",
    ]);
    assert_eq!(status, 0, "{:?}", with_verdict(&report, "failed"));
    let mut seen = 0;
    for case in cases(&report) {
        for exchange in case["transcript"].as_array().unwrap() {
            let body: Value = serde_json::from_str(exchange["request"]["body"].as_str().unwrap())
                .unwrap_or_default();
            let created = exchange["request"]["path"] == "/VolumeDriver.Create";
            let accepted = exchange["response"]["status"] == 200;
            if let (true, true, Some(name)) = (created, accepted, body["Name"].as_str()) {
                assert!(
                    name.chars().all(|c| "xyz".contains(c)),
                    "{} created `{name}`",
                    case["id"]
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn options_are_templates_and_hooks_run_for_each_volume() {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let driver = Driver::start();
    let place = directory.path().display().to_string();
    let (status, report) = report(&[
        "--socket",
        &driver.address(),
        "--only",
        "create.works",
        "--only",
        "mount.usable",
        "--opt",
        &format!("from={place}/{{volume}}"),
        "--prepare",
        &format!("mkdir {place}/{{volume}}"),
        "--cleanup",
        &format!("rmdir {place}/{{volume}}"),
    ]);
    assert_eq!(status, 0, "{report}");
    // The driver refuses a `from` that is not there: prepare ran before, and cleanup after.
    assert_eq!(
        with_verdict(&report, "passed"),
        ["create.works", "mount.usable"]
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn secret_options_never_stand_in_a_report() {
    let output = run(&[
        "--reference",
        "--only",
        "create",
        "--opt",
        "password=hunter2-hunter2",
        "--format",
        "json",
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("password") && !text.contains("hunter2"),
        "a secret is shown"
    );
}

/// A plugin that answers everything at once but Mount, which it never answers.
fn mute_on_mount(path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve_mute(stream.unwrap()));
        }
    });
}

fn serve_mute(mut stream: UnixStream) {
    let mut read = Vec::new();
    let mut piece = [0; 65_536];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        read.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let field = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(|n| n.trim().to_owned())
        });
        let length: usize = field.and_then(|n| n.parse().ok()).unwrap_or(0);
        if body.len() < length {
            continue;
        }
        let answer = if head.contains("Mount") {
            continue;
        } else if head.contains("Activate") {
            "{\"Implements\":[\"VolumeDriver\"]}"
        } else {
            "{\"Err\":\"\"}"
        };
        read.clear();
        let reply = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn a_call_that_hangs_costs_a_few_limits_and_not_one_a_case() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("mute.sock");
    mute_on_mount(&socket);
    let begun = Instant::now();
    let (status, report) = report(&["--socket", socket.to_str().unwrap(), "--timeout", "1"]);
    let took = begun.elapsed();
    assert_eq!(status, 1);
    let not_tried = cases(&report)
        .iter()
        .filter(|case| {
            case["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("not tried again: Mount"))
        })
        .count();
    assert!(not_tried > 10, "{not_tried}");
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn list_and_explain_tell_of_every_case() {
    let list = run(&["list", "--format", "json"]);
    let cases: Vec<Value> = serde_json::from_slice(&list.stdout).unwrap();
    assert!(cases.len() >= 150, "{}", cases.len());
    for case in &cases {
        let page = run(&["explain", case["id"].as_str().unwrap()]);
        assert!(page.status.success());
        assert!(String::from_utf8(page.stdout).unwrap().contains("Sources:"));
    }
    let wrong = run(&["explain", "mount.usabel"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        String::from_utf8(wrong.stderr)
            .unwrap()
            .contains("did you mean `mount.usable`?")
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = Command::new(RUNNER)
        .arg("list")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
}

/// Two drivers on one data root, as two hosts with one network file system would run them.
#[test]
fn hosts_that_share_a_data_root_are_judged() {
    let command = format!(
        "{RUNNER} reference-driver local --scope global --data-root {{shared}} --state-dir \
         {{work}}/state --socket {{socket}}"
    );
    let (status, report) = report(&[
        "--exec",
        &command,
        "--peer-exec",
        &command,
        "--only",
        "glob",
        "--strict",
    ]);
    assert_eq!(status, 0, "{:?}", with_verdict(&report, "failed"));
    assert_eq!(with_verdict(&report, "skipped"), ["glob.exclusive"]);
    assert!(
        report.get("left_behind").is_none(),
        "{}",
        report["left_behind"]
    );
}

/// A case waits while the storage is cut; the run is interrupted just then.
#[test]
fn storage_is_restored_when_the_run_is_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let note = |word: &str| format!("sh -c 'echo {word} >> {}'", log.display());
    // Isolation would hide the log.
    let runner = Command::new(RUNNER)
        .args([
            "--reference",
            "--no-isolation",
            "--only",
            "get.always-when-known",
        ])
        .args([
            "--storage-cut",
            &format!("sh -c 'echo cut >> {0}; sleep 1'", log.display()),
        ])
        .args(["--storage-restore", &note("restored")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    let begun = Instant::now();
    // Once to see whether it works, and once in the case.
    while lines().matches("cut").count() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", lines());
        std::thread::sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(runner.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = runner.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(lines().ends_with("cut\nrestored\n"), "{}", lines());
}
