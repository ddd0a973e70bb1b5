//! The checker against plugins that are right or wrong by construction.

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::model::{Call, Model, Reply, Shown};

const PLACE: &str = "/mnt/v";

fn op(client: usize, call: Call, begun: u64, ended: u64, reply: Reply) -> Operation {
    Operation {
        client,
        call,
        begun,
        answer: Some((ended, reply)),
    }
}

fn create() -> Call {
    Call::Create {
        name: Arc::from("v"),
        opts: None,
        sound: true,
    }
}

fn mount(id: &str) -> Call {
    Call::Mount(Arc::from("v"), Arc::from(id))
}

fn unmount(id: &str) -> Call {
    Call::Unmount(Arc::from("v"), Arc::from(id))
}

fn remove() -> Call {
    Call::Remove(Arc::from("v"))
}

fn get() -> Call {
    Call::Get(Arc::from("v"))
}

fn at() -> Reply {
    Reply::Mountpoint(PLACE.to_owned())
}

fn no() -> Reply {
    Reply::Refused("no".to_owned())
}

fn verdict(history: &[Operation]) -> Outcome {
    check(&Model::default(), history, STATES)
}

/// A plugin that is right, and carries each call out at one moment.
#[derive(Default)]
struct Right {
    exists: bool,
    holds: Vec<Arc<str>>,
}

impl Right {
    fn answer(&mut self, call: &Call) -> Reply {
        let shown = || Shown {
            name: "v".to_owned(),
            mountpoint: String::new(),
        };
        match call {
            Call::Create { .. } => {
                self.exists = true;
                Reply::Done
            }
            Call::List => Reply::Volumes(self.exists.then(shown).into_iter().collect()),
            _ if !self.exists => no(),
            Call::Get(_) => Reply::Volume(Some(shown())),
            Call::Path(_) if self.holds.is_empty() => Reply::Mountpoint(String::new()),
            Call::Path(_) => at(),
            Call::Mount(_, id) => {
                self.holds.push(Arc::clone(id));
                at()
            }
            Call::Unmount(_, id) => match self.holds.iter().position(|held| held == id) {
                Some(at) => {
                    self.holds.remove(at);
                    Reply::Done
                }
                None => no(),
            },
            Call::Remove(_) if !self.holds.is_empty() => no(),
            Call::Remove(_) => {
                self.exists = false;
                Reply::Done
            }
            Call::Activate => Reply::Done,
        }
    }
}

/// A history that is legal: what `clients` clients call at random, carried out at random moments. Some
/// answers get lost.
fn legal(seed: u64, clients: usize, calls: usize) -> Vec<Operation> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut free = vec![0_u64; clients];
    let mut drawn = Vec::new();
    for _ in 0..calls {
        let client = rng.random_range(0..clients);
        let begun = free[client] + rng.random_range(1..20);
        let moment = begun + rng.random_range(1..20);
        let ended = moment + rng.random_range(1..20);
        free[client] = ended;
        let id = ["a", "b", "c"][rng.random_range(0..3)];
        let call = match rng.random_range(0..9) {
            0 | 1 => create(),
            2 => get(),
            3 => Call::List,
            4 => Call::Path(Arc::from("v")),
            5 | 6 => mount(id),
            7 => unmount(id),
            _ => remove(),
        };
        drawn.push((moment, client, call, begun, ended));
    }
    drawn.sort_by_key(|(moment, ..)| *moment);
    let mut plugin = Right::default();
    let carried_out = drawn.into_iter().map(|(_, client, call, begun, ended)| {
        let reply = plugin.answer(&call);
        op(client, call, begun, ended, reply)
    });
    let mut history: Vec<_> = carried_out.collect();
    // The last answer of a client may never come.
    if rng.random_bool(0.3)
        && let Some(last) = history.iter_mut().max_by_key(|call| call.begun)
    {
        last.answer = None;
    }
    history.sort_by_key(|call| call.begun);
    history
}

#[test]
fn a_plugin_that_is_right_is_never_accused() {
    for seed in 0..400 {
        let history = legal(seed, 4, 14);
        let outcome = verdict(&history);
        assert!(matches!(outcome, Outcome::Legal(_)), "{seed}: {outcome:?}");
    }
}

/// What [`shortest`] leaves out must not make a legal history illegal.
#[test]
fn what_may_be_left_out_is_not_missed() {
    for seed in 0..150 {
        let history = legal(seed, 3, 10);
        for at in 0..history.len() {
            let mut part = history.clone();
            if part.remove(at).leaves_no_trace() {
                let outcome = verdict(&part);
                assert!(matches!(outcome, Outcome::Legal(_)), "{seed} without {at}");
            }
            let moment = history[at].ended();
            let beginning: Vec<_> = history
                .iter()
                .filter(|call| call.begun <= moment)
                .cloned()
                .map(|mut call| {
                    call.answer = call.answer.filter(|(at, _)| *at <= moment);
                    call
                })
                .collect();
            let outcome = verdict(&beginning);
            assert!(matches!(outcome, Outcome::Legal(_)), "{seed} until {at}");
        }
    }
}

