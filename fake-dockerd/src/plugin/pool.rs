//! Idle connections, as Go's `http.Transport` keeps them.

use std::sync::{Mutex, PoisonError};

use super::connection::Connection;

/// Go's `DefaultMaxIdleConnsPerHost`.
const MAX_IDLE: usize = 2;

/// Up to two connections that wait for the next call, for as long as it takes.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// The connection that was used last, if one is still good.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut connection) = idle.pop() {
            if connection.is_quiet() {
                connection.reused = true;
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for later; one too many is closed.
    pub(super) fn put(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}
