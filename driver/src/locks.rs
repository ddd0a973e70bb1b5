//! One lock per volume, so that a slow call on one never delays another.
//!
//! A lock exists while somebody holds it or waits for it. Waiters are served in the order they
//! came.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Table = Mutex<HashMap<String, Arc<AsyncMutex<()>>>>;

/// The locks of all volumes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Locks {
    table: Arc<Table>,
}

/// The right to change one volume, until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    table: Arc<Table>,
    name: String,
    lock: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    /// Waits for the right to change this volume.
    pub(crate) async fn acquire(&self, name: &str) -> Guard {
        let lock = Arc::clone(entries(&self.table).entry(name.to_owned()).or_default());
        // The guard exists before the wait: a caller that gives up cleans up as well.
        let mut guard = Guard {
            table: Arc::clone(&self.table),
            name: name.to_owned(),
            lock: None,
        };
        guard.lock = Some(lock.lock_owned().await);
        guard
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut table = entries(&self.table);
        self.lock.take();
        // New interest can only come through the table, which is locked here.
        if table
            .get(&self.name)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            table.remove(&self.name);
        }
    }
}

fn entries(table: &Table) -> MutexGuard<'_, HashMap<String, Arc<AsyncMutex<()>>>> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_volume_is_exclusive_and_others_are_free() {
        let locks = Locks::default();
        let first = locks.acquire("a").await;
        let _other = locks.acquire("b").await;
        let waiting = tokio::spawn({
            let locks = locks.clone();
            async move { locks.acquire("a").await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_left_behind_even_by_those_who_gave_up() {
        let locks = Locks::default();
        let first = locks.acquire("a").await;
        let waiting = tokio::spawn({
            let locks = locks.clone();
            async move { locks.acquire("a").await }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        let _ = waiting.await;
        drop(first);
        drop(locks.acquire("b").await);
        assert!(entries(&locks.table).is_empty());
    }
}
