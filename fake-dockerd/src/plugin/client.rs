//! One call to a plugin: sent, retried, redirected, limited in time, recorded.
//!
//! Follows moby's `pkg/plugins/client.go` and, below it, Go's `net/http`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::gzip;
use super::http::{Body, Head, Request};
use super::pool::Pool;
use crate::clock::Clock;
use crate::discovery::Found;
use crate::error::{Error, ErrorKind};
use crate::json::{self, Json};
use crate::profile::Profile;
use crate::tasks::Tasks;
use crate::trace::Tracer;

/// After this long nothing is tried again (`defaultTimeOut`).
const GIVE_UP: Duration = Duration::from_secs(30);
/// How many redirects Go follows.
const MAX_REDIRECTS: usize = 10;

/// What every client of a daemon shares.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// How the engine behaves.
    pub(crate) profile: &'static Profile,
    /// The engine's time.
    pub(crate) clock: Clock,
    /// Where exchanges are told.
    pub(crate) tracer: Arc<Tracer>,
    /// What ends with the daemon.
    pub(crate) tasks: Tasks,
}

impl Context {
    /// Starts a task of this daemon.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(future)
    }
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallError {
    /// Go's `net.Error`: there was no answer, or it stopped in the middle.
    pub(crate) unreachable: bool,
    /// dockerd's text.
    pub(crate) text: String,
}

impl CallError {
    pub(super) fn answered(text: impl Into<String>) -> Self {
        Self {
            unreachable: false,
            text: text.into(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        let kind = if error.unreachable {
            ErrorKind::Unreachable
        } else {
            ErrorKind::System
        };
        Self::new(kind, error.text)
    }
}

/// How long to wait before the next attempt: 1, 2, 4, 8 … seconds, as moby's `backoff`.
pub(super) fn backoff(retries: u32) -> Duration {
    Duration::from_secs(1 << retries.min(5)).min(GIVE_UP)
}

/// Whether waiting `pause` more would take too long (`abort`).
pub(super) fn too_late(clock: Clock, start: Instant, pause: Duration) -> bool {
    pause + clock.since(start) >= GIVE_UP
}

/// Go's `http.Client` for one plugin.
#[derive(Debug)]
pub(crate) struct Client {
    plugin: String,
    endpoint: Endpoint,
    pool: Pool,
    context: Context,
}

/// An answer whose head arrived.
struct Answer {
    head: Head,
    body: Body,
}

/// The deadline's error, which Go's contexts word so.
const DEADLINE: &str = "context deadline exceeded";

impl Client {
    /// A client that has no connection yet.
    pub(crate) fn new(found: &Found, context: Context) -> Result<Self, String> {
        Ok(Self {
            plugin: found.name.clone(),
            endpoint: Endpoint::new(found, context.profile)?,
            pool: Pool::default(),
            context,
        })
    }

    /// Calls `service` and returns the first JSON value of the answer, or of its empty body none.
    ///
    /// Connection errors are retried after 1, 2, 4 and 8 seconds. dockerd reads the body from a
    /// buffer that the first attempt empties as soon as it is written, so **every retry behind
    /// that has an empty body**; only where nobody listened does the body survive.
    ///
    /// # Errors
    /// dockerd's text; an answer other than 200 is an error.
    pub(crate) async fn call(
        &self,
        service: &str,
        mut body: String,
        limit: Option<Duration>,
    ) -> Result<Json, CallError> {
        let clock = self.context.clock;
        let path = format!("/{service}");
        let start = Instant::now();
        let mut retries = 0;
        let answer = loop {
            let deadline = limit.map(|limit| Instant::now() + clock.real(limit));
            match self.follow(&path, &mut body, deadline).await {
                Ok(answer) => break answer,
                Err(text) => {
                    let pause = backoff(retries);
                    if too_late(clock, start, pause) {
                        let unreachable = true;
                        return Err(CallError { unreachable, text });
                    }
                    retries += 1;
                    tracing::warn!(
                        "Unable to connect to plugin: {}{path}: {text}, retrying in {}s",
                        self.endpoint.url_host,
                        pause.as_secs()
                    );
                    clock.sleep(pause).await;
                }
            }
        };
        let Answer { head, body } = answer;
        if head.status == 200 {
            return decode(service, &body);
        }
        Err(CallError::answered(format!(
            "{service}: {}",
            refusal(&body)
        )))
    }

    /// One attempt, redirects included, as Go's `http.Client.Do`.
    ///
    /// # Errors
    /// Go's text, with method and URL.
    async fn follow(
        &self,
        path: &str,
        body: &mut String,
        deadline: Option<Instant>,
    ) -> Result<Answer, String> {
        // Go's `GetBody`: what a redirect sends again. The buffer itself is empty by then.
        let snapshot = body.clone();
        let mut method = "POST";
        let mut path = path.to_owned();
        let mut referer: Option<String> = None;
        for _ in 0..=MAX_REDIRECTS {
            let sent = if method == "POST" {
                snapshot.clone()
            } else {
                String::new()
            };
            let request = Request::new(
                method,
                &path,
                &self.endpoint.host_header,
                referer.as_deref(),
                self.endpoint.accepts_gzip,
                sent,
            );
            let url = self.endpoint.url(&path);
            let answer = self
                .exchange(request, body, deadline)
                .await
                .map_err(|text| url_error(method, &url, &text))?;
            let redirected = match answer.head.status {
                301..=303 => Some("GET"),
                307 | 308 => Some(method),
                _ => None,
            };
            match (redirected, answer.head.header("Location")) {
                (Some(next), Some(location)) if !location.is_empty() => {
                    method = next;
                    path = resolve(&path, location);
                    referer = Some(url);
                }
                _ => return Ok(answer),
            }
        }
        let url = self.endpoint.url(&path);
        let text = format!("stopped after {MAX_REDIRECTS} redirects");
        Err(url_error(method, &url, &text))
    }

    /// One request and its answer, as Go's `http.Transport.RoundTrip`.
    async fn exchange(
        &self,
        request: Request,
        buffer: &mut String,
        deadline: Option<Instant>,
    ) -> Result<Answer, String> {
        let mut recording = self.context.tracer.begin(&self.plugin);
        request.method.clone_into(&mut recording.call.method);
        recording.call.path.clone_from(&request.path);
        recording.call.headers.clone_from(&request.headers);
        recording.call.request.clone_from(&request.body);

        let answered = within(deadline, self.round_trip(&request, buffer)).await;
        let (mut connection, head) = match answered.unwrap_or_else(|| Err(DEADLINE.to_owned())) {
            Ok(answered) => answered,
            Err(text) => {
                recording.call.error = Some(text.clone());
                return Err(text);
            }
        };
        recording.call.status = Some(head.status);
        recording.call.response_headers.clone_from(&head.headers);

        let mut body = Body::default();
        let compressed = self.endpoint.accepts_gzip && gzip::is_compressed(&head);
        let until_value = head.status == 200 && !compressed;
        let read = body.read(&mut connection, &head, until_value);
        if within(deadline, read).await.is_none() {
            body.broken = Some(DEADLINE.to_owned());
        }
        if compressed {
            gzip::unpack(&mut body);
        }
        recording.answered(&body.bytes);
        recording.call.error.clone_from(&body.broken);
        if body.reusable {
            self.pool.put(connection);
        }
        Ok(Answer { head, body })
    }

    /// Sends a request and reads the head of its answer. A connection that turns out to have been
    /// closed before anything was written is replaced without a word, as Go does.
    async fn round_trip(
        &self,
        request: &Request,
        buffer: &mut String,
    ) -> Result<(Connection, Head), String> {
        let bytes = request.bytes();
        loop {
            let mut connection = match self.pool.take() {
                Some(connection) => connection,
                None => self.endpoint.dial(self.context.clock).await?,
            };
            buffer.clear();
            match connection.write(&bytes).await {
                Ok(()) => {}
                Err(error) if error.nothing_written && connection.reused => continue,
                Err(error) => return Err(error.text),
            }
            match Head::read(&mut connection).await {
                Ok(head) => return Ok((connection, head)),
                // Go repeats requests that change nothing.
                Err(error)
                    if error.before_first_byte && connection.reused && request.method == "GET" => {}
                Err(error) => return Err(error.text),
            }
        }
    }
}

/// Runs `future` until `deadline`; `None` if it is not done by then.
async fn within<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// Go's `url.Error`.
fn url_error(method: &str, url: &str, text: &str) -> String {
    let method = if method == "GET" { "Get" } else { "Post" };
    format!("{method} \"{url}\": {text}")
}

/// The path that `location` leads to from `path`. Its host is passed over: over a unix socket it
/// means nothing, and a plugin that sends dockerd elsewhere is not worth following.
fn resolve(path: &str, location: &str) -> String {
    let target = match location.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| rest.split_at(at).1),
        None => location,
    };
    if target.starts_with('/') {
        return target.to_owned();
    }
    let (directory, _) = path.rsplit_once('/').unwrap_or_default();
    format!("{directory}/{target}")
}

