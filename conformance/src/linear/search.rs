//! The search for an order.

use std::collections::{BTreeSet, HashSet};

use super::Operation;
use crate::model::{Call, Model, Reply, Violation};

/// How many states are visited before the search gives up. Histories of four clients with a few calls
/// each take some hundreds.
pub const STATES: usize = 100_000;

/// What the search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is an order: the numbers of the calls in it.
    Legal(Vec<usize>),
    /// There is none.
    Illegal(Box<Stuck>),
    /// Not decided within the bound.
    Undecided,
}

/// Where the longest order ends that is legal as far as it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The numbers of the calls in it.
    pub order: Vec<usize>,
    /// A call that would have to be next.
    pub next: usize,
    /// Why it cannot be.
    pub violation: Violation,
}

/// Looks for an order of the calls, beginning in the state `start`, in at most `states` states.
///
/// A call that was not answered may have been carried out at any time after its request, or never.
#[must_use]
pub fn check(start: &Model, history: &[Operation], states: usize) -> Outcome {
    // One bit each says which calls are done.
    if history.len() > u128::BITS as usize {
        return Outcome::Undecided;
    }
    let mut search = Search {
        history,
        seen: HashSet::new(),
        places: places(history),
        left: states,
        order: Vec::new(),
        furthest: None,
    };
    match search.go_on(0, start) {
        Found::Order => Outcome::Legal(search.order),
        Found::GivenUp => Outcome::Undecided,
        Found::Nothing => match search.furthest {
            Some(stuck) => Outcome::Illegal(Box::new(stuck)),
            // What is not done could at least have been tried.
            None => Outcome::Undecided,
        },
    }
}

/// Where a volume is said to be in any answer.
fn places(history: &[Operation]) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for (_, reply) in history.iter().filter_map(|call| call.answer.as_ref()) {
        match reply {
            Reply::Mountpoint(path) => drop(places.insert(path.clone())),
            Reply::Volume(Some(shown)) => drop(places.insert(shown.mountpoint.clone())),
            Reply::Volumes(shown) => places.extend(shown.iter().map(|v| v.mountpoint.clone())),
            Reply::Volume(None) | Reply::Done | Reply::Refused(_) => {}
        }
    }
    places.retain(|path| path.starts_with('/'));
    if places.is_empty() {
        places.insert("/".to_owned());
    }
    places
}

enum Found {
    Order,
    Nothing,
    GivenUp,
}

struct Search<'a> {
    history: &'a [Operation],
    /// What is done, and the state then: what comes after does not depend on how one got there.
    seen: HashSet<(u128, Model)>,
    /// Where the volume was at one time or another.
    places: BTreeSet<String>,
    /// How many more states may be visited.
    left: usize,
    order: Vec<usize>,
    furthest: Option<Stuck>,
}

impl Search<'_> {
    fn go_on(&mut self, done: u128, model: &Model) -> Found {
        let history = self.history;
        let open = history.iter().enumerate();
        let open: Vec<_> = open.filter(|(at, _)| done & (1 << at) == 0).collect();
        if open.iter().all(|(_, operation)| operation.answer.is_none()) {
            return Found::Order;
        }
        if !self.seen.insert((done, model.clone())) {
            return Found::Nothing;
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Found::GivenUp;
        };
        self.left = left;
        // Nothing that began after another call was answered comes before that one.
        let ended = open.iter().map(|(_, operation)| operation.ended());
        let horizon = ended.min().unwrap_or(u64::MAX);
        let may_be_next = open
            .into_iter()
            .filter(|(_, operation)| operation.begun <= horizon);
        let mut candidates: Vec<_> = may_be_next.collect();
        // Most calls take effect in the order of their answers.
        candidates.sort_by_key(|(_, operation)| operation.ended());
        for (at, operation) in candidates {
            let replies = match &operation.answer {
                Some((_, reply)) => vec![reply.clone()],
                None => self.replies(&operation.call),
            };
            for reply in replies {
                let next = match model.step(&operation.call, &reply) {
                    Ok(next) => next,
                    Err(violation) => {
                        if operation.answer.is_some() {
                            self.stuck(at, violation);
                        }
                        continue;
                    }
                };
                self.order.push(at);
                match self.go_on(done | (1 << at), &next) {
                    Found::Nothing => drop(self.order.pop()),
                    end => return end,
                }
            }
        }
        Found::Nothing
    }

    /// What may have been replied to a call whose answer never came, where it was carried out.
    fn replies(&self, call: &Call) -> Vec<Reply> {
        match call {
            Call::Create { .. } | Call::Unmount(..) | Call::Remove(_) => vec![Reply::Done],
            Call::Mount(..) => {
                let places = self.places.iter().cloned();
                places.map(Reply::Mountpoint).collect()
            }
            Call::Activate | Call::Get(_) | Call::List | Call::Path(_) => Vec::new(),
        }
    }

    fn stuck(&mut self, next: usize, violation: Violation) {
        let furthest = self.furthest.as_ref().map(|stuck| stuck.order.len());
        if furthest.is_none_or(|furthest| self.order.len() > furthest) {
            self.furthest = Some(Stuck {
                order: self.order.clone(),
                next,
                violation,
            });
        }
    }
}
