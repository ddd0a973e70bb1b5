//! Shortening: from a sequence that fails to the least one that still does.
//!
//! A [`ValueTree`] of proptest. First whole stretches are left out, then single steps (delta
//! debugging, Zeller and Hildebrandt 2002), then what is left is made plainer: fewer volumes, fewer
//! IDs, plain names and options. Each proposal is tried on the real plugin, so there are few: after
//! one that did not fail the next is made right away, without going back first.

use proptest::strategy::ValueTree;

use super::sequence::{Options, Sequence, Spelling, Step};

/// A failing sequence that is being shortened.
#[derive(Debug, Clone)]
pub struct Shrinking {
    /// The shortest that fails so far.
    best: Sequence,
    /// What is being tried.
    proposal: Option<Sequence>,
    pass: Pass,
}

/// What is left out or changed next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// So many steps from here on.
    LeaveOut {
        size: usize,
        at: usize,
        /// Whether something was left out since the first step.
        progress: bool,
    },
    /// The change of this number.
    MakePlainer(usize),
    Done,
}

impl Shrinking {
    /// Starts with a sequence that fails.
    #[must_use]
    pub fn new(sequence: Sequence) -> Self {
        let size = (sequence.steps.len() / 2).max(1);
        Self {
            best: sequence,
            proposal: None,
            pass: Pass::LeaveOut {
                size,
                at: 0,
                progress: false,
            },
        }
    }

    /// The shortest sequence that is known to fail.
    #[must_use]
    pub const fn best(&self) -> &Sequence {
        &self.best
    }

    /// The proposal fails too.
    fn accepted(&mut self) {
        match &mut self.pass {
            Pass::LeaveOut { progress, .. } => *progress = true,
            Pass::MakePlainer(number) => *number = 0,
            Pass::Done => {}
        }
    }

    /// The proposal does not fail.
    const fn rejected(&mut self) {
        match &mut self.pass {
            Pass::LeaveOut { size, at, .. } => *at += *size,
            Pass::MakePlainer(number) => *number += 1,
            Pass::Done => {}
        }
    }

    /// Makes the next proposal; `false` if there is none.
    fn propose(&mut self) -> bool {
        loop {
            match self.pass {
                Pass::LeaveOut { size, at, progress } => {
                    if at < self.best.steps.len() {
                        self.proposal = Some(without(&self.best, at, size));
                        return true;
                    }
                    self.pass = match (size, progress) {
                        (1, false) => Pass::MakePlainer(0),
                        (1, true) => Pass::LeaveOut {
                            size: 1,
                            at: 0,
                            progress: false,
                        },
                        _ => Pass::LeaveOut {
                            size: size / 2,
                            at: 0,
                            progress: false,
                        },
                    };
                }
                Pass::MakePlainer(number) => match plainer(&self.best).into_iter().nth(number) {
                    Some(sequence) => {
                        self.proposal = Some(sequence);
                        return true;
                    }
                    None => self.pass = Pass::Done,
                },
                Pass::Done => return false,
            }
        }
    }
}

impl ValueTree for Shrinking {
    type Value = Sequence;

    fn current(&self) -> Sequence {
        self.proposal.as_ref().unwrap_or(&self.best).clone()
    }

    /// What is current fails: it is the shortest now, and a shorter one is proposed.
    fn simplify(&mut self) -> bool {
        if let Some(proposal) = self.proposal.take() {
            self.best = proposal;
            self.accepted();
        }
        self.propose()
    }

    /// What is current does not fail: another one is proposed.
    fn complicate(&mut self) -> bool {
        if self.proposal.take().is_none() {
            return false;
        }
        self.rejected();
        self.propose()
    }
}

fn without(sequence: &Sequence, at: usize, size: usize) -> Sequence {
    let kept = |(number, step): (usize, &Step)| {
        let left_out = (at..at.saturating_add(size)).contains(&number);
        (!left_out).then_some(*step)
    };
    Sequence {
        names: sequence.names.clone(),
        steps: sequence.steps.iter().enumerate().filter_map(kept).collect(),
    }
}

/// All sequences that are a little plainer than this one, and as long.
fn plainer(sequence: &Sequence) -> Vec<Sequence> {
    let mut all = Vec::new();
    let mut add = |changed: Sequence| {
        if changed != *sequence {
            all.push(changed);
        }
    };
    let each = |change: &dyn Fn(Step) -> Step| Sequence {
        names: sequence.names.clone(),
        steps: sequence.steps.iter().map(|step| change(*step)).collect(),
    };
    add(each(&|step| match step {
        Step::Create { volume, .. } => Step::Create {
            volume,
            options: Options::Usual,
        },
        other => other,
    }));
    // A kill between calls is plainer than one in the middle of one, and its middle the plainest.
    add(each(&|step| match step {
        Step::KillDuring { .. } => Step::Kill,
        other => other,
    }));
    add(each(&|step| match step {
        Step::KillDuring {
            call, volume, id, ..
        } => Step::KillDuring {
            call,
            volume,
            id,
            percent: 50,
        },
        other => other,
    }));
    for (at, _) in sequence.names.iter().enumerate() {
        let mut plain = sequence.clone();
        if let Some(spelling) = plain.names.get_mut(at) {
            *spelling = Spelling::Plain;
        }
        add(plain);
    }
    let used = |what: fn(Step) -> Option<u8>| {
        let mut numbers: Vec<u8> = sequence.steps.iter().copied().filter_map(what).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    };
    for number in used(Step::volume).into_iter().rev() {
        for less in 0..number {
            add(each(&|step| {
                if step.volume() == Some(number) {
                    step.on(less)
                } else {
                    step
                }
            }));
        }
    }
    for number in used(Step::id).into_iter().rev() {
        for less in 0..number {
            add(each(&|step| {
                if step.id() == Some(number) {
                    step.with_id(less)
                } else {
                    step
                }
            }));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree as _;

    use super::super::generate::sequence;
    use super::*;

    /// Shortens while `fails` says so; the result and the number of tries.
    fn shortest(start: Sequence, fails: impl Fn(&Sequence) -> bool) -> (Sequence, usize) {
        let mut tree = Shrinking::new(start);
        let mut tries = 0;
        let mut more = tree.simplify();
        while more {
            tries += 1;
            more = if fails(&tree.current()) {
                tree.simplify()
            } else {
                tree.complicate()
            };
        }
        (tree.best().clone(), tries)
    }

    fn mounts(sequence: &Sequence) -> usize {
        let mount = |step: &&Step| matches!(step, Step::Mount { .. });
        sequence.steps.iter().filter(mount).count()
    }

    #[test]
    fn what_is_not_needed_goes() {
        for index in 0..100 {
            let start = sequence(3, index);
            if mounts(&start) < 3 {
                continue;
            }
            let (least, tries) = shortest(start.clone(), |sequence| mounts(sequence) >= 3);
            assert_eq!(least.steps, vec![Step::Mount { volume: 0, id: 0 }; 3]);
            assert!(least.names.iter().all(|name| *name == Spelling::Plain));
            assert!(tries < 120, "{tries} tries for {} steps", start.steps.len());
        }
    }

    #[test]
    fn what_is_needed_stays() {
        let start = sequence(3, 1);
        let (least, _) = shortest(start.clone(), |sequence| *sequence == start);
        assert_eq!(least, start);
    }
}