/// What an answer other than 200 says: its `Err` if it is JSON and has one, else its text.
fn refusal(body: &Body) -> String {
    if let Some(broken) = &body.broken {
        return broken.clone();
    }
    if let Some(json @ (Json::Object(_) | Json::Null)) = json::decode_whole(&body.bytes) {
        let target = json::Target {
            package: "plugins",
            name: "responseErr",
        };
        let mut reader = json::Reader::new(target);
        let mut said = String::new();
        for (key, value) in reader.fields(json) {
            if key.eq_ignore_ascii_case("Err") {
                reader.string(&mut said, "Err", value);
            }
        }
        if reader.finish().is_ok() && !said.is_empty() {
            return said;
        }
    }
    String::from_utf8_lossy(&body.bytes).into_owned()
}

fn decode(service: &str, body: &Body) -> Result<Json, CallError> {
    json::decode(&body.bytes).map_err(|error| {
        // Where the body broke off, its own error is what Go's decoder came upon.
        let text = match &body.broken {
            Some(broken) if error.ends_with("EOF") => broken.clone(),
            _ => error,
        };
        tracing::error!("{service}: error reading plugin resp: {text}");
        CallError {
            unreachable: text == DEADLINE,
            text,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Body, backoff, refusal, resolve};

    #[test]
    fn pauses_double() {
        let pauses: Vec<_> = (0..4).map(|n| backoff(n).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8]);
        assert_eq!(backoff(9), Duration::from_secs(30));
    }

    #[test]
    fn a_refusal_is_its_err_or_its_text() {
        let said = |text: &str| {
            refusal(&Body {
                bytes: text.into(),
                ..Body::default()
            })
        };
        assert_eq!(said(r#"{"err":"boom"}"#), "boom");
        assert_eq!(said(r#"{"Err":""}"#), r#"{"Err":""}"#);
        assert_eq!(said("404 page not found\n"), "404 page not found\n");
        assert_eq!(said(r#"{"Err":"boom"} x"#), r#"{"Err":"boom"} x"#);
    }

    #[test]
    fn a_location_is_resolved_against_the_path() {
        assert_eq!(resolve("/VolumeDriver.Create", "/x"), "/x");
        assert_eq!(resolve("/VolumeDriver.Create", "x"), "/x");
        assert_eq!(resolve("/a", "http://elsewhere/b?c"), "/b?c");
    }
}
