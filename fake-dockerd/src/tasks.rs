//! The tasks of one daemon, which end together.
//!
//! A client that goes away does not end what it asked for, as with dockerd: every command runs as a
//! task of its own. A daemon that crashes ends all of them where they are.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::trace;

/// Starts and ends tasks.
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    stop: Arc<watch::Sender<bool>>,
    /// Every task has one of these; when the last is gone, so is the last task.
    alive: Arc<Mutex<Option<mpsc::Sender<()>>>>,
}

impl Tasks {
    /// No tasks yet, and what ends when there are none any more.
    pub(crate) fn new() -> (Self, mpsc::Receiver<()>) {
        let (alive, gone) = mpsc::channel(1);
        let tasks = Self {
            stop: Arc::new(watch::Sender::new(false)),
            alive: Arc::new(Mutex::new(Some(alive))),
        };
        (tasks, gone)
    }

    /// Starts a task for the current command; it yields nothing if it is cut short.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut stop = self.stop.subscribe();
        let alive = self
            .alive
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        trace::spawn(async move {
            let alive = alive?;
            let output = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => None,
                output = future => Some(output),
            };
            drop(alive);
            output
        })
    }

    /// Ends every task at the place where it waits, and starts no more.
    pub(crate) fn stop(&self) {
        self.alive
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.stop.send_replace(true);
    }
}
