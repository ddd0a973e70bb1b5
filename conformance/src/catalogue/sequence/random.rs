//! Docker commands at random, and the shortest that go wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SEQUENCE;
use super::moves::{Offers, Script, commands, script};
use super::play::Play;
use super::script::{Line, Names};
use crate::runner::take_back;
use crate::suite::{Case, CaseResult, Cx, Finding, Halt, Harm, Ledger};

/// How long scripts are played unless the user gives their number.
const WHILE: Duration = Duration::from_millis(600);

/// So many scripts are played in up to three times that.
const FEWEST: u64 = 50;

/// Of so many sequences of calls that the user asks for one is of commands: they take longer.
const ONE_IN: u64 = 10;

/// How long a script that failed is shortened at the most.
const LONGEST_SHORTENING: Duration = Duration::from_secs(3);

/// The id of the case.
const ID: &str = "sequence.random";

pub(super) const RANDOM: Case = Case {
    id: ID,
    title: "containers have their data as long as they run, whatever commands come in whatever order",
    why: "nobody has tried all orders in which containers start, stop, are copied from and removed \
          while daemon and plugin are restarted; users do",
    harm: Harm::DataLoss,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, from which the engine in this suite was made",
    ],
    // It is made of what each of these is made of.
    follows: &[
        "sequence.run",
        "sequence.first-use",
        "sequence.create-again",
        "sequence.stop-start",
        "sequence.rm-force",
        "sequence.two-containers",
        "sequence.in-use",
        "sequence.cp-out-of-running",
        "sequence.cp-into-running",
        "sequence.cp-stopped",
        "sequence.daemon-restart",
        "sequence.daemon-crash",
        "sequence.daemon-crash-cp",
        "sequence.live-restore",
        "sequence.live-restore-cp",
        "sequence.plugin-restart",
        "sequence.plugin-restart-in-use",
        "sequence.plugin-and-daemon-restart",
        "prop.durable",
        "prop.holds-own",
        "prop.holds-floor",
        "prop.holds-kept",
        "prop.outside",
        "prop.data-apart",
        "prop.data-kept",
        "prop.released",
        "prop.calls-work",
        "prop.agree",
        "prop.well-formed",
    ],
    run: |cx| Box::pin(random(cx)),
    ..SEQUENCE
};

async fn random(cx: &mut Cx) -> CaseResult {
    let target = cx.shared_target();
    let options = &target.play.options;
    let (limit, most) = if options.hurry {
        (WHILE, options.sequences)
    } else {
        (options.limit, options.sequences.div_ceil(ONE_IN))
    };
    let mut player = Player {
        home: cx.memory(),
        number: 0,
        offers: Offers {
            restarts: target.plugin.is_some(),
            options: !target.opts.is_empty(),
        },
    };
    let mut client = cx.fork("random commands");
    let begun = Instant::now();
    let (mut scripts, mut lines) = (0_u64, 0);
    let mut found = None;
    for number in 0..most {
        // A busy machine should not be the reason that nothing was found.
        let patience = if number < FEWEST { 3 } else { 1 };
        let is_late = begun.elapsed() > limit.saturating_mul(patience);
        if (number > 0 && is_late) || target.health.is_dead() {
            break;
        }
        let drawn = script(options.seed, number);
        let (told, played) = player.once(&mut client, &drawn).await?;
        scripts += 1;
        lines += told.len();
        if let Some(failed) = played {
            found = Some((number, drawn, failed));
            break;
        }
    }
    cx.note(format!(
        "{scripts} scripts with {lines} lines of docker commands in {} ms",
        begun.elapsed().as_millis()
    ));
    let ended = match found {
        None if scripts == 0 => Err(Halt::skip("no script was played: --sequences is 0")),
        None => Ok(()),
        Some((number, drawn, failed)) => {
            let proof = player.shorten(&mut client, drawn, failed).await?;
            for exchange in proof.failed.ledger.record().exchanges {
                cx.show(&exchange);
            }
            Err(proof.halt(options.seed, number))
        }
    };
    player.home.leave();
    ended
}

/// Plays scripts, each with names of its own.
struct Player {
    /// The memory of the case.
    home: Arc<Ledger>,
    number: u64,
    offers: Offers,
}

/// How a script failed.
struct Failed {
    lines: Vec<String>,
    halt: Halt,
    ledger: Arc<Ledger>,
}

impl Player {
    /// Plays a script once and takes back what it made; its commands, and how it failed.
    async fn once(
        &mut self,
        cx: &mut Cx,
        script: &Script,
    ) -> CaseResult<(Vec<String>, Option<Failed>)> {
        self.number += 1;
        let ledger = Arc::new(Ledger::default());
        self.home.accompany(Arc::clone(&ledger));
        cx.enter(Arc::clone(&ledger), &format!("commands {}", self.number));
        let lines = commands(script, self.offers);
        let played = run(cx, &lines, script.live_restore).await;
        let target = cx.shared_target();
        if !target.health.is_dead() {
            take_back(&target, &ledger, ID).await;
        }
        for volume in ledger.left().iter().filter(|volume| volume.exists) {
            self.home.created(&volume.name);
        }
        let failed = match played {
            Ok(()) => None,
            Err(halt @ (Halt::Finding(_) | Halt::Setup(..))) => Some(Failed {
                lines: lines.clone(),
                halt,
                ledger,
            }),
            Err(other) => return Err(other),
        };
        Ok((lines, failed))
    }

    /// Leaves out moves as long as what is left fails too: long stretches first, then single ones.
    async fn shorten(
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
        let (mut played, mut broke) = (1, 1);
        if !cx.target().health.is_dead() {
            let (_, again) = self.once(cx, &script).await?;
            played += 1;
            if let Some(again) = again {
                broke += 1;
                failed = again;
            }
        }
        Ok(Proof {
            failed,
            lines_before,
            tries,
            played,
            broke,
        })
    }
}

/// The shortest script that fails.
struct Proof {
    failed: Failed,
    lines_before: usize,
    tries: u64,
    played: u32,
    broke: u32,
}

impl Proof {
    /// The finding, with its commands and how it was come by.
    fn halt(self, seed: u64, number: u64) -> Halt {
        let Self {
            failed,
            lines_before,
            tries,
            played,
            broke,
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
