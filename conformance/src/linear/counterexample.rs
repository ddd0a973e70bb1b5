//! A history without an order, as a report shows it.

use serde::{Deserialize, Serialize};

use super::drawing::draw;
use super::{Operation, Stuck};
use crate::model::{Call, Id, Reply};

/// Calls of several clients that no plugin could have answered so, had they come one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterexample {
    /// The volume that the calls are about.
    pub volume: String,
    /// The calls, in the order in which they began.
    pub calls: Vec<Bar>,
    /// The numbers of the calls in the longest order whose answers are legal.
    pub order: Vec<usize>,
    /// The number of a call that would have to be next, and cannot be.
    pub stuck: usize,
    /// How many calls the history had before it was shortened.
    pub calls_before: usize,
    /// What the rounds were drawn from.
    pub seed: u64,
    /// The number of the round that it was seen in.
    pub round: u64,
    /// In how many rounds something of the kind was seen.
    pub seen: u64,
    /// How many rounds were played.
    pub rounds: u64,
}

/// One call of a [`Counterexample`]: a bar over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// The call's number, from 1.
    pub number: usize,
    /// The client's number, from 1.
    pub client: usize,
    /// `Mount`.
    pub call: String,
    /// A letter that stands for the mount ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<char>,
    /// When it was sent, in nanoseconds since the first call.
    pub begun_ns: u64,
    /// When it was answered; none where no answer is part of the proof.
    pub ended_ns: Option<u64>,
    /// What it was answered, in a few words.
    pub answer: Option<String>,
}

impl Counterexample {
    /// The counterexample that `history` is: one volume, in the order in which the calls began.
    #[must_use]
    pub fn new(volume: &str, history: &[Operation], stuck: &Stuck) -> Self {
        let start = history.first().map_or(0, |first| first.begun);
        let mut ids: Vec<Id> = Vec::new();
        let mut clients: Vec<usize> = Vec::new();
        let mut calls = Vec::new();
        for (number, operation) in (1..).zip(history) {
            let id = match &operation.call {
                Call::Mount(_, id) | Call::Unmount(_, id) => Some(letter(place(&mut ids, id))),
                _ => None,
            };
            calls.push(Bar {
                number,
                client: place(&mut clients, &operation.client) + 1,
                call: operation.call.endpoint().to_string(),
                id,
                begun_ns: operation.begun.saturating_sub(start),
                ended_ns: operation
                    .answer
                    .as_ref()
                    .map(|(at, _)| at.saturating_sub(start)),
                answer: operation.answer.as_ref().map(|(_, reply)| told(reply)),
            });
        }
        Self {
            volume: volume.to_owned(),
            calls,
            order: stuck.order.iter().map(|at| at + 1).collect(),
            stuck: stuck.next + 1,
            calls_before: history.len(),
            seed: 0,
            round: 0,
            seen: 1,
            rounds: 1,
        }
    }

    /// One line per client, with the calls as bars over time, and below what they are; at most
    /// `width` columns wide where the calls are not too many.
    #[must_use]
    pub fn drawing(&self, width: usize) -> Vec<String> {
        draw(&self.calls, width)
    }

    /// The longest legal order, for a sentence: `1, 3, 2`.
    #[must_use]
    pub fn order(&self) -> String {
        let numbers = self.order.iter().map(ToString::to_string);
        numbers.collect::<Vec<_>>().join(", ")
    }
}

/// The place of `what` among those seen so far.
fn place<T: PartialEq + Clone>(seen: &mut Vec<T>, what: &T) -> usize {
    let known = seen.iter().position(|known| known == what);
    known.unwrap_or_else(|| {
        seen.push(what.clone());
        seen.len() - 1
    })
}

fn letter(number: usize) -> char {
    ('a'..='z').nth(number).unwrap_or('?')
}

fn told(reply: &Reply) -> String {
    match reply {
        Reply::Refused(why) => format!("refused: {why}"),
        Reply::Done => "done".to_owned(),
        Reply::Volume(Some(shown)) if shown.mountpoint.is_empty() => "it is there".to_owned(),
        Reply::Volume(Some(shown)) => format!("it is there, at {}", shown.mountpoint),
        Reply::Volume(None) => "no volume".to_owned(),
        Reply::Volumes(volumes) => match volumes.len() {
            0 => "it is not listed".to_owned(),
            1 => "it is listed".to_owned(),
            times => format!("it is listed {times} times"),
        },
        Reply::Mountpoint(path) if path.is_empty() => "no path".to_owned(),
        Reply::Mountpoint(path) => path.clone(),
    }
}
