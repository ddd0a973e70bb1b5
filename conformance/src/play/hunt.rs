//! The play itself: one sequence after the other, and what is done with those that break something.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use proptest::strategy::ValueTree as _;

use super::generate;
use super::regressions::Entry;
use super::sequence::{Options, Sequence, Spelling, Step};
use super::shrink::Shrinking;
use super::stage::{Manner, Played, let_go, play};
use super::storage::{IMPATIENCE, PATIENCE};
use super::tell;
use super::{Found, Haul, Play, Proof};
use crate::model::{Habits, Invariant, Violation};
use crate::runner::{recover, take_back};
use crate::suite::{Cx, Halt, Ledger};

/// How long one finding is shortened at the most.
const LONGEST_SHORTENING: Duration = Duration::from_secs(3);

/// How long play goes on after the last finding, where the time is not the user's own choice: what
/// is broken breaks one sequence after the other, and most of them the same.
const AFTER_FINDING: Duration = Duration::from_secs(2);

/// The shortest sequence is played again, once with all patience and once more.
const REPEATS: [Duration; 2] = [PATIENCE, IMPATIENCE];

/// So many sequences in a row that break what is known to be broken show nothing new.
const ENOUGH_BROKEN: u64 = 40;

/// Plays what the options ask for.
pub(super) async fn hunt(cx: &mut Cx, play: &Play) -> Result<Haul, Halt> {
    let home = cx.memory();
    let mut hunt = Hunt {
        target_play: play,
        begun: Instant::now(),
        last_finding: None,
        number: 0,
        home: Arc::clone(&home),
        habits: Habits::default(),
        prompt: None,
        haul: Haul {
            found: Vec::new(),
            sequences: 0,
            calls: 0,
            took: Duration::ZERO,
            cut_short: None,
            replayed: Vec::new(),
            remarks: Vec::new(),
        },
    };
    // A client of its own: what it does is shown where something was found.
    let mut client = cx.fork("play");
    hunt.all(&mut client).await?;
    home.leave();
    Ok(hunt.haul)
}

struct Hunt<'a> {
    target_play: &'a Play,
    begun: Instant,
    last_finding: Option<Instant>,
    /// How many plays there were: each has names of its own.
    number: u64,
    /// The memory of the case that asked for the play.
    home: Arc<Ledger>,
    habits: Habits,
    prompt: Option<bool>,
    haul: Haul,
}

/// A sequence that broke something.
struct Broken {
    violation: Violation,
    steps: Vec<Step>,
    ledger: Arc<Ledger>,
}

