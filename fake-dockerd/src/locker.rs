//! A lock per name, as moby's `locker`: what is slow about one name holds up no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Locks by name, made when they are needed.
#[derive(Debug, Default)]
pub(crate) struct Locker {
    locks: Mutex<HashMap<String, Weak<AsyncMutex<()>>>>,
}

impl Locker {
    /// Waits for the lock of `name`; those who wait get it in the order they came.
    pub(crate) async fn lock(&self, name: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            match locks.get(name).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    // Names that nobody holds or waits for any more are forgotten here.
                    locks.retain(|_, lock| lock.strong_count() > 0);
                    let lock = Arc::new(AsyncMutex::new(()));
                    locks.insert(name.to_owned(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}
