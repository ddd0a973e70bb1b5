//! `record` between a client and a plugin: what passes is not altered, what is written is what
//! passed, and a plugin's place is given back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use volplug_conformance::recording::{Call, Recording};

const RUNNER: &str = env!("CARGO_BIN_EXE_volplug-conformance");
const LIMIT: Duration = Duration::from_secs(20);

/// Waits until `what` holds.
#[track_caller]
fn eventually(mut what: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < LIMIT, "it never was so");
        std::thread::sleep(Duration::from_millis(2));
    }
}

struct Recorder {
    child: Child,
    file: PathBuf,
}

impl Recorder {
    /// Starts `record` and waits until it records.
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let file = directory.join("out.json");
        let mut child = Command::new(RUNNER)
            .arg("record")
            .arg("--output")
            .arg(&file)
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("recording what passes") {
            line.clear();
            assert_ne!(told.read_line(&mut line).unwrap(), 0, "it ended");
        }
        // Whatever else it says has to go somewhere.
        std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
        Self { child, file }
    }

    fn recorded(&self) -> Recording {
        Recording::read(&self.file).unwrap()
    }

    fn calls(&self) -> Vec<Call> {
        self.recorded()
            .calls()
            .map(|(_, call)| call.clone())
            .collect()
    }

    fn events(&self, kind: &str) -> usize {
        let steps = self.recorded().commands;
        let events = steps.iter().flat_map(|step| &step.wire_events);
        events.filter(|event| event["ev"] == kind).count()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Ends it, and reads what it wrote.
    fn end(mut self, signal: Signal) -> Recording {
        self.signal(signal);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.recorded()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A listener at `upstream`, and a recorder before it that listens at `listen`.
fn before(directory: &Path) -> (UnixListener, Recorder, PathBuf) {
    let (upstream, listen) = (directory.join("up.sock"), directory.join("rec.sock"));
    let listener = UnixListener::bind(&upstream).unwrap();
    let recorder = Recorder::start(
        directory,
        &[
            "--listen",
            listen.to_str().unwrap(),
            "--upstream",
            upstream.to_str().unwrap(),
        ],
    );
    (listener, recorder, listen)
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

fn accept(listener: &UnixListener) -> UnixStream {
    let stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

fn reads(stream: &mut UnixStream, expected: &[u8]) {
    let mut got = vec![0; expected.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, expected);
}

const GET: &[u8] =
    b"POST /VolumeDriver.Get HTTP/1.1\r\nHost: \r\nContent-Length: 12\r\n\r\n{\"Name\":\"v\"}";
const FOUND: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"Err\":\"\"}";

#[test]
fn bytes_pass_as_they_come_in_both_directions_and_also_those_that_are_no_http() {
    let directory = tempfile::tempdir().unwrap();
    let (plugin, recorder, at) = before(directory.path());
    let mut engine = connect(&at);
    let mut served = accept(&plugin);
    // Byte by byte: each is there before the next is sent.
    for byte in GET {
        engine.write_all(&[*byte]).unwrap();
        reads(&mut served, &[*byte]);
    }
    for byte in FOUND {
        served.write_all(&[*byte]).unwrap();
        reads(&mut engine, &[*byte]);
    }
    // Pipelined, on the same connection.
    let twice = [GET, GET].concat();
    engine.write_all(&twice).unwrap();
    reads(&mut served, &twice);
    served.write_all(&[FOUND, FOUND].concat()).unwrap();
    reads(&mut engine, &[FOUND, FOUND].concat());
    // More than fits into any buffer, and no HTTP.
    let mut odd = connect(&at);
    let mut other = accept(&plugin);
    let garbage: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (sent, expected) = (garbage.clone(), garbage.clone());
    let writer = std::thread::spawn(move || {
        odd.write_all(&sent).unwrap();
        odd
    });
    reads(&mut other, &expected);
    let mut odd = writer.join().unwrap();
    other.write_all(b"what?").unwrap();
    reads(&mut odd, b"what?");
    drop((engine, odd));
    eventually(|| recorder.events("conn-close") == 2);
    let calls = recorder.calls();
    let shown: Vec<_> = calls
        .iter()
        .map(|call| (call.conn, call.conn_req, call.response.status))
        .collect();
    assert_eq!(
        shown,
        [(1, 1, Some(200)), (1, 2, Some(200)), (1, 3, Some(200))]
    );
    assert_eq!(calls[0].request.body, "{\"Name\":\"v\"}");
    assert_eq!(
        calls[0].request.headers[0],
        ("Host".to_owned(), String::new())
    );
    assert_eq!(recorder.events("not-http"), 2);
    recorder.end(Signal::SIGTERM);
    assert!(!at.exists());
}

#[test]
fn half_closed_and_broken_connections_are_so_on_the_other_side() {
    let directory = tempfile::tempdir().unwrap();
    let (plugin, recorder, at) = before(directory.path());
    // The engine has said all, and still listens.
    let mut engine = connect(&at);
    let mut served = accept(&plugin);
    engine.write_all(GET).unwrap();
    engine.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    served.read_to_end(&mut all).unwrap();
    assert_eq!(all, GET);
    served.write_all(FOUND).unwrap();
    drop(served);
    all.clear();
    engine.read_to_end(&mut all).unwrap();
    assert_eq!(all, FOUND);
    // The engine gives up: the plugin cannot write any more.
    let mut engine = connect(&at);
    let mut served = accept(&plugin);
    engine.write_all(GET).unwrap();
    reads(&mut served, GET);
    drop(engine);
    assert_eq!(served.read(&mut [0]).unwrap(), 0);
    eventually(|| served.write_all(FOUND).is_err());
    // The plugin hangs up without an answer: so it is for the engine, which cannot write either.
    let mut engine = connect(&at);
    let mut served = accept(&plugin);
    engine.write_all(GET).unwrap();
    reads(&mut served, GET);
    drop(served);
    assert_eq!(engine.read(&mut [0]).unwrap(), 0);
    eventually(|| engine.write_all(GET).is_err());
    eventually(|| recorder.events("conn-close") == 3);
    let how: Vec<_> = recorder
        .calls()
        .iter()
        .map(|call| {
            (
                call.response.status,
                call.response.hang,
                call.response.closed,
            )
        })
        .collect();
    assert_eq!(
        how,
        [
            (Some(200), false, false),
            (None, true, false),
            (None, false, true)
        ]
    );
}

#[test]
fn a_plugin_that_is_away_for_a_while_is_there_again_for_the_next_connection() {
    let directory = tempfile::tempdir().unwrap();
    let (plugin, recorder, at) = before(directory.path());
    drop(plugin);
    // What the system would have refused is closed at once.
    assert_eq!(connect(&at).read(&mut [0]).unwrap(), 0);
    eventually(|| recorder.events("refused") == 1);
    let upstream = directory.path().join("up.sock");
    std::fs::remove_file(&upstream).unwrap();
    let plugin = UnixListener::bind(&upstream).unwrap();
    let mut engine = connect(&at);
    engine.write_all(GET).unwrap();
    reads(&mut accept(&plugin), GET);
}

#[test]
fn secrets_reach_the_plugin_and_not_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let (upstream, listen) = (
        directory.path().join("up.sock"),
        directory.path().join("rec.sock"),
    );
    let plugin = UnixListener::bind(&upstream).unwrap();
    let recorder = Recorder::start(
        directory.path(),
        &[
            "--listen",
            listen.to_str().unwrap(),
            "--upstream",
            upstream.to_str().unwrap(),
            "--redact",
            "zone",
        ],
    );
    let body =
        "{\"Name\":\"v\",\"Opts\":{\"password\":\"hunter2\",\"zone\":\"atlantis\",\"mode\":\"1\"}}";
    let request = format!(
        "POST /VolumeDriver.Create HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n{\"Err\":\"no hunter2, atlantis\"}";
    let mut engine = connect(&listen);
    let mut served = accept(&plugin);
    engine.write_all(request.as_bytes()).unwrap();
    reads(&mut served, request.as_bytes());
    served.write_all(answer.as_bytes()).unwrap();
    reads(&mut engine, answer.as_bytes());
    drop((engine, served));
    eventually(|| recorder.calls().len() == 1);
    assert_eq!(
        std::fs::metadata(&recorder.file).unwrap().mode() & 0o777,
        0o600
    );
    let text = std::fs::read_to_string(&recorder.file).unwrap();
    assert!(
        !text.contains("hunter2") && !text.contains("atlantis"),
        "{text}"
    );
    assert!(recorder.calls()[0].request.body.contains("\"mode\":\"1\""));
}

/// A plugin that answers every connection's first request, and removes its socket when it ends.
struct Plugin {
    path: PathBuf,
    listener: UnixListener,
}

impl Plugin {
    fn start(path: &Path) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let path = path.to_owned();
        Self { path, listener }
    }

    /// Whether a call at `at` arrives here.
    fn hears(&self, at: &Path) -> bool {
        let Ok(mut engine) = UnixStream::connect(at) else {
            return false;
        };
        self.listener.set_nonblocking(true).unwrap();
        engine.write_all(GET).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(500) {
            if let Ok((mut served, _)) = self.listener.accept() {
                served.set_nonblocking(false).unwrap();
                reads(&mut served, GET);
                served.write_all(FOUND).unwrap();
                reads(&mut engine, FOUND);
                return true;
            }
        }
        false
    }

    fn stop(self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn swapped(directory: &Path, file: &str) -> (PathBuf, PathBuf, Vec<String>) {
    let plugins = directory.join("plugins");
    std::fs::create_dir_all(&plugins).unwrap();
    let shown = plugins.to_str().unwrap().to_owned();
    let arguments = [
        "--plugin",
        "mine",
        "--sockets-dir",
        &shown,
        "--specs-dir",
        &shown,
    ];
    (
        plugins.join(file),
        plugins.clone(),
        arguments.map(str::to_owned).to_vec(),
    )
}

#[test]
fn a_plugins_place_is_taken_also_from_one_that_starts_anew_and_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let (at, plugins, arguments) = swapped(directory.path(), "mine.sock");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let first = Plugin::start(&at);
    let inode = at.metadata().unwrap().ino();
    let recorder = Recorder::start(directory.path(), &arguments);
    assert_ne!(at.metadata().unwrap().ino(), inode);
    assert!(first.hears(&at));
    // Another recorder is told so, and changes nothing.
    let second = second_output(
        Command::new(RUNNER)
            .arg("record")
            .args(&arguments)
            .arg("--output")
            .arg(directory.path().join("x")),
    );
    assert!(second.contains("another recorder"), "{second}");
    first.stop();
    let anew = Plugin::start(&at);
    // What arrives there before its place is taken passes no recorder.
    eventually(|| anew.hears(&at) && recorder.calls().len() >= 2);
    recorder.end(Signal::SIGINT);
    assert_eq!(files(&plugins), ["mine.sock"]);
    assert!(anew.hears(&at));
}

fn second_output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_next_recorder_puts_back_what_a_killed_one_has_left() {
    for kind in ["mine.sock", "mine.spec", "mine.json"] {
        let directory = tempfile::tempdir().unwrap();
        let (at, plugins, arguments) = swapped(directory.path(), kind);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let socket = if kind == "mine.sock" {
            at.clone()
        } else {
            directory.path().join("hidden")
        };
        let plugin = Plugin::start(&socket);
        let address = format!("unix://{}", socket.display());
        match kind {
            "mine.spec" => std::fs::write(&at, &address).unwrap(),
            "mine.json" => {
                std::fs::write(&at, format!("{{\"Name\":\"mine\",\"Addr\":\"{address}\"}}"))
                    .unwrap()
            }
            _ => {}
        }
        let before = at.metadata().unwrap().ino();
        let recorder = Recorder::start(directory.path(), &arguments);
        assert_ne!(at.metadata().unwrap().ino(), before, "{kind}");
        recorder.signal(Signal::SIGKILL);
        drop(recorder);
        assert_eq!(files(&plugins).len(), 2, "{kind}");
        std::fs::remove_file(directory.path().join("out.json")).unwrap();
        let again = Recorder::start(directory.path(), &arguments);
        if kind == "mine.sock" {
            assert!(plugin.hears(&at));
        }
        again.end(Signal::SIGTERM);
        assert_eq!(files(&plugins), [kind]);
        assert_eq!(at.metadata().unwrap().ino(), before, "{kind}");
    }
}

#[test]
fn what_cannot_be_recorded_is_told_before_anything_is_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let told =
        |arguments: &[&str]| second_output(Command::new(RUNNER).arg("record").args(arguments));
    std::fs::write(path("there"), "precious").unwrap();
    for (arguments, why) in [
        (
            vec![
                "--listen",
                &path("l"),
                "--upstream",
                &path("u"),
                "--output",
                &path("there"),
            ],
            "is there already",
        ),
        (
            vec![
                "--listen",
                &path("there"),
                "--upstream",
                &path("u"),
                "--output",
                &path("o"),
            ],
            "is no socket",
        ),
        (
            vec![
                "--plugin",
                "none",
                "--sockets-dir",
                &path(""),
                "--output",
                &path("o"),
            ],
            "not found",
        ),
        (vec!["--output", &path("o")], "--listen"),
        (
            vec!["--listen", &path("l"), "--output", &path("o")],
            "--upstream",
        ),
    ] {
        let told = told(&arguments);
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(files(directory.path()), ["there"]);
}
