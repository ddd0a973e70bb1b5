//! Random play: sequences of calls that nobody thought of, judged by the [`model`](crate::model).
//!
//! Sequences are drawn from the run's seed ([`generate`]), played on the plugin and judged step by
//! step (`stage`, `storage`), shortened where one breaks an invariant ([`shrink`]), played again to
//! see whether they break it each time, and kept in a file for the next run ([`regressions`]). All
//! of it happens once a run, when the first case of the section `prop` asks what was found; the
//! others only look theirs up.

mod cast;
mod expand;
pub mod generate;
mod hunt;
mod interrupt;
mod outside;
pub mod regressions;
pub mod sequence;
pub mod shrink;
mod stage;
mod storage;
mod suspects;
mod tell;

pub(crate) use suspects::suspects;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::model::{Invariant, Violation};
use crate::suite::{Cx, Exchange, Halt};
use regressions::Regressions;
use sequence::Sequence;

/// How many sequences are played unless the user says otherwise.
pub const SEQUENCES: u64 = 300;

/// How long they may take unless the user gives their number.
pub const LIMIT: Duration = Duration::from_secs(10);

/// How much is played.
#[derive(Debug, Clone)]
pub struct PlayOptions {
    /// What the sequences are drawn from.
    pub seed: u64,
    /// How many are played.
    pub sequences: u64,
    /// How long that may take, findings and their shortening included.
    pub limit: Duration,
    /// Whether a play that has found something ends sooner.
    pub hurry: bool,
    /// Sequences that failed before.
    pub regressions: Regressions,
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            sequences: SEQUENCES,
            limit: LIMIT,
            hurry: true,
            regressions: Regressions::default(),
        }
    }
}

/// The random play of a run.
#[derive(Debug, Default)]
pub struct Play {
    /// How much is played.
    pub options: PlayOptions,
    found: OnceCell<Result<Arc<Haul>, Halt>>,
    progress: Progress,
    /// What became of the regression file, where others than this play it.
    told: Mutex<Vec<String>>,
}

/// How far the play is, for whoever shows it.
#[derive(Debug, Default)]
struct Progress {
    sequences: AtomicU64,
    doing: Mutex<Option<&'static str>>,
}

impl Play {
    /// A play that has not begun.
    #[must_use]
    pub fn new(options: PlayOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// What the play found; it is played when this is asked first.
    ///
    /// # Errors
    /// [`Halt::Skip`] or [`Halt::Harness`] where it could not be played.
    pub(crate) async fn found(&self, cx: &mut Cx) -> Result<Arc<Haul>, Halt> {
        let played = self.found.get_or_init(|| async {
            let haul = hunt::hunt(cx, self).await;
            self.doing(None);
            haul.map(Arc::new)
        });
        played.await.clone()
    }

    /// Keeps what became of a line of the regression file.
    pub(crate) fn tell(&self, line: String) {
        self.told().push(line);
    }

    fn told(&self) -> MutexGuard<'_, Vec<String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of each line of the regression file, a line each.
    #[must_use]
    pub fn replayed(&self) -> Vec<String> {
        let mut lines = match self.found.get() {
            Some(Ok(haul)) => haul.replayed.clone(),
            _ => Vec::new(),
        };
        lines.extend(self.told().iter().cloned());
        lines
    }

    fn doing(&self, what: Option<&'static str>) {
        *self
            .progress
            .doing
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// How far the play is, in a few words, while it is under way.
    #[must_use]
    pub fn progress(&self) -> Option<String> {
        let doing = *self
            .progress
            .doing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let played = self.progress.sequences.load(Ordering::Relaxed);
        doing.map(|doing| format!("{doing}, {played}/{} sequences", self.options.sequences))
    }
}

/// What a play has brought.
#[derive(Debug)]
pub(crate) struct Haul {
    /// At most one for each invariant.
    pub(crate) found: Vec<Found>,
    /// How many sequences were played.
    pub(crate) sequences: u64,
    /// How many calls that took, those of shortening and repeating not included.
    pub(crate) calls: u64,
    /// How long those calls took.
    pub(crate) took: Duration,
    /// Why fewer sequences were played than asked for.
    pub(crate) cut_short: Option<String>,
    /// What became of each sequence of the regression file.
    pub(crate) replayed: Vec<String>,
    /// What else should be known.
    pub(crate) remarks: Vec<String>,
}

/// A broken invariant, with the shortest proof.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) violation: Violation,
    pub(crate) proof: Proof,
    pub(crate) exchanges: Vec<Exchange>,
    /// What was done after the last exchange.
    pub(crate) afterwards: Vec<String>,
    pub(crate) docker: Vec<String>,
    pub(crate) suspects: Vec<&'static str>,
}

impl Found {
    pub(crate) const fn invariant(&self) -> Invariant {
        self.violation.invariant
    }
}

/// How a broken invariant was found, and how to see it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The shortest sequence.
    pub sequence: Sequence,
    /// The seed that it was drawn from.
    pub seed: u64,
    /// The number of the sequence that it was shortened from; none for one of a regression file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<u64>,
    /// How many calls were made until something broke.
    pub calls: u64,
    /// How long that took, in milliseconds; what else was found before, and shortened, included.
    #[serde(default)]
    pub after_ms: u64,
    /// How many steps the sequence had before it was shortened.
    pub steps_before: usize,
    /// How many sequences were tried to shorten it.
    pub tries: u64,
    /// How often the shortest one was played.
    pub played: u32,
    /// How often it broke the invariant then. Fewer times than it was played: it is flaky.
    pub broke: u32,
    /// How long shortening took, in milliseconds.
    pub ms: u64,
}

impl Proof {
    /// Whether it breaks the invariant at some times and not at others.
    #[must_use]
    pub const fn is_flaky(&self) -> bool {
        self.broke < self.played
    }
}
