//! Makes the recordings of `fixtures/recordings` again, with a real dockerd, the docker CLI and this
//! project's own recorder, and compares them with those that are there.
//!
//! `ci/record-engines` starts it where `ci/real-engine` has put a dockerd:
//!
//!     record-engines RECORDINGS OUTPUT [SCENARIO…]
//!
//! Each scenario begins with an empty engine and a fresh plugin, and does what the commands of its
//! recording say. Files in `/etc` and `/usr/lib`, by which an engine finds plugins, are written as the
//! recordings say: it takes a mount namespace in which that is nobody else's. Where
//! commands run at once, or an engine walks through several volumes in any order, a scenario is made
//! several times until it comes out equal.

#![allow(
    clippy::indexing_slicing,
    reason = "only JSON objects are indexed, which have null where they have nothing"
)]

mod engine;
mod files;
mod place;
mod plugin;
mod plugins;
mod scenario;
mod server;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use volplug_conformance::recording::{Difference, Recording, diff};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match record(&arguments) {
        Ok(differing) => ExitCode::from(u8::from(differing)),
        Err(why) => {
            eprintln!("record-engines: {why}");
            ExitCode::from(2)
        }
    }
}

/// How often a scenario is made that may come to something else each time: three volumes, and then
/// two, come in a wanted order one time in twelve.
const TRIES: usize = 30;

/// Makes the recordings, and tells whether one differs from what is there.
fn record(arguments: &[String]) -> Result<bool, String> {
    let [recordings, output, wanted @ ..] = arguments else {
        return Err("give RECORDINGS OUTPUT [SCENARIO…]".to_owned());
    };
    let images = engine::Images::make()?;
    let (mut equal, mut differing, mut by_chance, mut left) = (0, 0, 0, 0);
    for path in files(Path::new(recordings), wanted)? {
        let recorded = Recording::read(&path)?;
        let name = &recorded.scenario;
        let tries = if scenario::varies(&recorded) {
            TRIES
        } else {
            1
        };
        let found = match again(&recorded, &images, Path::new(output), tries) {
            Ok(None) => {
                println!("{name:<44} equal");
                equal += 1;
                continue;
            }
            Ok(Some(found)) => found,
            Err(why) => {
                println!("{name:<44} not made: {why}");
                left += 1;
                continue;
            }
        };
        let what: Vec<&str> = found
            .endpoints
            .keys()
            .chain(&found.others)
            .map(String::as_str)
            .collect();
        let what = what.join("; ");
        if tries > 1 {
            println!("{name:<44} differs, as it may: {what}");
            by_chance += 1;
        } else {
            println!("{name:<44} differs: {what}");
            differing += 1;
        }
    }
    println!("{equal} equal, {differing} differ, {by_chance} differ as they may, {left} not made");
    Ok(differing + left > 0)
}

/// Makes a recording until it is equal, and tells how the last one differs.
fn again(
    recorded: &Recording,
    images: &engine::Images,
    output: &Path,
    tries: usize,
) -> Result<Option<Difference>, String> {
    let mut found = None;
    for _ in 0..tries {
        let made = scenario::make(recorded, images)?;
        let file = format!("{}.json", recorded.scenario);
        write(&output.join(&made.engine).join(file), &made)?;
        found = Some(diff(recorded, &made)).filter(|found| !found.is_none());
        if found.is_none() {
            break;
        }
    }
    Ok(found)
}

fn files(directory: &Path, wanted: &[String]) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            wanted.is_empty() || wanted.iter().any(|wanted| *wanted == name)
        })
        .collect();
    files.sort();
    let is_there = |name: &String| {
        files
            .iter()
            .any(|path| path.file_stem() == Some(name.as_ref()))
    };
    match wanted.iter().find(|name| !is_there(name)) {
        Some(unknown) => Err(format!(
            "there is no scenario {unknown} in {}; its files are called as the scenarios are",
            directory.display()
        )),
        None => Ok(files),
    }
}

fn write(path: &Path, recording: &Recording) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(|error| told(&error))?;
    }
    let text = serde_json::to_string_pretty(recording).map_err(|error| told(&error))?;
    std::fs::write(path, text + "\n").map_err(|error| told(&error))
}
