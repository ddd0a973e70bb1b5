//! The second host: another instance of the plugin on the same storage.

use super::{Cx, Host};
use crate::suite::{CaseResult, Halt, Need};
use crate::wire::Address;

impl Cx {
    /// A client of the second host's plugin. It remembers where this one does.
    ///
    /// # Errors
    /// [`Halt::Skip`] where there is no second host, or where its storage is no business of it: the
    /// plugin says that its volumes are those of one host.
    pub async fn peer(&mut self) -> CaseResult<Self> {
        if self.target.peer.is_none() {
            return Err(Halt::skip(Need::Peer.lacking()));
        }
        let capabilities = self.capabilities().await?;
        if capabilities.reading().scope.as_deref() != Some("global") {
            return Err(Halt::skip(
                "is about volumes that all hosts share, and Capabilities says that the scope is local",
            ));
        }
        Ok(self.on_peer())
    }

    /// The same, whatever the plugin says of its scope.
    #[must_use]
    pub(crate) fn on_peer(&self) -> Self {
        Self {
            host: Host::Peer,
            ..self.fork(&format!("{}-peer", self.case))
        }
    }

    /// Where the calls go.
    pub(super) fn address(&self) -> &Address {
        match (&self.target.peer, self.host) {
            (Some(peer), Host::Peer) => &peer.address,
            _ => &self.target.address,
        }
    }
}
