#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

//! Replays what real engines were recorded to send, and compares.
//!
//! Each recording is played in-process: its docker commands are turned into calls of the library,
//! a scripted plugin on a real socket answers what the recorded plugin answered, and every request
//! has to be one that was recorded: path, headers, body and order. What the command printed is
//! compared too, as far as it comes from the daemon. The output is a table of scenario × engine.
//!
//! Not compared, but matched up: 64-digit IDs (the same ID stays the same ID), times, ports, the
//! order in which Go walks through a map. Where that order decides *which* calls are made, the
//! scenario is tried with several seeds: one of them has to be equal.

mod cli;
mod compare;
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
use std::sync::Arc;

use fake_dockerd::Engine;
use tokio::sync::Semaphore;

use format::Recording;

/// How much faster than real time passes.
pub(crate) const SCALE: f64 = 20.0;
/// How many orders are tried where there is more than one.
const SEEDS: u64 = 40;
/// How often is tried where there is not: again for a machine that was too busy.
const TRIES: u64 = 5;
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

/// The first difference, if no order of Go's maps makes the replay equal.
async fn difference(engine: Engine, path: &Path) -> Option<String> {
    let recording: Recording = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let recording = Arc::new(recording);
    let mut first = None;
    let tries = if has_orders(&recording) { SEEDS } else { TRIES };
    for seed in 0..tries {
        match replay::replay(engine, Arc::clone(&recording), seed).await {
            Ok(()) => return None,
            Err(difference) => first.get_or_insert(difference),
        };
    }
    first
}

#[test]
fn every_recording_is_equal_or_known_to_differ() {
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
                    (name, engine, difference(engine, &path).await)
                }));
            }
        }
        let mut results = Vec::new();
        for task in running {
            results.push(task.await.unwrap());
        }
        results
    });
    report(&results);
}

fn report(results: &[(String, Engine, Option<String>)]) {
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
            let known = known::reason(name, engine);
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
    for reason in known::all() {
        println!("known: {reason}");
    }
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
