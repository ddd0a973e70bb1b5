//! Sending requests and keeping what came back.

use std::time::{Duration, Instant};

use super::{Cx, Host};
use crate::protocol::Endpoint;
use crate::suite::ledger::Trouble;
use crate::suite::{Answer, CaseResult, Exchange, Finding, Halt};
use crate::wire::{Connection, Request, Sent, WireError};

impl Cx {
    /// Makes a well-formed call over the kept-alive connection. `subject` is the volume, if any.
    ///
    /// # Errors
    /// [`Halt::Skip`] where the call is known to hang.
    pub async fn call(
        &mut self,
        endpoint: Endpoint,
        body: Vec<u8>,
        subject: Option<&str>,
    ) -> CaseResult<Answer> {
        let (answer, exchange) = self
            .exchange(endpoint, &Request::docker(endpoint.path(), body))
            .await?;
        self.target.lints.look(&answer, subject, &exchange);
        Ok(answer)
    }

    /// Sends any request over the kept-alive connection and reads the answer as one of `endpoint`.
    /// What comes back is not held against the rules for well-formed calls.
    ///
    /// # Errors
    /// [`Halt::Skip`] where the call is known to hang.
    pub async fn send(&mut self, endpoint: Endpoint, request: Request) -> CaseResult<Answer> {
        Ok(self.exchange(endpoint, &request).await?.0)
    }

    async fn exchange(
        &mut self,
        endpoint: Endpoint,
        request: &Request,
    ) -> CaseResult<(Answer, Exchange)> {
        self.usable(endpoint)?;
        let begun = Instant::now();
        let sent = self.send_reusing(request).await;
        Ok(self.keep_both(endpoint, request, sent, begun))
    }

    /// Opens a connection of its own, for cases that write bytes themselves.
    ///
    /// # Errors
    /// A finding when the plugin cannot be reached.
    pub async fn connect(&self) -> CaseResult<Connection> {
        self.usable(Endpoint::Activate)?;
        Connection::open(self.address(), self.limit)
            .await
            .map_err(|error| {
                self.worry(Endpoint::Activate, &error);
                Finding::new("the plugin accepts a connection", format!("it {error}")).into()
            })
    }

    /// Keeps an exchange that the case made with a connection of its own.
    pub fn keep(
        &self,
        endpoint: Endpoint,
        request: &Request,
        sent: Sent,
        begun: Instant,
    ) -> Answer {
        self.keep_both(endpoint, request, sent, begun).0
    }

    fn keep_both(
        &self,
        endpoint: Endpoint,
        request: &Request,
        sent: Sent,
        begun: Instant,
    ) -> (Answer, Exchange) {
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut exchange = Exchange::record(request, &sent, ms, &self.target.secrets());
        exchange.peer = self.host == Host::Peer;
        match &sent {
            Ok(_) => self.waited(endpoint, ms),
            Err(error) => self.worry(endpoint, error),
        }
        let answer = Answer::new(endpoint, sent, ms);
        exchange.failed = !answer.is_ok();
        self.ledger.exchange(exchange.clone());
        (answer, exchange)
    }

    /// Drops the kept-alive connection: the next call opens a new one.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Over the kept-alive connection if there is one. A connection that the plugin closed while
    /// it was idle is replaced, as HTTP clients do.
    async fn send_reusing(&mut self, request: &Request) -> Sent {
        let deadline = Instant::now() + self.limit;
        if let Some(mut connection) = self.connection.take() {
            match connection.send(request, self.limit).await {
                Err(WireError::Closed | WireError::Io(_)) => {}
                sent => {
                    self.put_back(connection, &sent);
                    return sent;
                }
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let mut connection = Connection::open(self.address(), left).await?;
        let sent = connection.send(request, self.limit).await;
        self.put_back(connection, &sent);
        sent
    }

    fn put_back(&mut self, connection: Connection, sent: &Sent) {
        let closing = sent.as_ref().map_or(true, |response| {
            response
                .header("Connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("close"))
        });
        if !closing && !connection.ended() {
            self.connection = Some(connection);
        }
    }

    /// Ends the case where `endpoint` is known to go unanswered.
    pub(super) fn usable(&self, endpoint: Endpoint) -> CaseResult {
        for known in [endpoint, Endpoint::Activate] {
            if let Some(broken) = self.target.health.broken(known) {
                let reason = format!(
                    "not tried again: {known} {} (seen in {})",
                    broken.what, broken.case
                );
                return Err(Halt::Skip(reason));
            }
        }
        Ok(())
    }

    /// Takes note of how long an answer took.
    pub(super) fn waited(&self, endpoint: Endpoint, ms: u64) {
        let took = Duration::from_millis(ms);
        self.target.slowness.answered(&self.case, endpoint, took);
    }

    pub(super) fn worry(&self, endpoint: Endpoint, error: &WireError) {
        let what = error.to_string();
        self.ledger.trouble(Trouble {
            endpoint,
            what,
            hung: error.is_timeout(),
        });
    }

    /// Runs the user's `--prepare` for a volume unless that was done; every Create does so itself.
    /// Cases that send several Creates of one name at once call it before.
    ///
    /// # Errors
    /// [`Halt::Harness`] when the command fails.
    pub async fn prepare(&self, name: &str) -> CaseResult {
        if let Some(command) = &self.target.prepare
            && !self.ledger.is_prepared(name)
        {
            command.run_for(name, self.limit).await.map_err(|why| {
                Halt::Harness(format!(
                    "--prepare failed, and no volume can be made without it: {why}"
                ))
            })?;
            self.ledger.prepared(name);
        }
        Ok(())
    }
}
