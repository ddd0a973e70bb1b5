//! From the bytes of a connection to calls.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use super::format::{Call, SentResponse};
use super::mask::Mask;
use super::message::{Head, Item, Reader, Start};

/// Something that was recorded. Times are in seconds since the recording began.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// A call and its answer, when both are over.
    Call(Box<Call>),
    /// A connection that opened or closed, or bytes that are no call.
    Event(Value),
}

/// What the conversations of a recording share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) plugin: String,
    pub(super) begun: Instant,
    pub(super) mask: Arc<Mutex<Mask>>,
    pub(super) seq: Arc<AtomicU64>,
    pub(super) seen: Sender<Seen>,
}

/// Who does something to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Engine,
    Plugin,
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::Engine => "daemon",
            Self::Plugin => "plugin",
        }
    }
}

/// Finds the calls of one connection in copies of what passed.
#[derive(Debug)]
pub struct Conversation {
    shared: Shared,
    conn: u64,
    count: u64,
    requests: Reader,
    responses: Reader,
    /// Requests without a whole answer, the first asked first. The last one may still come in.
    waiting: VecDeque<Waiting>,
    /// The head of the answer that is coming in.
    answer: Option<Head>,
}

#[derive(Debug)]
struct Waiting {
    seq: u64,
    conn_req: u64,
    t: f64,
    head: Head,
    /// None while it comes in.
    body: Option<String>,
}

impl Conversation {
    pub(super) fn open(shared: Shared, conn: u64) -> Self {
        let conversation = Self {
            shared,
            conn,
            count: 0,
            requests: Reader::requests(),
            responses: Reader::responses(),
            waiting: VecDeque::new(),
            answer: None,
        };
        conversation.event("conn-open", json!({}));
        conversation
    }

    /// The engine sent `bytes`.
    pub(super) fn engine_sent(&mut self, bytes: &[u8]) {
        self.requests.feed(bytes);
        while let Some(item) = self.requests.next(false) {
            match item {
                Item::Head(head) => {
                    self.count += 1;
                    self.waiting.push_back(Waiting {
                        seq: self.shared.seq.fetch_add(1, Ordering::Relaxed),
                        conn_req: self.count,
                        t: self.now(),
                        head,
                        body: None,
                    });
                }
                Item::Whole => self.request_is_whole(),
                Item::Lost => self.event("not-http", json!({"from": Side::Engine.name()})),
            }
        }
    }

    fn request_is_whole(&mut self) {
        // Masked as soon as it is there: the answer may repeat a secret of it.
        let body = self.requests.take_body();
        let body = self.mask().body(body);
        if let Some(last) = self.waiting.back_mut() {
            last.body = Some(body);
        }
    }

    /// The plugin sent `bytes`.
    pub(super) fn plugin_sent(&mut self, bytes: &[u8]) {
        self.responses.feed(bytes);
        loop {
            let asked = self.waiting.front();
            let bodiless = asked.is_some_and(|asked| asked.head.is_head_request());
            let Some(item) = self.responses.next(bodiless) else {
                return;
            };
            match item {
                Item::Head(head) => self.answer = Some(head),
                Item::Whole => self.answer_is_whole(),
                Item::Lost => self.event("not-http", json!({"from": Side::Plugin.name()})),
            }
        }
    }

    fn answer_is_whole(&mut self) {
        let body = self.responses.take_body();
        let Some(head) = self.answer.take() else {
            return;
        };
        if head.is_interim() {
            return;
        }
        let body = self.mask().body(body);
        let mut response = head.response(body);
        response.headers = self.mask().headers(response.headers);
        match self.waiting.pop_front() {
            Some(asked) => self.call(asked, response),
            None => self.event("unasked", json!({"status": response.status})),
        }
    }