/// All orders, tried one by one.
fn has_order(model: &Model, rest: &[Operation]) -> bool {
    if rest.is_empty() {
        return true;
    }
    (0..rest.len()).any(|at| {
        let mut others = rest.to_vec();
        let next = others.remove(at);
        if others.iter().any(|other| other.ended() < next.begun) {
            return false;
        }
        let (_, reply) = next.answer.as_ref().unwrap();
        let stepped = model.step(&next.call, reply);
        stepped.is_ok_and(|model| has_order(&model, &others))
    })
}

#[test]
fn the_search_says_what_trying_all_orders_says() {
    let (mut legal_ones, mut illegal_ones) = (0, 0);
    for seed in 0..400 {
        let mut history = legal(seed, 3, 6);
        history.retain(|call| call.answer.is_some());
        // Some answers are changed into what they may not be.
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let at = rng.random_range(0..history.len().max(1));
        if let Some(Operation {
            call,
            answer: Some((_, reply)),
            ..
        }) = history.get_mut(at)
        {
            *reply = match (&call, &reply) {
                (Call::Mount(..), Reply::Refused(_)) => at_place(),
                (Call::Get(_) | Call::List | Call::Path(_), _) => reply.clone(),
                (_, Reply::Refused(_)) => Reply::Done,
                _ => no(),
            };
        }
        let expected = has_order(&Model::default(), &history);
        match verdict(&history) {
            Outcome::Legal(order) => {
                assert!(expected, "{seed}");
                assert_eq!(order.len(), history.len());
                legal_ones += 1;
            }
            Outcome::Illegal(_) => {
                assert!(!expected, "{seed}");
                illegal_ones += 1;
            }
            Outcome::Undecided => panic!("{seed}"),
        }
    }
    assert!(
        legal_ones > 50 && illegal_ones > 50,
        "{legal_ones} {illegal_ones}"
    );
}

fn at_place() -> Reply {
    at()
}

#[test]
fn two_calls_may_not_both_win() {
    let history = [
        op(0, create(), 0, 1, Reply::Done),
        op(1, mount("a"), 2, 9, at()),
        op(2, remove(), 3, 8, Reply::Done),
        op(0, mount("b"), 10, 11, at()),
    ];
    assert!(matches!(verdict(&history), Outcome::Illegal(_)));
    // Had Mount been over before, Remove may have been a forced one.
    let (beginning, _) = match verdict(&history) {
        Outcome::Illegal(stuck) => shortest(&Model::default(), &history, *stuck),
        other => panic!("{other:?}"),
    };
    assert_eq!(beginning.len(), 4);
}

#[test]
fn an_answer_that_never_came_may_mean_either() {
    let pending = Operation {
        client: 1,
        call: create(),
        begun: 0,
        answer: None,
    };
    for reply in [
        no(),
        Reply::Volume(Some(Shown {
            name: "v".to_owned(),
            mountpoint: String::new(),
        })),
    ] {
        let history = [pending.clone(), op(2, get(), 5, 6, reply)];
        assert!(matches!(verdict(&history), Outcome::Legal(_)));
    }
}

#[test]
fn what_takes_too_long_is_not_decided() {
    // Mounts that overlap all, and an Unmount too many in the end.
    let mut history = vec![op(0, create(), 0, 1, Reply::Done)];
    for (client, id) in (1..).zip(["a", "b", "c", "d", "e", "f", "g", "h"]) {
        history.push(op(client, mount(id), 2, 50, at()));
    }
    history.push(op(0, remove(), 60, 61, no()));
    history.push(op(0, get(), 70, 71, no()));
    assert_eq!(check(&Model::default(), &history, 100), Outcome::Undecided);
    assert!(matches!(verdict(&history), Outcome::Illegal(_)));
    let many = vec![op(0, get(), 0, 1, no()); 129];
    assert_eq!(verdict(&many), Outcome::Undecided);
}

#[test]
fn a_counterexample_is_short_and_drawn() {
    let history = [
        op(0, create(), 0, 1000, Reply::Done),
        op(3, Call::List, 1500, 5000, Reply::Volumes(Vec::new())),
        op(1, mount("a"), 2000, 9000, at()),
        op(2, remove(), 3000, 8000, Reply::Done),
        op(3, get(), 5500, 6000, no()),
        op(0, Call::Path(Arc::from("v")), 10_000, 11_000, at()),
        op(0, get(), 12_000, 13_000, no()),
    ];
    let Outcome::Illegal(stuck) = verdict(&history) else {
        panic!("it is illegal");
    };
    let (calls, stuck) = shortest(&Model::default(), &history, *stuck);
    let example = Counterexample::new("v", &calls, &stuck);
    let drawing = example.drawing(76);
    assert!(drawing.iter().all(|line| line.chars().count() <= 76));
    insta::assert_snapshot!(drawing.join("\n"));
}
