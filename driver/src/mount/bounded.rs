//! Calls into file systems that may never return.
//!
//! A call into a dead NFS server or a FUSE daemon without its master waits in the kernel, deaf to
//! everything but the end of the process. Each such call gets a thread of its own: the caller
//! waits for a limited time, the thread for as long as the kernel keeps it. How many may be kept
//! is limited per storage, so that a driver in front of a dead server stays small: beyond that,
//! calls fail at once.

use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::logging::carried;

/// Calls into one storage at a time, answered or not.
const MAX_CALLS: usize = 32;

static CALLS: LazyLock<Mutex<HashMap<PathBuf, usize>>> = LazyLock::new(Mutex::default);

/// The storage has not answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The call was made and is still waiting.
    Within(Duration),
    /// Earlier calls are still waiting.
    Waiting,
    /// So many calls are waiting already that this one was not made.
    TooManyWaiting,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(limit) => {
                write!(
                    f,
                    "the storage did not answer within {} s",
                    limit.as_secs_f32()
                )
            }
            Self::Waiting => f.write_str("the storage has not answered earlier calls"),
            Self::TooManyWaiting => write!(
                f,
                "the storage does not answer: {MAX_CALLS} calls are waiting for it already"
            ),
        }
    }
}

impl From<NoAnswer> for io::Error {
    fn from(no_answer: NoAnswer) -> Self {
        Self::new(io::ErrorKind::TimedOut, no_answer.to_string())
    }
}

/// Runs `work`, which calls into what is mounted at `storage`, and waits for at most `limit`. The
/// work goes on when the time is up, unless it never began.
pub(crate) async fn within<T: Send + 'static>(
    storage: &Path,
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NoAnswer> {
    let ticket = Ticket::take(storage).ok_or(NoAnswer::TooManyWaiting)?;
    let (sender, receiver) = oneshot::channel();
    let spawned = thread::Builder::new()
        .name("storage".to_owned())
        .spawn(carried(move || {
            let result = work();
            drop(ticket);
            // Nobody listens any more when it took too long.
            let _ = sender.send(result);
        }));
    if spawned.is_err() {
        return Err(NoAnswer::TooManyWaiting);
    }
    match timeout(limit, receiver).await {
        Ok(Ok(result)) => Ok(result),
        // The other way to lose the sender is a panic in `work`.
        Ok(Err(_)) | Err(_) => Err(NoAnswer::Within(limit)),
    }
}

/// Whether calls into a storage are waiting at this moment. They keep its mount busy.
pub(crate) fn is_waited_for(storage: &Path) -> bool {
    calls().contains_key(storage)
}

/// The right to one more call into a storage.
struct Ticket(PathBuf);

impl Ticket {
    fn take(storage: &Path) -> Option<Self> {
        let mut calls = calls();
        let count = calls.entry(storage.to_owned()).or_default();
        if *count >= MAX_CALLS {
            return None;
        }
        *count += 1;
        Some(Self(storage.to_owned()))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut calls = calls();
        if let Some(count) = calls.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                calls.remove(&self.0);
            }
        }
    }
}

fn calls() -> MutexGuard<'static, HashMap<PathBuf, usize>> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_hanging_storage_costs_limited_time_and_a_limited_number_of_threads() {
        let storage = Path::new("/storage/that/hangs");
        let (release, gate) = mpsc::channel::<()>();
        let gate = std::sync::Arc::new(Mutex::new(gate));
        let limit = Duration::from_millis(1);
        for _ in 0..MAX_CALLS {
            let gate = std::sync::Arc::clone(&gate);
            let hanging = within(storage, limit, move || {
                let _ = gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
            });
            assert_eq!(hanging.await, Err(NoAnswer::Within(limit)));
        }
        let refused = within(storage, limit, || ()).await;
        assert_eq!(refused, Err(NoAnswer::TooManyWaiting));
        let long = Duration::from_secs(30);
        assert_eq!(within(Path::new("/another"), long, || 7).await, Ok(7));
        drop(release);
        // The threads end, and calls are made again.
        while within(storage, long, || ()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
