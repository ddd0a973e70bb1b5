#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

//! Replays what real engines were recorded to send, and compares.
//!
//! A scripted plugin on a real socket answers what the recorded plugin answered, and every request
//! has to be one that was recorded: path, headers, body and order. The commands are run in two ways:
//! as calls of the library, and by the real docker CLI, if it is the one of the recordings, through
//! the Engine API. There the exit status, standard error and standard output are compared as well;
//! `known` names what is not, and why. The output is a table of scenario × engine for each way.
//!
//! The CLI takes its own time, so that the engine's time passes faster only in scenarios in which
//! dockerd was waited for; the others run in real time.
//!
//! `RECORDING=name,name` plays only these.
//!
//! Not compared, but matched up: 64-digit IDs (the same ID stays the same ID), times, ports, the
//! order in which Go walks through a map. Where that order decides *which* calls are made, the
//! scenario is tried with several seeds: one of them has to be equal.

mod cli;
mod compare;
mod docker;
mod format;
mod known;
mod options;
mod output;
mod plugin;
mod replay;
mod script;
mod setup;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use fake_dockerd::Engine;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::sync::Semaphore;

use format::Recording;
use known::Excuse;
use replay::{Play, Way};
use script::Difference;

/// How much faster than real time passes where that is so.
const SCALE: f64 = 20.0;
/// With the docker CLI, which takes its own time, only scenarios with a longer command than this
/// (in seconds) are played faster than they were recorded.
const REAL_TIME: f64 = 2.5;
/// How many orders are tried where there is more than one.
const SEEDS: u64 = 40;
/// How many scenarios run at once: most of them wait most of the time.
const PARALLEL: usize = 12;

fn recordings(engine: Engine) -> Vec<(String, PathBuf)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/recordings")
        .join(engine.profile().version);
    let wanted = std::env::var("RECORDING").unwrap_or_default();
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("fixtures/recordings is part of the repository")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                path,
            )
        })
        .filter(|(name, _)| wanted.is_empty() || wanted.split(',').any(|wanted| wanted == name))
        .collect();
    files.sort();
    files
}

/// Whether a command has calls that come in the order of a Go map, or of whoever is first.
fn has_orders(recording: &Recording) -> bool {
    recording.commands.iter().any(|command| {
        let about = command.calls.iter().map(|call| {
            let body: serde_json::Value =
                serde_json::from_str(&call.request.body).unwrap_or_default();
            (&call.plugin, body["Name"].to_string())
        });
        let volumes: BTreeSet<_> = about.filter(|(_, volume)| volume != "null").collect();
        command.parallel.is_some() || volumes.len() > 1
    })
}

impl Way {
    /// How often is tried where there is one order only. A library that runs 20 times as fast can
    /// be late by seconds of the engine's time on a machine that is too busy.
    fn tries(self) -> u64 {
        match self {
            Self::Library => 5,
            Self::Docker => 1,
        }
    }

    /// How much faster than real time passes.
    fn scale(self, recording: &Recording) -> f64 {
        let waits = recording
            .commands
            .iter()
            .any(|command| command.duration > REAL_TIME);
        if self == Self::Docker && !waits {
            1.0
        } else {
            SCALE
        }
    }
}

/// The first difference, if no order of Go's maps makes the replay equal.
async fn difference(way: Way, engine: Engine, path: &Path) -> Option<String> {
    let recording: Recording = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let recording = Arc::new(recording);
    let mut last = Difference::default();
    let tries = if known::reason(way, &recording.scenario, engine).is_some() {
        1
    } else if has_orders(&recording) {
        SEEDS
    } else {
        way.tries()
    };
    let scale = way.scale(&recording);
    for seed in 0..tries {
        let play = Play { way, scale, seed };
        match replay::replay(engine, Arc::clone(&recording), play).await {
            Ok(()) => return None,
            // The order that came closest says most.
            Err(difference) if difference.step >= last.step => last = difference,
            Err(_) => {}
        }
    }
    Some(last.text)
}

fn compare(way: Way) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let results = runtime.block_on(async {
        let permits = Arc::new(Semaphore::new(PARALLEL));
        let mut running = Vec::new();
        for engine in Engine::ALL {
            for (name, path) in recordings(engine) {
                let permits = Arc::clone(&permits);
                running.push(tokio::spawn(async move {
                    let _permit = permits.acquire_owned().await.unwrap();
                    (name, engine, difference(way, engine, &path).await)
                }));
            }
        }
        let mut results = Vec::new();
        for task in running {
            results.push(task.await.unwrap());
        }
        results
    });
    report(way, &results);
    Ok(())
}

fn main() -> ExitCode {
    let missing = match docker::version() {
        None => Some(" (skipped: no docker CLI)".to_owned()),
        Some(version) if version != docker::RECORDED => Some(format!(
            " (skipped: docker CLI {version}, not {} of the recordings)",
            docker::RECORDED
        )),
        Some(_) => None,
    };
    let skipped = missing.is_some();
    let with_docker = format!("through_the_docker_cli{}", missing.unwrap_or_default());
    let trials = vec![
        Trial::test("through_the_library", || compare(Way::Library)),
        Trial::test(with_docker, || compare(Way::Docker)).with_ignored_flag(skipped),
    ];
    let mut arguments = Arguments::from_args();
    // Both at once would only make each other late.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn report(way: Way, results: &[(String, Engine, Option<String>)]) {
    let mut table: BTreeMap<&str, BTreeMap<Engine, &Option<String>>> = BTreeMap::new();
    for (name, engine, difference) in results {
        table.entry(name).or_default().insert(*engine, difference);
    }
    println!(
        "{:<44} {:>8} {:>8} {:>8}",
        "scenario", "20.10", "26.1", "28.5"
    );
    let mut wrong = Vec::new();
    for (name, engines) in &table {
        print!("{name:<44}");
        for engine in Engine::ALL {
            let known = known::reason(way, name, engine);
            let cell = match (engines.get(&engine), known) {
                (None, _) => "-",
                (Some(None), None) => "equal",
                (Some(None), Some(reason)) => {
                    wrong.push(format!("{name} {engine}: equal, but listed: {reason}"));
                    "EQUAL"
                }
                (Some(Some(_)), Some(_)) => "known",
                (Some(Some(difference)), None) => {
                    wrong.push(format!("{name} {engine}: {difference}"));
                    "DIFFERS"
                }
            };
            print!(" {cell:>8}");
        }
        println!();
    }
    for engine in Engine::ALL {
        let of_engine = results.iter().filter(|(_, e, _)| *e == engine);
        let (equal, all) = of_engine.fold((0, 0), |(equal, all), (_, _, difference)| {
            (equal + usize::from(difference.is_none()), all + 1)
        });
        println!("{engine}: {equal} of {all} equal");
    }
    for reason in known::all(way) {
        println!("known: {reason}");
    }
    if way == Way::Docker {
        for excuse in Excuse::all() {
            println!("not compared: {excuse}");
        }
        if std::env::var_os("RECORDING").is_none() {
            wrong.extend(Excuse::stale());
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
