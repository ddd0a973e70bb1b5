//! The play itself: one sequence after the other. What is done with those that break something is in
//! `prove`.

mod prove;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::generate;
use super::interrupt::Pace;
use super::regressions::KeptSequence;
use super::sequence::{Options, Sequence, Spelling, Step};
use super::stage::{Manner, Played, let_go, play};
use super::storage::{IMPATIENCE, PATIENCE};
use super::{Haul, Play, outside};
use crate::model::{Habits, Invariant, Violation};
use crate::runner::{recover, take_back};
use crate::suite::{Cx, Halt, Ledger};
use crate::target::Canary;

/// How long play goes on after the last finding, where the time is not the user's own choice: what
/// is broken breaks one sequence after the other, and most of them the same.
const AFTER_FINDING: Duration = Duration::from_secs(2);

/// On a busy machine that is not long enough to see what else is broken: so many sequences are played
/// after the last finding in any case.
const MORE_AFTER_FINDING: u64 = 100;

/// So many sequences in a row that break what is known to be broken show nothing new.
const ENOUGH_BROKEN: u64 = 40;

/// How often a sequence of the regression file is played where luck decides whether it shows anything.
const REPLAYS: u32 = 5;

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
        pace: Pace::default(),
        canary: outside::plant(cx).await,
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
    /// When something was found last, and after how many sequences.
    last_finding: Option<(Instant, u64)>,
    /// How many plays there were: each has names of its own.
    number: u64,
    /// The memory of the case that asked for the play.
    home: Arc<Ledger>,
    habits: Habits,
    prompt: Option<bool>,
    pace: Pace,
    /// What is none of the plugin's business; none where nothing can be seen.
    canary: Option<Canary>,
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
        for (number, entry) in (1..).zip(options.regressions.sequences()) {
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
            if options.hurry && self.is_quiet() {
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

    /// Whether nothing new was found for so long that nothing more is likely to be.
    fn is_quiet(&self) -> bool {
        self.last_finding.is_some_and(|(at, sequences)| {
            at.elapsed() > AFTER_FINDING
                && self.haul.sequences.saturating_sub(sequences) >= MORE_AFTER_FINDING
        })
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

    /// Plays a sequence of the regression file: one that is decided by luck, until it breaks something.
    async fn replay(
        &mut self,
        cx: &mut Cx,
        number: usize,
        entry: &KeptSequence,
    ) -> Result<(), Halt> {
        let sequence = &entry.sequence;
        let restarts = sequence.steps.iter().any(|step| step.is_restart());
        let can_restart = cx.target().plugin.is_some();
        let most = if can_restart && sequence.leaves_to_luck() {
            REPLAYS
        } else {
            1
        };
        let mut broken = None;
        for _ in 0..most {
            let (played, seen) = self.once(cx, sequence, false, PATIENCE).await?;
            self.haul.calls += played.calls;
            broken = seen;
            if broken.is_some() || cx.target().health.is_dead() {
                break;
            }
        }
        let what = match &broken {
            None if most > 1 => {
                format!("holds now, in {most} plays: where in a call a kill falls is luck")
            }
            None if restarts && !can_restart => {
                "holds without its restarts of the plugin, which take --exec".to_owned()
            }
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
        let steps = sequence.steps.len();
        self.haul.replayed.push(format!(
            "sequence {number} ({steps} steps, broke {}) {what}",
            entry.broke
        ));
        match broken {
            Some(broken) if !self.knows(broken.violation.invariant) => {
                self.found(cx, broken, sequence.names.clone(), None).await
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
            pace: self.pace,
        };
        let purpose = format!("prop-{}", self.number);
        let canary = self.canary.as_ref();
        let mut played = play(cx, &ledger, canary, &purpose, sequence, manner).await?;
        self.pace = played.pace;
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
        // What comes next must not be blamed for what this one has done, or what it took to undo it.
        if (played.broken.is_some() || !to_the_end)
            && let Some(canary) = self.canary.take()
        {
            self.canary = outside::mended(cx, canary).await;
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
}
