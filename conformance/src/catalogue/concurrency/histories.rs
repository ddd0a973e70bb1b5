//! Rounds of calls that meet, and whether their answers go together.

use std::time::{Duration, Instant};

use super::LINEARIZABLE;
use crate::linear::{
    Clients, Counterexample, Operation, Outcome, Performed, Round, STATES, Stuck, calibration,
    check, of_volume, one_after_the_other, round, shortest, start,
};
use crate::model::{Call, Habits, Id, Model, Name};
use crate::play::regressions::{Entry, KeptRound};
use crate::play::sequence::{Options, Sequence, Spelling, Step};
use crate::play::suspects;
use crate::runner::take_back;
use crate::suite::{CaseResult, Cx, Finding, Halt, Harm};

/// How long rounds are played unless the user gives their number.
const WHILE: Duration = Duration::from_millis(400);

/// So many rounds are played in up to three times that: each kind of meeting comes up twice.
const FEWEST: u64 = 32;

/// How often a round of the regression file is played at the most.
const REPLAYS: u32 = 20;

pub(super) async fn linearizable(cx: &mut Cx) -> CaseResult {
    let target = cx.shared_target();
    let options = &target.play.options;
    let limit = if options.hurry { WHILE } else { options.limit };
    let mut clients = Clients::connect(cx).await?;
    let mut session = Session {
        habits: calibrate(&mut clients, cx).await?,
        rounds: 0,
        calls: 0,
        seen: 0,
        undecided: 0,
        out_of_order: 0,
        best: None,
    };
    for (number, kept) in (1..).zip(options.regressions.rounds()) {
        session.replay(&mut clients, cx, number, kept).await?;
    }
    let begun = Instant::now();
    for number in 0..options.sequences {
        // A busy machine should not be the reason that some calls never met.
        let patience = if number < FEWEST { 3 } else { 1 };
        if number > 0 && begun.elapsed() > limit.saturating_mul(patience) {
            break;
        }
        let drawn = KeptRound {
            broke: LINEARIZABLE.to_owned(),
            seed: options.seed,
            number,
            round: round(options.seed, number),
        };
        let purpose = format!("histories {number}");
        session.round(&mut clients, cx, &purpose, &drawn).await?;
    }
    cx.memory().leave();
    session.verdict(cx, begun.elapsed())
}

/// What is known so far.
struct Session {
    habits: Habits,
    rounds: u64,
    calls: usize,
    /// Rounds with a history that no order makes legal.
    seen: u64,
    /// Rounds with one that was not decided.
    undecided: u64,
    /// Rounds whose calls are answered wrongly even where they do not meet.
    out_of_order: u64,
    best: Option<Proof>,
}

/// A history without an order, shortened.
struct Proof {
    example: Counterexample,
    calls: Vec<Operation>,
    stuck: Stuck,
    performed: Performed,
    round: KeptRound,
}

impl Session {
    /// Plays a round of the regression file: whether its calls meet as they did is luck, so it is
    /// played until they do.
    async fn replay(
        &mut self,
        clients: &mut Clients,
        cx: &mut Cx,
        number: usize,
        kept: &KeptRound,
    ) -> CaseResult {
        let seen = self.seen;
        let mut plays = 0;
        while plays < REPLAYS && self.seen == seen {
            plays += 1;
            let purpose = format!("histories kept {number} play {plays}");
            self.round(clients, cx, &purpose, kept).await?;
        }
        let became = if self.seen > seen {
            "is answered in no order"
        } else {
            "holds now"
        };
        let calls: usize = kept.round.clients.iter().map(Vec::len).sum();
        cx.target().play.tell(format!(
            "round {number} ({} clients, {calls} calls, broke {LINEARIZABLE}) {became}, in play {plays} of \
             at most {REPLAYS}",
            kept.round.clients.len()
        ));
        Ok(())
    }

