//! The same scripts with the same docker CLI against a real dockerd and against this engine: what
//! each command prints, how it ends, and what the plugin is asked have to be the same.
//!
//! The real one is what `ci/real-engine` starts; without it the tests are ignored, with the reason
//! in their names, and never passed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../daemon/plugin.rs"]
#[expect(dead_code, reason = "whole calls are compared")]
mod plugin;

mod engine;
mod game;
mod scripts;
mod told;
mod transcript;
mod volumes;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use engine::Engine;
use game::{Game, Step};
use libtest_mimic::{Arguments, Failed, Trial};
use scripts::{KNOWN, SCRIPTS, Script};
use told::TOLD;

/// The two that are compared, for all scripts: both have seen the same before each.
struct Engines {
    real: Engine,
    version: String,
    ours: Engine,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let engines = Engine::real().map(|real| {
        let version = real.version();
        let ours = Engine::ours(&version);
        Arc::new(Mutex::new(Engines {
            real,
            version,
            ours,
        }))
    });
    let trials = SCRIPTS.iter().map(|script| match engines.clone() {
        Some(engines) => Trial::test(script.name, move || {
            compare(
                script,
                &engines.lock().unwrap_or_else(PoisonError::into_inner),
            )
        }),
        None => {
            let name = format!("{} (skipped: it takes ci/real-engine)", script.name);
            Trial::test(name, || Ok(())).with_ignored_flag(true)
        }
    });
    let random = seeds().map(|seed| (format!("random_play_{seed}"), Game::new(seed)));
    let told = TOLD
        .iter()
        .map(|told| (told.name.to_owned(), Game::told(told.steps)));
    let games = told
        .chain(random)
        .map(|(name, game)| match engines.clone() {
            Some(engines) => Trial::test(name.clone(), move || {
                let mut engines = engines.lock().unwrap_or_else(PoisonError::into_inner);
                play(&name, &game, &mut engines)
            }),
            None => {
                let name = format!("{name} (skipped: it takes ci/real-engine)");
                Trial::test(name, || Ok(())).with_ignored_flag(true)
            }
        });
    libtest_mimic::run(&arguments, trials.chain(games).collect()).exit_code()
}

/// Runs a script against both, and shows the first command that is not the same.
fn compare(script: &Script, engines: &Engines) -> Result<(), Failed> {
    let (theirs, ours) = (engines.real.run(script), engines.ours.run(script));
    let version = &engines.version;
    let known = KNOWN.iter().find(|(name, _)| *name == script.name);
    match (theirs.difference(&ours), known) {
        (None, None) => Ok(()),
        (Some(_), Some((_, why))) => {
            println!("{} differs from dockerd {version}: {why}", script.name);
            Ok(())
        }
        (None, Some(_)) => Err("no longer differs: take it off the list".into()),
        (Some(difference), None) => Err(format!("dockerd {version}: {difference}").into()),
    }
}

/// The games that are played: `VOLPLUG_SEEDS=100..200` for others than the usual few.
fn seeds() -> std::ops::Range<u64> {
    let Ok(range) = std::env::var("VOLPLUG_SEEDS") else {
        return 0..4;
    };
    let (from, to) = range.split_once("..").expect("VOLPLUG_SEEDS=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

/// How often a game is played before a difference counts. dockerd asks its drivers and goes through a
/// container's mounts in the order of a Go map, which is drawn anew each time, and this engine does so
/// too: where a game comes to where that shows, two plays of the real one alone differ as well. What
/// is truly different differs each time.
const PLAYS: usize = 5;

/// Plays a game against both.
fn play(name: &str, game: &Game, engines: &mut Engines) -> Result<(), Failed> {
    let mut last = String::new();
    for _ in 0..PLAYS {
        let Some(difference) = play_once(game, engines) else {
            return Ok(());
        };
        println!("{name} differs: {difference}");
        last = difference;
    }
    let steps = game.steps.iter().map(|step| format!("    {step:?}\n"));
    let version = &engines.version;
    Err(format!(
        "dockerd {version}, each of {PLAYS} times, at last so: {last}the game:\n{}",
        steps.collect::<String>()
    )
    .into())
}

/// How the engines differ in a game.
fn play_once(game: &Game, engines: &mut Engines) -> Option<String> {
    let Engines { real, ours, .. } = engines;
    let (mut theirs, mut ours) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| real.play(game));
        let ours = ours.play(game);
        (theirs.join().unwrap(), ours)
    });
    let restarts = |step: &Step| matches!(step, Step::Restart(_));
    if game.unordered || game.steps.iter().any(restarts) {
        (theirs, ours) = (theirs.unordered(), ours.unordered());
    }
    theirs.difference(&ours)
}
