//! Prints how fast the reference driver and the suite are, beside what they can be compared with on
//! this machine in this very run: a plugin with an empty handler on the same HTTP stack, which is the
//! physical limit, and `rclone serve docker` where it is installed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark may panic"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use volplug_conformance::bench::{Stats, Work, create, load, resident_memory};
use volplug_conformance::wire::Address;

const RUNNER: &str = env!("CARGO_BIN_EXE_volplug-conformance");
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(400);

fn main() {
    // `cargo test` builds benches too and runs them with --test: there is nothing to test here.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    whole_run();
    random_play();
    plugins();
    many_volumes();
}

/// The main job, as a user waits for it.
fn whole_run() {
    let mut times: Vec<Duration> = (0..3)
        .map(|_| {
            let begun = Instant::now();
            let status = Command::new(RUNNER)
                .arg("--reference")
                .stdout(Stdio::null())
                .status()
                .unwrap();
            assert!(status.success(), "the reference driver fails the suite");
            begun.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "whole run against the reference driver: {:.2} s (median of 3)\n",
        times[1].as_secs_f32()
    );
}

/// How fast sequences are played and judged, over one connection and without restarts. The driver
/// keeps its state in memory where there is a file system for that, as it does in the suite's own
/// runs: how fast a disk is, is another question.
fn random_play() {
    let memory = Path::new("/dev/shm");
    let memory = memory.is_dir().then_some(memory);
    let plugin = reference_in(memory.unwrap_or(&std::env::temp_dir()));
    let Address::Unix(socket) = &plugin.address else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report.json");
    let begun = Instant::now();
    let status = Command::new(RUNNER)
        .args([
            "--only",
            "prop",
            "--sequences",
            "3000",
            "--seed",
            "1",
            "--socket",
        ])
        .arg(socket)
        .arg("--format")
        .arg(format!("json={}", report.display()))
        .status()
        .unwrap();
    assert!(status.success(), "the reference driver breaks an invariant");
    let took = begun.elapsed().as_secs_f32();
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let told = report["cases"][0]["notes"][0].as_str().unwrap();
    println!(
        "random play on the reference driver, one connection: {told}, {:.0} sequences/s\n",
        3000.0 / took
    );
}

/// A running plugin with two dozen volumes.
struct Plugin {
    name: &'static str,
    address: Address,
    volumes: Vec<String>,
    child: Option<Child>,
    _directory: tempfile::TempDir,
}

impl Plugin {
    fn start(
        name: &'static str,
        parent: &Path,
        command: impl FnOnce(&Path, &Path) -> Command,
    ) -> Self {
        let directory = tempfile::tempdir_in(parent).unwrap();
        let socket = directory.path().join("p.sock");
        let child = command(&socket, directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self::at(name, socket, Some(child), directory)
    }

    fn at(
        name: &'static str,
        socket: PathBuf,
        child: Option<Child>,
        directory: tempfile::TempDir,
    ) -> Self {
        let begun = Instant::now();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "{name} does not start"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        let volumes = (0..16).map(|number| format!("bench-{number}")).collect();
        Self {
            name,
            address: Address::Unix(socket),
            volumes,
            child,
            _directory: directory,
        }
    }

    fn measure(&self, work: Work, connections: usize) -> Option<Stats> {
        load(&self.address, work, connections, &self.volumes, ROUND)
            .inspect_err(|error| eprintln!("{}: {}: {error}", self.name, work.name()))
            .ok()
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn reference() -> Plugin {
    reference_in(&std::env::temp_dir())
}

fn reference_in(parent: &Path) -> Plugin {
    Plugin::start("reference driver", parent, |socket, directory| {
        let mut command = Command::new(RUNNER);
        command.args([
            "reference-driver",
            "local",
            "--log-level",
            "warn",
            "--socket",
        ]);
        command
            .arg(socket)
            .arg("--data-root")
            .arg(directory.join("data"));
        command
    })
}

fn rclone() -> Option<Plugin> {
    Command::new("rclone").arg("version").output().ok()?;
    let plugin = Plugin::start("rclone", &std::env::temp_dir(), |socket, directory| {
        let mut command = Command::new("rclone");
        command
            .args(["serve", "docker", "--socket-addr"])
            .arg(socket);
        command
            .arg("--base-dir")
            .arg(directory.join("mnt"))
            .arg("--cache-dir")
            .arg(directory.join("cache"));
        command.arg("--config").arg(directory.join("rclone.conf"));
        command
    });
    Some(plugin)
}

/// The same HTTP stack as the driver's, with a handler that does nothing.
fn empty_handler() -> Plugin {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("p.sock");
    let path = socket.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::UnixListener::bind(path).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = service_fn(|request: Request<Incoming>| async {
                    let _ = request.into_body().collect().await;
                    let answer = Bytes::from_static(b"{\"Err\":\"\"}\n");
                    Ok::<_, std::convert::Infallible>(Response::new(Full::new(answer)))
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    Plugin::at("empty handler", socket, None, directory)
}

/// Get and Mount+Unmount, over one connection and over sixteen, in turns.
fn plugins() {
    let mut all = vec![empty_handler(), reference()];
    all.extend(rclone());
    for plugin in all
        .iter()
        .filter(|plugin| plugin.name == "reference driver")
    {
        create(&plugin.address, plugin.volumes.clone()).unwrap();
    }
    if let Some(plugin) = all.iter().find(|plugin| plugin.name == "rclone") {
        rclone_volumes(plugin);
    }
    println!(
        "{:14} {:>5} {:18} {:>10} {:>9} {:>9} {:>8}",
        "call", "conns", "plugin", "requests/s", "p50", "p99", "ratio"
    );
    for work in Work::ALL {
        for connections in [1, 16] {
            let mut rounds: Vec<Vec<Stats>> = all.iter().map(|_| Vec::new()).collect();
            for _ in 0..ROUNDS {
                for (plugin, results) in all.iter().zip(&mut rounds) {
                    // rclone 1.60 locks up when two volumes are mounted at once.
                    if !(plugin.name == "rclone" && work == Work::MountUnmount && connections > 1) {
                        results.extend(plugin.measure(work, connections));
                    }
                }
            }
            let medians: Vec<Option<Stats>> = rounds.into_iter().map(median).collect();
            for (plugin, stats) in all.iter().zip(&medians) {
                let Some(stats) = stats else {
                    println!(
                        "{:14} {connections:>5} {:18} not measured",
                        work.name(),
                        plugin.name
                    );
                    continue;
                };
                // Rounds alternate between the plugins, so that a busy machine slows all alike.
                let limit = medians[0].map_or(f64::NAN, |limit| limit.per_second);
                println!(
                    "{:14} {connections:>5} {:18} {:>10.0} {:>6} µs {:>6} µs {:>7.2}×",
                    work.name(),
                    plugin.name,
                    stats.per_second,
                    stats.p50.as_micros(),
                    stats.p99.as_micros(),
                    limit / stats.per_second,
                );
            }
        }
    }
    println!(
        "(ratio: how many times slower than the empty handler; medians of {ROUNDS} alternating rounds)\n"
    );
}

fn rclone_volumes(plugin: &Plugin) {
    let Address::Unix(socket) = &plugin.address else {
        return;
    };
    for volume in &plugin.volumes {
        let body =
            format!("{{\"Name\":\"{volume}\",\"Opts\":{{\"type\":\"local\",\"path\":\"/tmp\"}}}}");
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        let request =
            volplug_conformance::wire::Request::docker("/VolumeDriver.Create", body).bytes();
        std::io::Write::write_all(&mut stream, &request).unwrap();
        let mut piece = [0; 1024];
        let length = std::io::Read::read(&mut stream, &mut piece).unwrap();
        assert!(
            piece[..length].starts_with(b"HTTP/1.1 200"),
            "rclone refuses a volume"
        );
    }
}

fn median(mut stats: Vec<Stats>) -> Option<Stats> {
    stats.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    stats.get(stats.len() / 2).copied()
}

/// What a hundred thousand volumes cost.
fn many_volumes() {
    let plugin = reference();
    let pid = plugin.child.as_ref().unwrap().id();
    let before = resident_memory(pid).unwrap();
    let thousand = |from: usize| {
        let begun = Instant::now();
        create(
            &plugin.address,
            (from..from + 1000).map(|number| format!("many-{number}")),
        )
        .unwrap();
        begun.elapsed().as_micros() / 1000
    };
    let first = thousand(0);
    // In between, several connections at once.
    std::thread::scope(|scope| {
        for client in 0..16 {
            let address = &plugin.address;
            scope.spawn(move || {
                let mine = (1000..99_000).filter(|number| number % 16 == client);
                create(address, mine.map(|number| format!("many-{number}"))).unwrap();
            });
        }
    });
    let last = thousand(99_000);
    let after = resident_memory(pid).unwrap();
    println!(
        "Create of the first thousand volumes: {first} µs each; of the hundredth thousand: {last} µs each"
    );
    println!(
        "resident memory of the driver: {} MiB empty, {} MiB with 100,000 volumes",
        before >> 20,
        after >> 20
    );
}
