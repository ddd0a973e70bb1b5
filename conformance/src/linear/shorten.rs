//! From a history without an order to the shortest part of it that has none either.
//!
//! What is left out must not be what the plugin's answers rest on, or the shortened history would accuse
//! it of what it did right. Two things may go: all that happened after some moment (calls under way then
//! are calls without an answer), since each beginning of a legal history is legal; and calls that
//! [leave no trace](Operation::leaves_no_trace). So whatever is shown is a proof by itself.

use super::search::{Outcome, Stuck, check};
use super::{Operation, STATES};
use crate::model::Model;

/// The shortest part of `history` found that has no order, and where orders of it end. `stuck` is where
/// those of the whole history do.
#[must_use]
pub fn shortest(start: &Model, history: &[Operation], stuck: Stuck) -> (Vec<Operation>, Stuck) {
    let illegal = |history: &[Operation]| match check(start, history, STATES) {
        Outcome::Illegal(stuck) => Some(*stuck),
        Outcome::Legal(_) | Outcome::Undecided => None,
    };
    let mut best = (history.to_vec(), stuck);
    let mut moments: Vec<u64> = history.iter().map(Operation::ended).collect();
    moments.sort_unstable();
    for moment in moments {
        let beginning = until(history, moment);
        if let Some(stuck) = illegal(&beginning) {
            best = (beginning, stuck);
            break;
        }
    }
    // Refusals tell more than questions do.
    for only_questions in [true, false] {
        let mut at = best.0.len();
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let may_go =
                |call: &Operation| call.leaves_no_trace() && !(only_questions && call.is_refused());
            if !best.0.get(at).is_some_and(may_go) {
                continue;
            }
            let mut fewer = best.0.clone();
            fewer.remove(at);
            // Without calls that met nobody would see what it is about.
            if meets(&best.0) && !meets(&fewer) {
                continue;
            }
            if let Some(stuck) = illegal(&fewer) {
                best = (fewer, stuck);
            }
        }
    }
    best
}

/// Whether calls of different clients were under way at the same time.
fn meets(history: &[Operation]) -> bool {
    history.iter().enumerate().any(|(at, call)| {
        let mut later = history.iter().skip(at + 1);
        later.any(|other| other.client != call.client && other.overlaps(call))
    })
}

/// What was seen of a history at a moment.
fn until(history: &[Operation], moment: u64) -> Vec<Operation> {
    let begun = history
        .iter()
        .filter(|operation| operation.begun <= moment)
        .cloned();
    let seen = |mut operation: Operation| {
        operation.answer = operation.answer.filter(|(at, _)| *at <= moment);
        operation
    };
    begun.map(seen).collect()
}