    /// The connection is over; `by` hung up.
    pub(super) fn close(mut self, by: Side) {
        if by == Side::Plugin && self.responses.ends_whole() {
            self.answer_is_whole();
            self.responses = Reader::responses();
        }
        for (side, reader) in [
            (Side::Engine, &self.requests),
            (Side::Plugin, &self.responses),
        ] {
            if !reader.is_between() && !reader.is_lost() {
                // No more than how much: half a body may hold half a secret.
                let cut = json!({"from": side.name(), "bytes": reader.pending()});
                self.event("cut", cut);
            }
        }
        while let Some(asked) = self.waiting.pop_front() {
            let held = self.now() - asked.t;
            let (seq, engine) = (asked.seq, by == Side::Engine);
            let response = SentResponse {
                closed: !engine,
                hang: engine,
                ..SentResponse::default()
            };
            self.call(asked, response);
            if engine {
                let end = json!({"seq": seq, "held_s": rounded(held), "eof": true});
                self.event("hang-end", end);
            }
        }
        self.event("conn-close", json!({"by": by.name(), "nreq": self.count}));
    }

    /// The plugin could not be reached for this connection, which was closed at once.
    pub(super) fn refused(self, why: &str) {
        self.event("refused", json!({"why": why}));
        self.event("conn-close", json!({"by": Side::Plugin.name(), "nreq": 0}));
    }

    fn call(&mut self, asked: Waiting, response: SentResponse) {
        let took = self.now() - asked.t;
        let Start::Request { method, path } = asked.head.start.clone() else {
            return;
        };
        let whole = asked.body.is_some();
        if !whole {
            self.event("request-not-whole", json!({"seq": asked.seq}));
        }
        let version = asked.head.version.clone();
        let mut request = asked.head.request(asked.body.unwrap_or_default());
        let path = {
            let mask = self.mask();
            request.headers = mask.headers(request.headers);
            // Another call may have told a secret since.
            request.body = mask.known(request.body);
            mask.known(path)
        };
        let call = Call {
            plugin: self.shared.plugin.clone(),
            seq: asked.seq,
            conn: self.conn,
            conn_req: asked.conn_req,
            t: rounded(asked.t),
            took: Some(rounded(took)),
            method,
            path,
            http_version: version,
            request,
            response,
            fault: Value::Null,
        };
        let _ = self.shared.seen.send(Seen::Call(Box::new(call)));
    }

    fn event(&self, what: &str, more: Value) {
        let mut event = json!({"ev": what, "conn": self.conn});
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
            event.insert("plugin".to_owned(), self.shared.plugin.clone().into());
            event.insert("t".to_owned(), rounded(self.now()).into());
        }
        // Nobody listens any more when the recording has ended.
        let _ = self.shared.seen.send(Seen::Event(event));
    }

    fn now(&self) -> f64 {
        self.shared.begun.elapsed().as_secs_f64()
    }

    fn mask(&self) -> MutexGuard<'_, Mask> {
        let mask = &self.shared.mask;
        mask.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Head {
    fn is_head_request(&self) -> bool {
        matches!(&self.start, Start::Request { method, .. } if method == "HEAD")
    }

    /// `100 Continue` and the like, which another answer follows.
    const fn is_interim(&self) -> bool {
        matches!(
            self.start,
            Start::Response {
                status: 100..=199,
                ..
            }
        )
    }
}

