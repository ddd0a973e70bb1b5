//! The shortest proof of what broke, and how often it shows it.

use std::time::{Duration, Instant};

use proptest::strategy::ValueTree as _;

use super::{Broken, Hunt};
use crate::model::Invariant;
use crate::play::sequence::{Sequence, Spelling};
use crate::play::shrink::Shrinking;
use crate::play::storage::{IMPATIENCE, PATIENCE};
use crate::play::{Found, Proof, suspects, tell};
use crate::report::millis;
use crate::suite::{Cx, Halt};

/// How long one finding is shortened at the most.
const LONGEST_SHORTENING: Duration = Duration::from_secs(3);

/// The shortest sequence is played again, once with all patience and once more.
const REPEATS: [Duration; 2] = [PATIENCE, IMPATIENCE];

impl Hunt<'_> {
    /// Shortens what broke, plays the result again, and keeps it.
    pub(super) async fn found(
        &mut self,
        cx: &mut Cx,
        broken: Broken,
        names: Vec<Spelling>,
        drawn: Option<u64>,
    ) -> Result<(), Halt> {
        let calls = self.haul.calls;
        let after = self.begun.elapsed();
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
        self.last_finding = Some((Instant::now(), self.haul.sequences));
        let record = last.ledger.record();
        self.haul.found.push(Found {
            docker: tell::docker(&sequence),
            suspects: suspects(&sequence, &last.violation),
            exchanges: record.exchanges,
            afterwards: record.steps,
            violation: last.violation,
            proof: Proof {
                sequence,
                seed: self.target_play.options.seed,
                drawn,
                calls,
                after_ms: millis(after),
                steps_before,
                tries,
                played,
                broke,
                ms: millis(begun.elapsed()),
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
            let proposal = tree.current();
            let wanted = last.violation.invariant;
            let same = |broken: &Broken| {
                let invariant = broken.violation.invariant;
                invariant == wanted || wanted.may_become(invariant)
            };
            let mut broken = None;
            for _ in 0..chances(&proposal) {
                tries += 1;
                let (_, seen) = self.once(cx, &proposal, false, IMPATIENCE).await?;
                broken = seen.filter(same);
                if broken.is_some() {
                    break;
                }
            }
            more = match broken {
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

/// How often a proposal is tried before it is said to hold.
fn chances(proposal: &Sequence) -> u32 {
    if proposal.leaves_to_luck() { 2 } else { 1 }
}
