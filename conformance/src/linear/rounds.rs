//! The rounds: what clients call at the same time, drawn from a seed.
//!
//! Two calls that never meet show nothing, and random ones rarely do. So each round begins with calls
//! that do meet, of a kind that is known to go wrong, and goes on at random.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::play::sequence::{Options, Step};

/// How many volumes a round has. The second one is there so that List has more to tell.
pub(crate) const VOLUMES: u8 = 2;

/// How many mount IDs.
pub(crate) const IDS: u8 = 4;

/// The most clients that a round has.
pub(crate) const CLIENTS: usize = 5;

/// The most that clients are apart when they begin, in microseconds.
const LONGEST_PAUSE: u64 = 1000;

/// What is called in one round.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// What one client calls before the others come.
    pub before: Vec<Step>,
    /// What each of the others calls.
    pub clients: Vec<Vec<Step>>,
    /// How much later each begins, in microseconds.
    pub pauses: Vec<u64>,
    /// Whether a call of somebody else's is under way all the time: half of its request has arrived.
    pub stalled: bool,
}

impl Round {
    /// What keeps it from being played, if it was not drawn but written down.
    pub(crate) fn flaw(&self) -> Option<String> {
        let clients = self.clients.len();
        if clients > CLIENTS {
            return Some(format!(
                "{clients} clients are too many: at most {CLIENTS} meet"
            ));
        }
        let mut steps = self.before.iter().chain(self.clients.iter().flatten());
        let other = steps.find(|step| !step.is_call())?;
        Some(format!("a round is made of calls, which {other:?} is not"))
    }

    /// The same calls, one after the other: `order` says whose is next.
    pub(crate) fn in_order(&self, order: impl IntoIterator<Item = usize>) -> Self {
        let mut before = self.before.clone();
        let mut next = vec![0; self.clients.len()];
        for client in order {
            let (Some(steps), Some(at)) = (self.clients.get(client), next.get_mut(client)) else {
                continue;
            };
            before.extend(steps.get(*at).copied());
            *at += 1;
        }
        Self {
            before,
            ..Self::default()
        }
    }
}

const CREATE: Step = Step::Create {
    volume: 0,
    options: Options::Usual,
};
const GET: Step = Step::Get { volume: 0 };
const REMOVE: Step = Step::Remove { volume: 0 };

const fn mount(id: u8) -> Step {
    Step::Mount { volume: 0, id }
}

const fn unmount(id: u8) -> Step {
    Step::Unmount { volume: 0, id }
}

/// What was called before, and what meets then: a client each.
const MEETINGS: [(&[Step], &[&[Step]]); 15] = [
    // Two engines run a container each, with a volume that is not there yet.
    (&[], &[&[CREATE, mount(0)], &[CREATE, mount(1)]]),
    (&[CREATE], &[&[REMOVE], &[REMOVE]]),
    (&[CREATE, mount(0)], &[&[unmount(0)], &[unmount(0)]]),
    (&[CREATE], &[&[mount(0)], &[REMOVE]]),
    (&[CREATE], &[&[mount(0)], &[mount(1)], &[mount(2)]]),
    (
        &[CREATE, mount(0), mount(1)],
        &[&[unmount(0)], &[unmount(1)]],
    ),
    (&[CREATE, mount(0)], &[&[unmount(0)], &[mount(1)]]),
    (&[CREATE], &[&[mount(0)], &[Step::List]]),
    (&[], &[&[CREATE, GET], &[GET, GET]]),
    (&[], &[&[CREATE, Step::List], &[Step::List]]),
    (&[CREATE], &[&[mount(0)], &[GET]]),
    (&[CREATE], &[&[CREATE], &[REMOVE]]),
    (&[CREATE, mount(0)], &[&[unmount(0)], &[REMOVE]]),
    (
        &[CREATE, mount(0)],
        &[&[unmount(0)], &[Step::Path { volume: 0 }]],
    ),
    // `docker cp` beside a container that stops.
    (&[CREATE, mount(0)], &[&[mount(0)], &[unmount(0)]]),
];