/// To microseconds: more is noise.
pub(super) fn rounded(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    enum Do {
        Engine(&'static [u8]),
        Plugin(&'static [u8]),
    }
    use Do::{Engine, Plugin};

    /// What is recorded of a connection, byte by byte or as a whole.
    fn recorded(what: &[Do], by: Side, step: usize) -> Vec<Seen> {
        let (seen, all) = mpsc::channel();
        let shared = Shared {
            plugin: "p".to_owned(),
            begun: Instant::now(),
            mask: Arc::default(),
            seq: Arc::default(),
            seen,
        };
        let mut conversation = Conversation::open(shared, 1);
        for part in what {
            match part {
                Engine(bytes) => bytes
                    .chunks(step)
                    .for_each(|part| conversation.engine_sent(part)),
                Plugin(bytes) => bytes
                    .chunks(step)
                    .for_each(|part| conversation.plugin_sent(part)),
            }
        }
        conversation.close(by);
        all.into_iter().collect()
    }

    /// Calls as `path body -> status body`, events by their names.
    fn told(seen: &[Seen]) -> Vec<String> {
        let call = |call: &Call| {
            let SentResponse {
                status,
                body,
                closed,
                hang,
                ..
            } = &call.response;
            let answer = match (status, closed, hang) {
                (Some(status), ..) => format!("{status} {}", body.as_deref().unwrap_or_default()),
                (_, true, _) => "closed".to_owned(),
                (_, _, true) => "hang".to_owned(),
                _ => "nothing".to_owned(),
            };
            format!(
                "{}.{} {} {} -> {answer}",
                call.seq, call.conn_req, call.path, call.request.body
            )
        };
        seen.iter()
            .map(|seen| match seen {
                Seen::Call(found) => call(found),
                Seen::Event(event) => event["ev"].as_str().unwrap().to_owned(),
            })
            .collect()
    }

    #[track_caller]
    fn assert_told(what: &[Do], by: Side, expected: &[&str]) {
        for step in [1, 7, usize::MAX] {
            let mut all = vec!["conn-open"];
            all.extend(expected);
            all.push("conn-close");
            assert_eq!(told(&recorded(what, by, step)), all, "in steps of {step}");
        }
    }

    #[test]
    fn calls_over_one_connection_are_found_also_when_pipelined() {
        assert_told(
            &[
                Engine(b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nT: x\r\n\r\n"),
                Plugin(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\noneHTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"),
                Engine(b"HEAD /c HTTP/1.1\r\n\r\n"),
                Plugin(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n"),
            ],
            Side::Engine,
            &["0.1 /a {} -> 200 one", "1.2 /b abc -> 500 two", "2.3 /c  -> 200 "],
        );
    }

    #[test]
    fn an_answer_that_ends_with_the_connection_is_whole() {
        assert_told(
            &[
                Engine(b"POST /a HTTP/1.0\r\n\r\n"),
                Plugin(b"HTTP/1.0 200 OK\r\n\r\nall of it"),
            ],
            Side::Plugin,
            &["0.1 /a  -> 200 all of it"],
        );
    }

    #[test]
    fn what_breaks_off_is_told_as_such() {
        let asked = || Engine(b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
        let half = || Plugin(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        assert_told(&[asked()], Side::Plugin, &["0.1 /a {} -> closed"]);
        assert_told(&[asked()], Side::Engine, &["0.1 /a {} -> hang", "hang-end"]);
        assert_told(
            &[asked(), half()],
            Side::Plugin,
            &["cut", "0.1 /a {} -> closed"],
        );
        assert_told(
            &[Engine(b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n{}")],
            Side::Engine,
            &["cut", "request-not-whole", "0.1 /a  -> hang", "hang-end"],
        );
    }

    #[test]
    fn an_answer_before_the_whole_request_is_one() {
        assert_told(
            &[
                Engine(b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n{}"),
                Plugin(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
            ],
            Side::Plugin,
            &["request-not-whole", "0.1 /a  -> 413 ", "cut"],
        );
    }

    #[test]
    fn garbage_is_noted_once() {
        let garbage = b"\x16\x03\x01 not http at all\r\n\r\nPOST /a HTTP/1.1\r\n\r\n";
        assert_told(
            &[Engine(garbage), Plugin(b"nor this\r\n\r\n")],
            Side::Engine,
            &["not-http", "not-http"],
        );
        assert_told(&[], Side::Engine, &[]);
        assert_told(
            &[Plugin(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")],
            Side::Plugin,
            &["unasked"],
        );
    }

    #[test]
    fn a_secret_of_the_request_is_not_told_by_the_answer() {
        let what = [
            Engine(b"POST /c HTTP/1.1\r\nContent-Length: 31\r\n\r\n{\"Opts\":{\"password\":\"hunter2\"}}"),
            Plugin(b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\nX: hunter2\r\n\r\n{\"Err\":\"not hunter2...\"}"),
        ];
        let what = what.map(|part| match part {
            Engine(bytes) => Engine(bytes),
            Plugin(bytes) => Plugin(bytes),
        });
        let seen = recorded(&what, Side::Engine, usize::MAX);
        assert!(!format!("{seen:?}").contains("hunter2"), "{seen:?}");
    }
}