impl Hunt<'_> {
    async fn all(&mut self, cx: &mut Cx) -> Result<(), Halt> {
        let options = &self.target_play.options;
        self.target_play.doing(Some("getting to know the plugin"));
        self.calibrate(cx).await?;
        self.target_play.doing(Some("playing what failed before"));
        for (number, entry) in (1..).zip(options.regressions.entries()) {
            self.replay(cx, number, entry).await?;
        }
        self.target_play.doing(Some("playing at random"));
        let mut known = 0;
        for index in 0..options.sequences {
            if self.begun.elapsed() > options.limit {
                let limit = options.limit.as_secs_f32();
                self.haul.cut_short = Some(format!("the time of {limit} s was up"));
                break;
            }
            let quiet = self.last_finding.map(|at| at.elapsed());
            if options.hurry && quiet.is_some_and(|quiet| quiet > AFTER_FINDING) {
                let seconds = AFTER_FINDING.as_secs();
                self.haul.cut_short = Some(format!(
                    "nothing new was found for {seconds} s after a finding"
                ));
                break;
            }
            if known > ENOUGH_BROKEN {
                self.haul.cut_short = Some(format!(
                    "{ENOUGH_BROKEN} sequences in a row broke nothing but what was known to be broken"
                ));
                break;
            }
            if cx.target().health.is_dead() {
                self.haul.cut_short = Some("the plugin no longer answers".to_owned());
                break;
            }
            let sequence = generate::sequence(options.seed, index);
            let begun = Instant::now();
            let patience = if self.knows(Invariant::Released) {
                IMPATIENCE
            } else {
                PATIENCE
            };
            let (played, broken) = self.once(cx, &sequence, true, patience).await?;
            self.haul.took += begun.elapsed();
            self.haul.sequences += 1;
            self.haul.calls += played.calls;
            let played = &self.target_play.progress.sequences;
            played.store(self.haul.sequences, Ordering::Relaxed);
            let Some(broken) = broken else {
                known = 0;
                continue;
            };
            if self.knows(broken.violation.invariant) {
                known += 1;
                continue;
            }
            self.target_play.doing(Some("shortening what failed"));
            self.found(cx, broken, sequence.names, Some(index)).await?;
            self.target_play.doing(Some("playing at random"));
        }
        Ok(())
    }

    fn knows(&self, invariant: Invariant) -> bool {
        let mut found = self.haul.found.iter();
        found.any(|found| found.invariant() == invariant)
    }

    /// Learns what Docker's documentation leaves to the plugin, from one play in the right order: a
    /// plugin that has lost count must not be taken for one that does not count.
    async fn calibrate(&mut self, cx: &mut Cx) -> Result<(), Halt> {
        let usual = |volume| Step::Create {
            volume,
            options: Options::Usual,
        };
        let mount = |volume| Step::Mount { volume, id: 0 };
        let unmount = |volume, id| Step::Unmount { volume, id };
        let remove = |volume| Step::Remove { volume };
        let sequence = Sequence {
            names: vec![Spelling::Plain; 2],
            steps: vec![
                usual(0),
                mount(0),
                remove(0),
                unmount(0, 0),
                usual(1),
                usual(1),
                unmount(1, 0),
                mount(1),
                unmount(1, 2),
                unmount(1, 0),
                remove(1),
                remove(1),
                unmount(1, 0),
            ],
        };
        let (played, broken) = self.once(cx, &sequence, true, PATIENCE).await?;
        self.haul.calls += played.calls;
        self.habits = played.habits;
        self.prompt = played.prompt;
        if self.prompt == Some(false) {
            self.haul.remarks.push(
                "the plugin does not release volumes at once: when it does was not looked at"
                    .to_owned(),
            );
        }
        match broken {
            None => Ok(()),
            Some(broken) => self.found(cx, broken, sequence.names, None).await,
        }
    }

    /// Plays a sequence of the regression file.
    async fn replay(&mut self, cx: &mut Cx, number: usize, entry: &Entry) -> Result<(), Halt> {
        let (played, broken) = self.once(cx, &entry.sequence, false, PATIENCE).await?;
        self.haul.calls += played.calls;
        let what = match &broken {
            None => "holds now".to_owned(),
            Some(broken) => {
                let Violation {
                    invariant,
                    expected,
                    actual,
                    ..
                } = &broken.violation;
                format!("breaks {invariant}: expected that {expected}; got: {actual}")
            }
        };
        let steps = entry.sequence.steps.len();
        self.haul.replayed.push(format!(
            "sequence {number} ({steps} steps, broke {}) {what}",
            entry.broke
        ));
        match broken {
            Some(broken) if !self.knows(broken.violation.invariant) => {
                self.found(cx, broken, entry.sequence.names.clone(), None)
                    .await
            }
            _ => Ok(()),
        }
    }

    /// Plays a sequence once and takes back what it made.
    async fn once(
        &mut self,
        cx: &mut Cx,
        sequence: &Sequence,
        to_the_end: bool,
        patience: Duration,
    ) -> Result<(Played, Option<Broken>), Halt> {
        self.number += 1;
        let ledger = Arc::new(Ledger::default());
        self.home.accompany(Arc::clone(&ledger));
        let manner = Manner {
            habits: self.habits,
            prompt: self.prompt,
            to_the_end,
            patience,
        };
        let purpose = format!("prop-{}", self.number);
        let mut played = play(cx, &ledger, &purpose, sequence, manner).await?;
        if played.unanswered {
            cx.hang_up();
            self.look_after(cx).await;
        }
        let target = cx.shared_target();
        if !target.health.is_dead() {
            let taken = take_back(&target, &ledger, "prop").await;
            if taken.silent.is_some() {
                self.look_after(cx).await;
            }
        }
        let left = ledger.left();
        let left = left.iter().any(|volume| volume.exists);
        if left && !played.unanswered && !target.health.is_dead() {
            let_go(cx, &ledger, &played.ids).await?;
        }
        // What could not be removed is tried again, and told, at the end of the case.
        for volume in ledger.left().iter().filter(|volume| volume.exists) {
            self.home.created(&volume.name);
        }
        let broken = played.broken.take().map(|violation| Broken {
            violation,
            steps: played.steps.clone(),
            ledger,
        });
        Ok((played, broken))
    }

    /// A call went unanswered: the plugin is looked after before anything else is asked of it.
    async fn look_after(&mut self, cx: &mut Cx) {
        let target = cx.shared_target();
        let what = "a call went unanswered";
        if let Some(notice) = recover(&target, "prop.well-formed", what).await
            && !self.haul.remarks.contains(&notice)
        {
            self.haul.remarks.push(notice);
        }
    }

    /// Shortens what broke, plays the result again, and keeps it.
    async fn found(
        &mut self,
        cx: &mut Cx,
        broken: Broken,
        names: Vec<Spelling>,
        drawn: Option<u64>,
    ) -> Result<(), Halt> {
        let calls = self.haul.calls;
        let begun = Instant::now();
        let steps_before = broken.steps.len();
        let sequence = Sequence {
            names,
            steps: broken.steps.clone(),
        };
        let (sequence, mut last, tries) = self.shorten(cx, sequence, broken).await?;
        if self.knows(last.violation.invariant) {
            return Ok(());
        }
        let (mut played, mut broke) = (1, 1);
        for patience in REPEATS {
            if cx.target().health.is_dead() {
                break;
            }
            let (_, again) = self.once(cx, &sequence, false, patience).await?;
            played += 1;
            if let Some(again) =
                again.filter(|again| again.violation.invariant == last.violation.invariant)
            {
                broke += 1;
                last = again;
            }
        }
        if last.violation.invariant == Invariant::Steady {
            self.habits = self.habits.unsteady();
        }
        self.last_finding = Some(Instant::now());
        let record = last.ledger.record();
        self.haul.found.push(Found {
            docker: tell::docker(&sequence),
            suspects: tell::suspects(&sequence, &last.violation),
            exchanges: record.exchanges,
            afterwards: record.steps,
            violation: last.violation,
            proof: Proof {
                sequence,
                seed: self.target_play.options.seed,
                drawn,
                calls,
                steps_before,
                tries,
                played,
                broke,
                ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            },
        });
        Ok(())
    }

    /// The shortest sequence that breaks the same, how it broke it, and how many were tried.
    async fn shorten(
        &mut self,
        cx: &mut Cx,
        sequence: Sequence,
        broken: Broken,
    ) -> Result<(Sequence, Broken, u64), Halt> {
        let begun = Instant::now();
        let mut last = broken;
        let mut tree = Shrinking::new(sequence);
        let mut tries = 0;
        let mut more = tree.simplify();
        while more && begun.elapsed() < LONGEST_SHORTENING && !cx.target().health.is_dead() {
            tries += 1;
            let (_, broken) = self.once(cx, &tree.current(), false, IMPATIENCE).await?;
            let wanted = last.violation.invariant;
            let same = |broken: &Broken| {
                let invariant = broken.violation.invariant;
                invariant == wanted || wanted.may_become(invariant)
            };
            more = match broken.filter(same) {
                Some(broken) => {
                    last = broken;
                    tree.simplify()
                }
                None => tree.complicate(),
            };
        }
        Ok((tree.best().clone(), last, tries))
    }
}