/// Round number `number` of `seed`: the same on every machine, whatever was played before.
pub(crate) fn round(seed: u64, number: u64) -> Round {
    let mut bytes = [0; 32];
    let (first, rest) = bytes.split_at_mut(8);
    first.copy_from_slice(&seed.to_le_bytes());
    let (second, rest) = rest.split_at_mut(8);
    second.copy_from_slice(&number.to_le_bytes());
    // Not the numbers that sequences are drawn from.
    rest.fill(1);
    let mut rng = ChaCha8Rng::from_seed(bytes);
    let kinds = MEETINGS.len() as u64 + 1;
    let meeting = usize::try_from(number % kinds).unwrap_or(0);
    let (before, meeting) = MEETINGS.get(meeting).copied().unwrap_or((&[], &[]));
    let mut before = before.to_vec();
    if rng.random_bool(0.5) {
        before.push(Step::Create {
            volume: 1,
            options: Options::Usual,
        });
    }
    let mut clients: Vec<Vec<Step>> = meeting.iter().map(|steps| steps.to_vec()).collect();
    // The one that is first has its request written first.
    if rng.random_bool(0.5) {
        clients.reverse();
    }
    let others = if clients.is_empty() { 3 } else { 1 };
    for _ in 0..rng.random_range(others..=others + 1) {
        let steps = rng.random_range(1..=3);
        clients.push((0..steps).map(|_| any(&mut rng)).collect());
    }
    for client in &mut clients {
        for _ in 0..rng.random_range(0..=2) {
            client.push(any(&mut rng));
        }
    }
    let together = rng.random_bool(0.5);
    let pauses = clients.iter().map(|_| match together {
        true => 0,
        false => rng.random_range(0..LONGEST_PAUSE),
    });
    Round {
        before,
        pauses: pauses.collect(),
        clients,
        stalled: number % 3 == 2,
    }
}

/// Any call, most likely on the first volume.
fn any(rng: &mut ChaCha8Rng) -> Step {
    let volume = u8::from(rng.random_bool(0.2));
    let id = rng.random_range(0..IDS);
    match rng.random_range(0..14) {
        0 | 1 => Step::Create {
            volume,
            options: Options::Usual,
        },
        2 | 3 => Step::Get { volume },
        4 | 5 => Step::List,
        6 => Step::Path { volume },
        7..=9 => Step::Mount { volume, id },
        10 | 11 => Step::Unmount { volume, id },
        _ => Step::Remove { volume },
    }
}

/// What tells how the plugin decides where it may choose: one call after the other, in the right order,
/// so that one that has lost count is not taken for one that does not count.
pub(crate) fn calibration() -> Round {
    let second = |step: Step| step.on(1);
    Round {
        before: vec![
            CREATE,
            mount(0),
            REMOVE,
            unmount(0),
            second(CREATE),
            second(CREATE),
            second(unmount(0)),
            second(mount(0)),
            second(unmount(1)),
            second(unmount(0)),
            second(REMOVE),
            second(REMOVE),
            second(unmount(0)),
        ],
        ..Round::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_the_rounds() {
        let draw = |seed| {
            (0..60)
                .map(|number| round(seed, number))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        for drawn in draw(7) {
            assert!(drawn.clients.len() >= 3 && drawn.clients.len() <= 5);
            assert_eq!(drawn.clients.len(), drawn.pauses.len());
        }
    }

    #[test]
    fn in_order_nothing_is_lost() {
        let drawn = round(7, 14);
        let total: usize = drawn.clients.iter().map(Vec::len).sum();
        let order = drawn
            .clients
            .iter()
            .enumerate()
            .flat_map(|(client, steps)| std::iter::repeat_n(client, steps.len()));
        let flat = drawn.in_order(order);
        assert_eq!(flat.before.len(), drawn.before.len() + total);
        assert!(flat.clients.is_empty());
    }
}
