//! Bounds on time and size, so that no client and no backend can hold up the rest.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How long and how large things may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// For an answer to Create or Mount. dockerd waits 120 s (moby
    /// `daemon/volume/drivers/proxy.go`); a little less, and the user reads our reason.
    pub create_and_mount: Duration,
    /// For an answer to any other call; dockerd waits 60 s.
    pub other_calls: Duration,
    /// From the first byte of a request to the end of its headers.
    pub header: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// A client that takes no byte of its answer for so long is cut off.
    pub stalled_write: Duration,
    /// The largest body that is read, in bytes.
    pub body_bytes: usize,
    /// For the calls in flight when the server is told to stop; Docker kills a managed plugin
    /// after 10 s.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            create_and_mount: Duration::from_secs(110),
            other_calls: Duration::from_secs(55),
            header: Duration::from_secs(10),
            body: Duration::from_secs(20),
            stalled_write: Duration::from_secs(60),
            body_bytes: 1 << 20,
            shutdown: Duration::from_secs(8),
        }
    }
}

impl Limits {
    /// The same limits with one bound for the answers to all calls.
    #[must_use]
    pub fn with_request_timeout(mut self, limit: Duration) -> Self {
        self.create_and_mount = limit;
        self.other_calls = limit;
        self
    }
}

/// Raises the soft limit on open files of this process to the hard one.
///
/// Each idle connection takes a file descriptor, and common defaults allow 1024. A program that
/// embeds the server decides for itself, for the limit is the whole process's.
pub fn raise_open_files_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
        } else {
            Ok(())
        }
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
}

/// As many connections as there are file descriptors, less what the work itself needs.
pub(super) fn max_connections() -> usize {
    const RESERVED: u64 = 96;
    const AT_MOST: u64 = 65_536;
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let usable = soft.saturating_sub(RESERVED).clamp(16, AT_MOST);
    usize::try_from(usable).unwrap_or(16)
}
