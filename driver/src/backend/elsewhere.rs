//! Who else holds a volume, on storage that several hosts share.

use crate::error::{Error, ErrorKind};

/// The other hosts that hold a volume. No engine knows of containers on other hosts, so nothing else
/// would keep one host from removing what another one uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elsewhere {
    /// The names of the hosts.
    pub hosts: Vec<String>,
    /// Where on the storage each of them has a note of its name.
    pub notes: String,
}

impl Elsewhere {
    /// Refuses to remove a volume that other hosts hold.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`], with the hosts and the way out.
    pub(crate) fn refuse(&self) -> Result<(), Error> {
        if self.hosts.is_empty() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InUse,
            format!(
                "it is mounted on {}: stop the containers there first; if a host is gone for good, \
                 remove what has its name from {} on the storage",
                self.hosts.join(", "),
                self.notes
            ),
        ))
    }
}
