//! Prints how fast the engine is beside a real dockerd on the same machine in this very run, in
//! alternating rounds: `ci/real-engine cargo bench -p fake-dockerd`. Without `ci/real-engine` there
//! is no real one, and the engine's own numbers are printed alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark may panic"
)]

mod client;
mod engine;
#[path = "../../tests/daemon/plugin.rs"]
#[expect(dead_code, reason = "nobody looks at the calls")]
mod plugin;
#[path = "../../tests/engines/volumes.rs"]
#[allow(dead_code, reason = "no volume is lost here")]
mod volumes;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use client::Client;
use engine::{Engine, Kind};
use plugin::Plugin;
use serde_json::{Value, json};
use tempfile::TempDir;
use volumes::Volumes;

const STARTS: usize = 7;
const CALLS: usize = 300;
const RUNS: usize = 25;
const LISTS: usize = 15;
/// How many volumes the list is long.
const VOLUMES: usize = 10_000;

fn main() {
    // `cargo test` builds benches too and runs them with --test: there is nothing to test here.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let kinds = Kind::here();
    let real = kinds.get(1).map_or("", |kind| kind.name());
    println!("{:34}{:>14}{real:>14}   ratio", "", Kind::Ours.name());

    row(
        "start to the first answer",
        &rounds(&kinds, STARTS, |kind| {
            let begun = Instant::now();
            let engine = kind.start();
            let took = begun.elapsed();
            drop(engine);
            took
        }),
    );
    let running: Vec<_> = kinds
        .iter()
        .map(|kind| Running::new(kind.ready()))
        .collect();
    row(
        "volume create + rm",
        &rounds(&running, CALLS, Running::create_and_remove),
    );
    row(
        "  the plugin's own time",
        &rounds(&running, CALLS, Running::its_create_and_remove),
    );
    row(
        "run --rm of true with one volume",
        &rounds(&running, RUNS, Running::run),
    );
    row(
        "  the plugin's own time",
        &rounds(&running, RUNS, Running::its_run),
    );
    let pretending = Running::new(Kind::Pretending.ready());
    let beside: Vec<_> = std::iter::once(&pretending).chain(running.get(1)).collect();
    row(
        &format!("  {}", Kind::Pretending.name()),
        &rounds(&beside, RUNS, |running| running.run()),
    );
    drop(pretending);
    memory("resident memory", &running);
    let many: Vec<_> = running.iter().map(Running::many_volumes).collect();
    row(
        &format!("list of {VOLUMES} volumes"),
        &rounds(&running, LISTS, |running| {
            running.time("GET", "/volumes", "")
        }),
    );
    memory(&format!("resident memory, {VOLUMES} volumes"), &running);
    drop(many);
    if kinds.len() == 1 {
        println!("(medians; no real engine is here: ci/real-engine runs this beside one)");
    } else {
        println!("(medians of alternating rounds; ratio: how many times faster or smaller)");
    }
}

/// The median time of each, measured in turns.
fn rounds<T>(all: &[T], times: usize, measure: impl Fn(&T) -> Duration) -> Vec<f64> {
    let mut took = vec![Vec::new(); all.len()];
    for _ in 0..times {
        for (one, took) in all.iter().zip(&mut took) {
            took.push(measure(one));
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1000.0
    };
    took.iter_mut().map(median).collect()
}

fn row(what: &str, ms: &[f64]) {
    print_row(what, ms, "ms");
}

fn memory(what: &str, running: &[Running]) {
    let bytes: Vec<_> = running
        .iter()
        .map(|running| running.engine.memory())
        .collect();
    let mib: Vec<_> = bytes
        .iter()
        .map(|bytes| *bytes as f64 / f64::from(1 << 20))
        .collect();
    print_row(what, &mib, "MiB");
}

fn print_row(what: &str, numbers: &[f64], unit: &str) {
    print!("{what:34}");
    for number in numbers {
        print!("{:>14}", format!("{number:.2} {unit}"));
    }
    match numbers {
        [ours, real] => println!("{:>7.1}×", real / ours),
        _ => println!(),
    }
}

/// An engine with a plugin.
struct Running {
    engine: Engine,
    client: RefCell<Client>,
    /// For a wait, which goes on beside the start.
    second: RefCell<Client>,
    /// Straight to the plugin.
    plugin: RefCell<Client>,
    _directory: TempDir,
}

impl Running {
    fn new(engine: Engine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let volumes = Volumes::below(directory.path());
        let answers = move |path: &str, body: &str| volumes.answer(path, body).map(Some);
        let plugin = Plugin::start(&engine.sockets, "mine", answers);
        let open = |socket| RefCell::new(Client::open(socket).unwrap());
        let running = Self {
            client: open(&engine.socket),
            second: open(&engine.socket),
            plugin: open(&plugin.socket),
            _directory: directory,
            engine,
        };
        let keep = json!({"Name": "kept", "Driver": "mine"});
        running.time("POST", "/volumes/create", &keep.to_string());
        running
    }

    fn time(&self, method: &str, path: &str, body: &str) -> Duration {
        let begun = Instant::now();
        self.client.borrow_mut().call(method, path, body);
        begun.elapsed()
    }

    fn create_and_remove(&self) -> Duration {
        let create = json!({"Name": "vol", "Driver": "mine"});
        self.time("POST", "/volumes/create", &create.to_string())
            + self.time("DELETE", "/volumes/vol", "")
    }

    /// The calls of the plugin for it, without an engine.
    fn its_create_and_remove(&self) -> Duration {
        self.its(&["Get", "Create", "Get", "Get", "Remove"], "vol")
    }

    fn run(&self) -> Duration {
        let create = json!({
            "Image": "busybox",
            "Cmd": ["true"],
            "HostConfig": {"AutoRemove": true, "Binds": ["kept:/data"], "VolumeDriver": "mine"},
        });
        let (mut client, mut second) = (self.client.borrow_mut(), self.second.borrow_mut());
        let begun = Instant::now();
        let created = client.call("POST", "/containers/create", &create.to_string());
        let created: Value = serde_json::from_slice(&created).unwrap();
        let path = format!("/containers/{}", created["Id"].as_str().unwrap());
        second.send("POST", &format!("/v1.41{path}/wait?condition=removed"), "");
        let (status, length) = second.head();
        assert_eq!(status, 200, "wait");
        client.call("POST", &format!("{path}/start"), "");
        let ended: Value = serde_json::from_slice(&second.body(length)).unwrap();
        assert_eq!(ended["StatusCode"], 0, "{ended}");
        begun.elapsed()
    }

    fn its_run(&self) -> Duration {
        self.its(&["Get", "Get", "Mount", "Get", "Unmount"], "kept")
    }

    fn its(&self, calls: &[&str], name: &str) -> Duration {
        let mut plugin = self.plugin.borrow_mut();
        let begun = Instant::now();
        for call in calls {
            let body = json!({"Name": name, "ID": "0"}).to_string();
            plugin.send("POST", &format!("/VolumeDriver.{call}"), &body);
            plugin.receive().unwrap();
        }
        begun.elapsed()
    }

    /// A second plugin, which lists many volumes.
    fn many_volumes(&self) -> Plugin {
        let all: Vec<_> = (0..VOLUMES)
            .map(|at| json!({"Name": format!("many-{at}"), "Mountpoint": "", "Status": {"size": "1"}}))
            .collect();
        let list = json!({"Volumes": all, "Err": ""}).to_string();
        Plugin::start(&self.engine.sockets, "many", move |path, _| {
            (path == "/VolumeDriver.List").then(|| Some(list.clone()))
        })
    }
}
