//! Time as the engine sees it, which a test may let pass faster.
//!
//! dockerd waits 15 seconds for a plugin that is not there and two minutes for a Mount. Every wait
//! goes through [`Clock`]; production runs it at scale 1, a test at 50 or more. (Tokio's paused
//! time is no alternative where real sockets are read.)

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// How fast the engine's time passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    scale: f64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::REAL
    }
}

impl Clock {
    /// Real time.
    pub const REAL: Self = Self { scale: 1.0 };

    /// Time that passes `scale` times as fast: a wait of 15 s takes 15 s / `scale`.
    ///
    /// A scale that is not a positive number means real time.
    #[must_use]
    pub fn scaled(scale: f64) -> Self {
        if scale.is_finite() && scale > 0.0 {
            Self { scale }
        } else {
            Self::REAL
        }
    }

    /// How long `engine_time` really takes.
    #[must_use]
    pub fn real(self, engine_time: Duration) -> Duration {
        engine_time.div_f64(self.scale)
    }

    /// Waits for `engine_time`.
    pub async fn sleep(self, engine_time: Duration) {
        tokio::time::sleep(self.real(engine_time)).await;
    }

    /// The engine's time since `start`.
    #[must_use]
    pub fn since(self, start: Instant) -> Duration {
        start.elapsed().mul_f64(self.scale)
    }

    /// Runs `future` for at most `limit`; `None` when the time is over. No limit waits for ever.
    pub async fn within<F: Future>(self, limit: Option<Duration>, future: F) -> Option<F::Output> {
        match limit {
            Some(limit) => tokio::time::timeout(self.real(limit), future).await.ok(),
            None => Some(future.await),
        }
    }
}
