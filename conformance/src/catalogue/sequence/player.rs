//! Plays docker commands, each time with names of their own, and finds the fewest that fail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::host::{Offers, commands};
use super::moves::Script;
use super::play::Play;
use super::random::ID;
use super::script::{Line, Names};
use crate::runner::take_back;
use crate::suite::{CaseResult, Cx, Exchange, Finding, Halt, Ledger};

/// How long a script that failed is shortened at the most.
const LONGEST_SHORTENING: Duration = Duration::from_secs(3);

/// Plays scripts.
pub(super) struct Player {
    /// The memory of the case.
    home: Arc<Ledger>,
    played: u64,
    offers: Offers,
}

/// How commands failed.
pub(super) struct Failed {
    lines: Vec<String>,
    halt: Halt,
    ledger: Arc<Ledger>,
}

impl Failed {
    /// What happened, for a sentence.
    pub(super) fn reason(&self) -> String {
        match &self.halt {
            Halt::Finding(finding) | Halt::Setup(_, finding) => format!(
                "expected that {}; got: {}",
                finding.expected, finding.actual
            ),
            Halt::Skip(why) | Halt::Harness(why) => why.clone(),
        }
    }
}

impl Player {
    pub(super) const fn new(home: Arc<Ledger>, offers: Offers) -> Self {
        Self {
            home,
            played: 0,
            offers,
        }
    }

    /// How often commands were played.
    pub(super) const fn played(&self) -> u64 {
        self.played
    }

    /// All is over and taken back.
    pub(super) fn leave(&self) {
        self.home.leave();
    }

    /// Plays a script once; the number of its commands, and how it failed.
    pub(super) async fn once(
        &mut self,
        cx: &mut Cx,
        script: &Script,
    ) -> CaseResult<(usize, Option<Failed>)> {
        let lines = commands(script, self.offers);
        let failed = self.run(cx, &lines, script.live_restore).await?;
        Ok((lines.len(), failed))
    }

    /// Runs commands once, and takes back what they made; how they failed.
    pub(super) async fn run(
        &mut self,
        cx: &mut Cx,
        lines: &[String],
        live_restore: bool,
    ) -> CaseResult<Option<Failed>> {
        self.played += 1;
        let ledger = Arc::new(Ledger::default());
        self.home.accompany(Arc::clone(&ledger));
        cx.enter(Arc::clone(&ledger), &format!("commands {}", self.played));
        let played = run(cx, lines, live_restore).await;
        let target = cx.shared_target();
        if !target.health.is_dead() {
            take_back(&target, &ledger, ID).await;
        }
        for volume in ledger.left().iter().filter(|volume| volume.exists) {
            self.home.created(&volume.name);
        }
        match played {
            Ok(()) => Ok(None),
            Err(halt @ (Halt::Finding(_) | Halt::Setup(..))) => Ok(Some(Failed {
                lines: lines.to_vec(),
                halt,
                ledger,
            })),
            Err(other) => Err(other),
        }
    }

    /// Leaves out moves as long as what is left fails too: long stretches first, then single ones.
    pub(super) async fn shorten(
        &mut self,
        cx: &mut Cx,
        mut script: Script,
        mut failed: Failed,
    ) -> CaseResult<Proof> {
        let begun = Instant::now();
        let mut tries = 0;
        let lines_before = failed.lines.len();
        let mut size = script.moves.len().div_ceil(2);
        while size > 0 {
            let (mut at, mut progress) = (0, false);
            while at < script.moves.len() {
                if begun.elapsed() > LONGEST_SHORTENING || cx.target().health.is_dead() {
                    size = 1;
                    break;
                }
                let mut fewer = script.clone();
                let end = (at + size).min(fewer.moves.len());
                fewer.moves.drain(at..end);
                tries += 1;
                match self.once(cx, &fewer).await? {
                    (_, Some(again)) => {
                        (script, failed, progress) = (fewer, again, true);
                    }
                    (_, None) => at += size,
                }
            }
            if size > 1 {
                size /= 2;
            } else if !progress || begun.elapsed() > LONGEST_SHORTENING {
                break;
            }
        }
        let proof = self.confirm(cx, failed, script.live_restore).await?;
        Ok(Proof {
            lines_before,
            tries,
            ..proof
        })
    }

    /// Plays commands that failed once more.
    pub(super) async fn confirm(
        &mut self,
        cx: &mut Cx,
        mut failed: Failed,
        live_restore: bool,
    ) -> CaseResult<Proof> {
        let (mut played, mut broke) = (1, 1);
        if !cx.target().health.is_dead() {
            let lines = failed.lines.clone();
            played += 1;
            if let Some(again) = self.run(cx, &lines, live_restore).await? {
                broke += 1;
                failed = again;
            }
        }
        Ok(Proof {
            seed: 0,
            number: 0,
            live_restore,
            lines_before: failed.lines.len(),
            failed,
            tries: 0,
            played,
            broke,
        })
    }
}

/// The fewest commands that fail.
pub(super) struct Proof {
    /// The seed of the run that found them.
    pub(super) seed: u64,
    /// The number of the script that they were shortened from.
    pub(super) number: u64,
    pub(super) live_restore: bool,
    failed: Failed,
    lines_before: usize,
    tries: u64,
    played: u32,
    broke: u32,
}

impl Proof {
    /// The same, with where it comes from.
    pub(super) const fn drawn(mut self, seed: u64, number: u64) -> Self {
        self.seed = seed;
        self.number = number;
        self
    }

    /// The commands, with placeholders for names.
    pub(super) fn commands(&self) -> &[String] {
        &self.failed.lines
    }

    /// The calls that the commands led to.
    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        self.failed.ledger.record().exchanges
    }

    /// The finding, with its commands and how it was come by.
    pub(super) fn halt(self) -> Halt {
        let Self {
            seed,
            number,
            failed,
            lines_before,
            tries,
            played,
            broke,
            ..
        } = self;
        let flaky = if broke < played {
            format!("flaky: seen in {broke} of {played} plays of the shortest script; ")
        } else {
            String::new()
        };
        let how = format!(
            " ({flaky}script {number} of seed {seed}, shortened from {lines_before} lines to {} in {tries} \
             tries)",
            failed.lines.len()
        );
        let told = |mut finding: Box<Finding>| {
            finding.actual += &how;
            finding.docker = failed.lines;
            finding
        };
        match failed.halt {
            Halt::Finding(finding) => Halt::Finding(told(finding)),
            Halt::Setup(endpoint, finding) => Halt::Setup(endpoint, told(finding)),
            other => other,
        }
    }
}

/// Runs commands with an engine of their own.
async fn run(cx: &mut Cx, template: &[String], live_restore: bool) -> CaseResult {
    let names = Names {
        plugin: cx.target().driver.clone(),
        volume: cx.name(),
        other: cx.name(),
    };
    let mut lines = Vec::new();
    for line in template {
        lines.push(Line::parse(line, &names).map_err(Halt::Harness)?);
    }
    for name in [&names.volume, &names.other] {
        cx.prepare(name).await?;
    }
    Play::run(cx, &lines, live_restore).await
}
