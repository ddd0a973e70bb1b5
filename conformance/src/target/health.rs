//! Which calls the plugin no longer answers.
//!
//! A plugin that hangs should cost one time limit, not one a case. Once a call has been seen to
//! hang also in its plainest form, later cases that come to it are skipped with that reason.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::protocol::Endpoint;

/// What is known to hang, and since when.
#[derive(Debug, Default)]
pub struct Health {
    broken: Mutex<BTreeMap<Endpoint, Broken>>,
    deaths: Mutex<Vec<Broken>>,
    hangs: Mutex<Vec<Broken>>,
}

/// A call that goes unanswered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The case in which it was first seen.
    pub case: String,
    /// What happened: fits behind the call's name.
    pub what: String,
}

impl Health {
    /// Notes that `endpoint` goes unanswered.
    pub fn give_up(&self, endpoint: Endpoint, broken: Broken) {
        let mut map = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        map.entry(endpoint).or_insert(broken);
    }

    /// Notes that a call was not answered in time.
    pub fn hung(&self, hang: Broken) {
        self.hangs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(hang);
    }

    /// Which calls were not answered in time, and where.
    #[must_use]
    pub fn hangs(&self) -> Vec<Broken> {
        self.hangs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes that the plugin's process ended when nobody had asked it to.
    pub fn died(&self, death: Broken) {
        self.deaths
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(death);
    }

    /// Forgets the `at`th death: a later one has shown better what causes it.
    pub fn forget_death(&self, at: usize) {
        let mut deaths = self.deaths.lock().unwrap_or_else(PoisonError::into_inner);
        if at < deaths.len() {
            deaths.remove(at);
        }
    }

    /// When the plugin's process ended unasked, and how.
    #[must_use]
    pub fn deaths(&self) -> Vec<Broken> {
        self.deaths
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Forgets what was known to hang: the plugin is a new process.
    pub fn reset(&self) {
        self.broken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// What is known of `endpoint`.
    #[must_use]
    pub fn broken(&self, endpoint: Endpoint) -> Option<Broken> {
        self.broken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&endpoint)
            .cloned()
    }

    /// Whether nothing is answered at all.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.broken(Endpoint::Activate).is_some()
    }
}
