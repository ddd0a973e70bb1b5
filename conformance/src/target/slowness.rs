//! Calls that should be prompt and are not, and how long was waited for them.
//!
//! A plugin whose every Get takes a second is found out by one case. The others would find nothing
//! more by it, and wait for it hundreds of times.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::protocol::Endpoint;

/// An answer that takes longer is not prompt: the limit of the rules on it.
const PROMPT: Duration = Duration::from_secs(1);

/// So many answers have to be seen before anything is said of them all.
const ENOUGH: usize = 3;

/// How long the cases of one section wait for slow answers, all together.
const PATIENCE: Duration = Duration::from_secs(10);

/// The sections whose cases are made of dozens of calls each.
const LONG_WINDED: [&str; 5] = ["ref", "conc", "restart", "sequence", "sec"];

/// The rule that a call is prompt, where there is one.
const fn rule(endpoint: Endpoint) -> Option<&'static str> {
    match endpoint {
        Endpoint::Activate => Some("act.prompt"),
        Endpoint::Get => Some("get.fast"),
        _ => None,
    }
}

/// What was waited for.
#[derive(Debug, Default)]
pub struct Slowness {
    /// Whether it is waited for whatever it takes.
    patient: bool,
    waits: Mutex<BTreeMap<Endpoint, Waits>>,
}

/// The answers of one kind of call.
#[derive(Debug, Default)]
struct Waits {
    answers: usize,
    /// How many of them were not prompt.
    slow: usize,
    /// How long those took, by section.
    waited: BTreeMap<String, Duration>,
}

impl Slowness {
    /// Nothing is known yet; `patient` runs wait for whatever it takes.
    #[must_use]
    pub fn new(patient: bool) -> Self {
        Self {
            patient,
            waits: Mutex::default(),
        }
    }

    fn waits(&self) -> MutexGuard<'_, BTreeMap<Endpoint, Waits>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call which `case` made was answered after `took`.
    pub fn answered(&self, case: &str, endpoint: Endpoint, took: Duration) {
        if rule(endpoint).is_none() {
            return;
        }
        let mut all = self.waits();
        let waits = all.entry(endpoint).or_default();
        waits.answers += 1;
        if took >= PROMPT {
            waits.slow += 1;
            let section = section(case).to_owned();
            *waits.waited.entry(section).or_default() += took;
        }
    }

    /// Why `case` is not worth its wait: calls that should be prompt never are, and its section has
    /// waited for them long enough.
    #[must_use]
    pub fn weary(&self, case: &str) -> Option<String> {
        let section = section(case);
        if self.patient || !LONG_WINDED.contains(&section) {
            return None;
        }
        self.waits().iter().find_map(|(endpoint, waits)| {
            let waited = waits.waited.get(section).copied().unwrap_or_default();
            let usual = waits.slow >= ENOUGH && waits.slow * 2 > waits.answers;
            (usual && waited >= PATIENCE).then(|| {
                format!(
                    "each {endpoint} takes {} s or more ({}), and cases of this section have waited {} s \
                     for that; --soak waits on",
                    PROMPT.as_secs(),
                    rule(*endpoint).unwrap_or_default(),
                    waited.as_secs(),
                )
            })
        })
    }
}

/// The section of a case's id.
fn section(case: &str) -> &str {
    case.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_millis(1200);

    #[test]
    fn a_section_waits_no_longer_than_it_is_worth() {
        let slowness = Slowness::default();
        for _ in 0..8 {
            assert_eq!(slowness.weary("sequence.run"), None);
            slowness.answered("sequence.first-use", Endpoint::Get, SLOW);
        }
        slowness.answered("sequence.first-use", Endpoint::Get, SLOW);
        let why = slowness.weary("sequence.run").unwrap();
        assert!(why.contains("get.fast"), "{why}");
        // What others have waited does not count, and short cases are always made.
        assert_eq!(slowness.weary("ref.floor"), None);
        assert_eq!(slowness.weary("get.fast"), None);
    }

    #[test]
    fn slow_calls_now_and_then_keep_nobody_from_waiting() {
        let slowness = Slowness::default();
        for _ in 0..20 {
            slowness.answered("sequence.run", Endpoint::Get, SLOW);
            slowness.answered("sequence.run", Endpoint::Get, Duration::ZERO);
            // No rule says that a Mount is prompt.
            slowness.answered("sequence.run", Endpoint::Mount, SLOW);
        }
        assert_eq!(slowness.weary("sequence.run"), None);
    }
}
