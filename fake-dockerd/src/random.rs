//! Everything random, from one seed: identifiers, and the order in which Go walks through a map.
//!
//! dockerd keeps a container's mount points and the known drivers in Go maps, whose order differs
//! each time. A plugin must not rely on an order, so the engine keeps shuffling; a seed makes a run
//! repeatable.

use std::sync::{Mutex, PoisonError};

use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

/// How many entries of a Go map lie side by side.
const SLOTS: usize = 8;

/// A source of randomness that tasks share.
#[derive(Debug)]
pub(crate) struct Randomness {
    rng: Mutex<ChaCha8Rng>,
}

impl Randomness {
    /// Repeatable with a seed, otherwise from the system.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        let rng = match seed {
            Some(seed) => ChaCha8Rng::seed_from_u64(seed),
            None => ChaCha8Rng::from_rng(&mut rand::rng()),
        };
        Self {
            rng: Mutex::new(rng),
        }
    }

    /// 64 hexadecimal digits that are no number, as moby's `stringid.GenerateRandomID`: a
    /// shortened ID that looks like a number could be mistaken for one.
    pub(crate) fn id(&self) -> String {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            if id.chars().take(12).any(|digit| !digit.is_ascii_digit()) {
                return id;
            }
        }
    }

    /// One of the items.
    pub(crate) fn pick<T: Copy>(&self, items: &[T]) -> Option<T> {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        items.choose(&mut *rng).copied()
    }

    /// The items in the order of a walk through a Go map of at most eight, none of which was ever
    /// taken out: as they were put in, from any of the eight slots on (Go's `mapiterinit` up to Go
    /// 1.23). The first one is mostly the first.
    pub(crate) fn rotated<T>(&self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        if items.len() > SLOTS {
            return self.shuffled(items);
        }
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = rng.random_range(0..SLOTS);
        if slot < items.len() {
            items.rotate_left(slot);
        }
        items
    }

    /// The items in the order of a walk through a Go map.
    pub(crate) fn shuffled<T>(&self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        items.shuffle(&mut *rng);
        items
    }
}