    /// Plays a round and judges it.
    async fn round(
        &mut self,
        clients: &mut Clients,
        cx: &mut Cx,
        purpose: &str,
        kept: &KeptRound,
    ) -> CaseResult {
        let drawn = &kept.round;
        let performed = clients
            .perform(cx, purpose, drawn, Some(self.habits))
            .await?;
        self.rounds += 1;
        self.calls += performed.history.len();
        let judged = self.judge(&performed);
        take_down(cx, &performed).await;
        match judged {
            Judged::Legal => {}
            Judged::Undecided => self.undecided += 1,
            Judged::Illegal(name, calls, stuck) => {
                if !self
                    .only_together(clients, cx, purpose, drawn, &performed)
                    .await?
                {
                    self.out_of_order += 1;
                    return Ok(());
                }
                self.seen += 1;
                let (calls, stuck) = shortest(&start(self.habits, &name), &calls, stuck);
                let shorter = |best: &Proof| best.calls.len() > calls.len();
                if self.best.as_ref().is_none_or(shorter) {
                    let mut example = Counterexample::new(&name, &calls, &stuck);
                    example.calls_before = performed.history.len();
                    example.seed = kept.seed;
                    example.round = kept.number;
                    self.best = Some(Proof {
                        example,
                        calls,
                        stuck,
                        performed,
                        round: kept.clone(),
                    });
                }
                return Ok(());
            }
        }
        let Some(answer) = performed.unanswered else {
            return Ok(());
        };
        for exchange in performed.ledger.record().exchanges {
            cx.show(&exchange);
        }
        // The runner looks after the plugin before anything else is asked of it.
        if let Some(trouble) = performed.ledger.first_trouble() {
            cx.memory().trouble(trouble);
        }
        Err(answer
            .finding("every call is answered while others are under way")
            .because("err.answers")
            .because("err.survive")
            .because("http.parallel-connections")
            .harming(Harm::Hang)
            .into())
    }

    fn judge(&self, performed: &Performed) -> Judged {
        let mut judged = Judged::Legal;
        for name in &performed.names {
            let calls = of_volume(&performed.history, name);
            match check(&start(self.habits, name), &calls, STATES) {
                Outcome::Legal(_) => {}
                Outcome::Undecided => judged = Judged::Undecided,
                Outcome::Illegal(stuck) => {
                    return Judged::Illegal(Name::clone(name), calls, *stuck);
                }
            }
        }
        judged
    }

