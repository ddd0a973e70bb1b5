//! The nine calls as dockerd makes them. None ends the case by failing: what an answer means is for
//! the case to say.

use super::Cx;
use crate::model::Call;
use crate::protocol::{Endpoint, Opts, create_body, hold_body, name_body};
use crate::suite::{Answer, CaseResult};
use crate::wire::Request;

impl Cx {
    /// Activate, with an empty body.
    ///
    /// # Errors
    /// Only [`Halt::Skip`](crate::suite::Halt::Skip), where the call is known to hang; so for all calls.
    pub async fn activate(&mut self) -> CaseResult<Answer> {
        self.call(Endpoint::Activate, Vec::new(), None).await
    }

    /// Capabilities, with `{}`.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn capabilities(&mut self) -> CaseResult<Answer> {
        self.call(Endpoint::Capabilities, b"{}\n".to_vec(), None)
            .await
    }

    /// Create with the user's options, after `--prepare`.
    ///
    /// # Errors
    /// As [`activate`](Self::activate), and [`Halt::Harness`](crate::suite::Halt::Harness) when `--prepare` fails.
    pub async fn create(&mut self, name: &str) -> CaseResult<Answer> {
        let opts = self.opts_for(name);
        self.create_with(name, &opts).await
    }

    /// Create with these options, after `--prepare`.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_with(&mut self, name: &str, opts: &Opts) -> CaseResult<Answer> {
        self.create_for(name, name, opts).await
    }

    /// Create with these options, after `--prepare` of `stand_in`.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(crate) async fn create_for(
        &mut self,
        name: &str,
        stand_in: &str,
        opts: &Opts,
    ) -> CaseResult<Answer> {
        self.prepare(stand_in).await?;
        self.ledger.created(name);
        self.call(Endpoint::Create, create_body(name, opts), Some(name))
            .await
    }

    /// Create under a name that is not of the ordinary alphabet. Options and `--prepare` are given
    /// an ordinary stand-in, so that only the name is strange.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_strange(&mut self, name: &str) -> CaseResult<Answer> {
        let stand_in = self.name();
        let opts = self.opts_for(&stand_in);
        self.create_for(name, &stand_in, &opts).await
    }

    /// Get.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn get(&mut self, name: &str) -> CaseResult<Answer> {
        self.call(Endpoint::Get, name_body(name), Some(name)).await
    }

    /// List, with `{}`.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn list(&mut self) -> CaseResult<Answer> {
        self.call(Endpoint::List, b"{}\n".to_vec(), None).await
    }

    /// Path.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn path(&mut self, name: &str) -> CaseResult<Answer> {
        self.call(Endpoint::Path, name_body(name), Some(name)).await
    }

    /// Mount.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn mount(&mut self, name: &str, id: &str) -> CaseResult<Answer> {
        let answer = self
            .call(Endpoint::Mount, hold_body(name, id), Some(name))
            .await?;
        // A Mount that went unanswered may have been carried out.
        if answer.is_ok() || answer.wire_error().is_some() {
            self.ledger.mounted_on(self.host, name, id);
        }
        Ok(answer)
    }

    /// Unmount.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn unmount(&mut self, name: &str, id: &str) -> CaseResult<Answer> {
        let answer = self
            .call(Endpoint::Unmount, hold_body(name, id), Some(name))
            .await?;
        if answer.is_ok() {
            self.ledger.unmounted_on(self.host, name, id);
        }
        Ok(answer)
    }

    /// Remove. The user's `--cleanup` follows when the case is over.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn remove(&mut self, name: &str) -> CaseResult<Answer> {
        let answer = self
            .call(Endpoint::Remove, name_body(name), Some(name))
            .await?;
        if answer.is_ok() {
            self.ledger.removed(name);
        }
        Ok(answer)
    }

    /// Makes a call of the reference model's.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub(crate) async fn make(&mut self, call: &Call) -> CaseResult<Answer> {
        match call {
            Call::Activate => self.activate().await,
            Call::Create { name, opts, .. } => self.create_with(name, opts).await,
            Call::Get(name) => self.get(name).await,
            Call::List => self.list().await,
            Call::Path(name) => self.path(name).await,
            Call::Mount(name, id) => self.mount(name, id).await,
            Call::Unmount(name, id) => self.unmount(name, id).await,
            Call::Remove(name) => self.remove(name).await,
        }
    }

    /// Sends a Create of `name` that the case wrote itself, after `--prepare`. What comes back is
    /// not held against the rules for well-formed calls.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_raw(&mut self, name: &str, request: Request) -> CaseResult<Answer> {
        self.prepare(name).await?;
        self.ledger.created(name);
        self.send(Endpoint::Create, request).await
    }
}
