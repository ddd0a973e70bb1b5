//! Kills in the middle of a call: it may have been carried out then or not, and whatever was
//! acknowledged before it holds.

use std::time::{Duration, Instant};

use super::stage::{Stage, Stop};
use crate::model::Call;
use crate::protocol::Endpoint;

/// How long a call is taken to last before one was made.
const UNKNOWN: Duration = Duration::from_millis(1);

/// Shorter waits are too short for the runtime's timer, which counts milliseconds.
const FINEST_SLEEP: Duration = Duration::from_millis(3);

/// How long calls take, as far as is known: when in the middle of them is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    took: [Option<Duration>; Endpoint::ALL.len()],
}

impl Pace {
    /// A call was answered after `took`. The longest of the last ones counts: what is refused at once
    /// is over before anything could happen to it.
    pub(super) fn took(&mut self, endpoint: Endpoint, took: Duration) {
        if let Some(known) = self.took.get_mut(endpoint as usize) {
            let before = known.unwrap_or_default() * 7 / 8;
            *known = Some(took.max(before));
        }
    }

    /// The moment at `percent` hundredths of such a call.
    fn moment(&self, endpoint: Endpoint, percent: u8) -> Duration {
        let known = self.took.get(endpoint as usize).copied().flatten();
        known.unwrap_or(UNKNOWN) * u32::from(percent) / 100
    }
}

impl Stage<'_> {
    /// Makes a call, and kills the plugin while it is under way.
    pub(super) async fn kill_during(&mut self, call: &Call, percent: u8) -> Result<(), Stop> {
        let target = self.cx.shared_target();
        let Some(plugin) = &target.plugin else {
            return Ok(());
        };
        let moment = self.pace.moment(call.endpoint(), percent);
        self.cx.step(format!(
            "kill -9 of the plugin {} µs after the next call was sent",
            moment.as_micros()
        ));
        let pace = self.pace;
        let kill = async {
            pause(moment).await;
            plugin.kill().await;
        };
        let (answer, ()) = tokio::join!(self.send(call), kill);
        // What is seen of a call that was cut off says nothing of the next one.
        self.pace = pace;
        self.cx.hang_up();
        let answer = answer?;
        if answer.wire_error().is_none() {
            self.judge(call, &answer)?;
        } else {
            // It was the doing of the play.
            self.cx.forgive_trouble();
            self.model.unanswered(call);
        }
        // Of a volume that was to be removed, the data may be gone before the volume is.
        if let Call::Remove(name) = call
            && !self.model.exists(name)
        {
            self.storage.removed(name);
        }
        Ok(())
    }
}

/// Waits, to the microsecond.
async fn pause(time: Duration) {
    let begun = Instant::now();
    if let Some(most) = time.checked_sub(FINEST_SLEEP) {
        tokio::time::sleep(most).await;
    }
    while begun.elapsed() < time {
        tokio::task::yield_now().await;
    }
}