    /// Whether the calls of the round are answered as they should be where they do not meet: in the
    /// order in which they began, and client by client. What is wrong even then is for others to find.
    async fn only_together(
        &mut self,
        clients: &mut Clients,
        cx: &mut Cx,
        purpose: &str,
        drawn: &Round,
        performed: &Performed,
    ) -> CaseResult<bool> {
        let mut met: Vec<_> = performed.history.iter().collect();
        met.sort_by_key(|operation| operation.begun);
        // Number 0 is the one that called before the others came, and after them.
        let begun = met.iter().filter_map(|call| call.client.checked_sub(1));
        let begun: Vec<usize> = begun.collect();
        let mut by_client = begun.clone();
        by_client.sort_unstable_by(|a, b| b.cmp(a));
        for (number, order) in [begun, by_client].into_iter().enumerate() {
            let purpose = format!("{purpose} in order {number}");
            let flat = drawn.in_order(order);
            let (performed, legal) =
                one_after_the_other(clients, cx, &purpose, &flat, self.habits).await?;
            take_down(cx, &performed).await;
            if !legal {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn verdict(self, cx: &Cx, took: Duration) -> CaseResult {
        let Self {
            rounds,
            calls,
            seen,
            undecided,
            ..
        } = self;
        cx.note(format!(
            "{rounds} rounds with {calls} calls of 3 to 5 clients in {} ms",
            took.as_millis()
        ));
        if let Some(mut proof) = self.best {
            proof.example.seen = seen;
            proof.example.rounds = rounds;
            let regressions = &cx.target().play.options.regressions;
            regressions.keep(Entry::Round(proof.round.clone()));
            return Err(accuse(cx, proof).into());
        }
        if self.out_of_order > 0 {
            return Err(Halt::skip(format!(
                "in {} of {rounds} rounds the calls are answered wrongly even where they come one after \
                 the other",
                self.out_of_order
            )));
        }
        if undecided > 0 {
            return Err(Halt::skip(format!(
                "not decided: in {undecided} of {rounds} rounds no order was found within {STATES} \
                 states, nor that there is none; the other rounds have one"
            )));
        }
        if rounds == 0 {
            return Err(Halt::skip("no round was played: --sequences is 0"));
        }
        Ok(())
    }
}

/// What became of a round's history.
enum Judged {
    Legal,
    Undecided,
    /// The volume, the calls on it, and where their longest order ends.
    Illegal(Name, Vec<Operation>, Stuck),
}

/// Learns how the plugin decides where it may choose.
async fn calibrate(clients: &mut Clients, cx: &mut Cx) -> CaseResult<Habits> {
    let purpose = "histories calibration";
    let performed = clients.perform(cx, purpose, &calibration(), None).await?;
    take_down(cx, &performed).await;
    let mut model = Model::default();
    for operation in &performed.history {
        let Some((_, reply)) = &operation.answer else {
            return Err(Halt::skip("a call went unanswered before any others came"));
        };
        if let Err(violation) = model.advance(&operation.call, reply) {
            return Err(Halt::skip(format!(
                "calls are answered wrongly even where they come one after the other: expected that {}; \
                 got: {}",
                violation.expected, violation.actual
            )));
        }
    }
    Ok(*model.habits())
}

/// Takes back what a round has left.
async fn take_down(cx: &Cx, performed: &Performed) {
    let target = cx.shared_target();
    if !target.health.is_dead() && performed.unanswered.is_none() {
        take_back(&target, &performed.ledger, cx.case()).await;
    }
    // What could not be removed is tried again, and told, at the end of the case.
    let left = performed.ledger.left();
    for volume in left.iter().filter(|volume| volume.exists) {
        cx.may_exist(&volume.name);
    }
}

/// The finding, with the exchanges of its round.
fn accuse(cx: &Cx, proof: Proof) -> Finding {
    let Proof {
        example,
        calls,
        stuck,
        performed,
        ..
    } = proof;
    for exchange in performed.ledger.record().exchanges {
        cx.show(&exchange);
    }
    let suspects = suspects(&sequence(&calls), &stuck.violation);
    let (seen, rounds) = (example.seen, example.rounds);
    let times = format!("seen in {seen} of {rounds} rounds");
    let (longest, next) = (example.order(), example.stuck);
    let violation = &stuck.violation;
    let far = if longest.is_empty() {
        "none can be first".to_owned()
    } else {
        format!("the longest legal order is {longest}")
    };
    let actual = format!(
        "no order of the calls drawn here gives these answers; {far}, and in call {next}, expected that \
         {}, got: {} ({times})",
        violation.expected, violation.actual
    );
    let finding = Finding::new(
        "calls that meet are answered as if they had come in some order",
        actual,
    )
    .because_any(suspects.into_iter().map(str::to_owned))
    // A look that changes something may have been left out of the drawing.
    .because("get.read-only")
    .because("path.value")
    .because("sequence.first-use")
    // And so may a Mount that was refused, and counted all the same.
    .because("mount.fail-clean")
    .because("ref.failed-not-counted");
    let finding = if gave_way(&calls, &stuck) {
        finding
            .then("a command fails for no other reason than that another one ran at the same time")
            .harming(Harm::Refused)
    } else {
        finding
    };
    finding.drawn(example)
}

/// Whether the call that has no place was only refused because it met another one.
fn gave_way(calls: &[Operation], stuck: &Stuck) -> bool {
    let Some(next) = calls.get(stuck.next) else {
        return false;
    };
    let mut others = calls.iter().filter(|other| other.client != next.client);
    next.is_refused() && others.any(|other| other.overlaps(next))
}

/// The calls as a sequence, by which the rules are known that they are about.
fn sequence(calls: &[Operation]) -> Sequence {
    let mut ids: Vec<Id> = Vec::new();
    let mut number = |id: &Id| {
        let known = ids.iter().position(|known| known == id);
        let at = known.unwrap_or_else(|| {
            ids.push(Id::clone(id));
            ids.len() - 1
        });
        u8::try_from(at).unwrap_or(u8::MAX)
    };
    let volume = 0;
    let steps = calls.iter().map(|operation| match &operation.call {
        Call::Activate => Step::Activate,
        Call::Create { .. } => Step::Create {
            volume,
            options: Options::Usual,
        },
        Call::Get(_) => Step::Get { volume },
        Call::List => Step::List,
        Call::Path(_) => Step::Path { volume },
        Call::Mount(_, id) => Step::Mount {
            volume,
            id: number(id),
        },
        Call::Unmount(_, id) => Step::Unmount {
            volume,
            id: number(id),
        },
        Call::Remove(_) => Step::Remove { volume },
    });
    Sequence {
        names: vec![Spelling::Plain],
        steps: steps.collect(),
    }
}
