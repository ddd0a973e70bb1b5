//! Finds HTTP messages in one direction of a connection, without ever objecting.

use crate::recording::format::{SentRequest, SentResponse};

/// How much of a body is kept; longer ones are cut, and marked.
const KEPT: usize = 4 << 20;

/// A longer head, or a chunk that says it is longer, is no head and no chunk.
const LONGEST_HEAD: usize = 1 << 20;

/// The start line and the headers of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The method of a request; of an answer the status.
    pub(super) start: Start,
    pub(super) version: String,
    pub(super) headers: Vec<(String, String)>,
}

/// What a message begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    Request { method: String, path: String },
    Response { status: u16, reason: String },
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Head(Head),
    /// The body is whole.
    Whole,
    /// What comes now, and all that follows, is no HTTP.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Length(usize),
    Chunks,
    /// Within a chunk of which so much is left.
    Chunk(usize),
    Trailers,
    UntilClose,
    Lost,
}

/// Reads one direction of a connection.
#[derive(Debug)]
pub(super) struct Reader {
    requests: bool,
    state: State,
    buffer: Vec<u8>,
    body: Vec<u8>,
    cut: bool,
}

impl Reader {
    pub(super) const fn requests() -> Self {
        Self::new(true)
    }

    pub(super) const fn responses() -> Self {
        Self::new(false)
    }

    const fn new(requests: bool) -> Self {
        Self {
            requests,
            state: State::Head,
            buffer: Vec::new(),
            body: Vec::new(),
            cut: false,
        }
    }

    /// Whether nothing of a message has come that is not whole.
    pub(super) fn is_between(&self) -> bool {
        self.state == State::Head && self.buffer.is_empty()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    /// How many bytes of a message have come that is not whole.
    pub(super) fn pending(&self) -> usize {
        self.buffer.len() + self.body.len()
    }

    /// The body so far, as text.
    pub(super) fn take_body(&mut self) -> String {
        let mut body = String::from_utf8_lossy(&std::mem::take(&mut self.body)).into_owned();
        if std::mem::take(&mut self.cut) {
            body += "… (cut)";
        }
        body
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.state != State::Lost {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The connection has ended: whether that makes the message whole.
    pub(super) fn ends_whole(&self) -> bool {
        self.state == State::UntilClose
    }

    /// The next thing that the bytes so far hold. `bodiless` tells whether the answer that comes
    /// next is one to a HEAD request.
    pub(super) fn next(&mut self, bodiless: bool) -> Option<Item> {
        loop {
            match self.state {
                State::Lost => return None,
                State::Head => return self.head(bodiless),
                State::Length(0) => {
                    self.state = State::Head;
                    return Some(Item::Whole);
                }
                State::Length(left) => {
                    let took = self.take(left);
                    self.state = State::Length(left - took);
                    if took == 0 {
                        return None;
                    }
                }
                State::UntilClose => {
                    self.take(usize::MAX);
                    return None;
                }
                State::Chunks => match httparse::parse_chunk_size(&self.buffer) {
                    Ok(httparse::Status::Complete((used, size))) => {
                        self.buffer.drain(..used);
                        self.state = match usize::try_from(size) {
                            Ok(0) => State::Trailers,
                            Ok(size) => State::Chunk(size),
                            Err(_) => return Some(self.lose()),
                        };
                    }
                    Ok(httparse::Status::Partial) if self.buffer.len() < LONGEST_HEAD => {
                        return None;
                    }
                    Ok(httparse::Status::Partial) | Err(_) => return Some(self.lose()),
                },
                State::Chunk(0) => match self.line()? {
                    0 => self.state = State::Chunks,
                    _ => return Some(self.lose()),
                },
                State::Chunk(left) => {
                    let took = self.take(left);
                    self.state = State::Chunk(left - took);
                    if took == 0 {
                        return None;
                    }
                }
                State::Trailers => {
                    if self.line()? == 0 {
                        self.state = State::Head;
                        return Some(Item::Whole);
                    }
                }
            }
        }
    }

    /// Moves up to `most` bytes into the body, and says how many.
    fn take(&mut self, most: usize) -> usize {
        let count = self.buffer.len().min(most);
        let room = KEPT.saturating_sub(self.body.len());
        let kept = self.buffer.drain(..count).take(room);
        self.body.extend(kept);
        self.cut |= count > room;
        count
    }

    /// Takes a line off, and says how long it was without its end.
    fn line(&mut self) -> Option<usize> {
        let end = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        Some(line.strip_suffix(b"\r\n").map_or(end, <[u8]>::len))
    }

    fn lose(&mut self) -> Item {
        self.state = State::Lost;
        self.buffer = Vec::new();
        Item::Lost
    }

    fn head(&mut self, bodiless: bool) -> Option<Item> {
        if self.buffer.is_empty() {
            return None;
        }
        let parsed = if self.requests {
            request(&self.buffer)
        } else {
            response(&self.buffer)
        };
        match parsed {
            Ok(Some((head, used))) => {
                self.buffer.drain(..used);
                self.body.clear();
                match framing(&head, bodiless) {
                    Some(state) => self.state = state,
                    // From here on it is another protocol.
                    None => self.state = State::Lost,
                }
                Some(Item::Head(head))
            }
            Ok(None) if self.buffer.len() < LONGEST_HEAD => None,
            Ok(None) | Err(_) => Some(self.lose()),
        }
    }
}

type Parsed = Result<Option<(Head, usize)>, httparse::Error>;

fn version(minor: Option<u8>) -> String {
    format!("HTTP/1.{}", minor.unwrap_or(1))
}

fn headers(parsed: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    parsed
        .iter()
        .map(|header| (header.name.to_owned(), text(header.value)))
        .collect()
}

fn request(bytes: &[u8]) -> Parsed {
    let mut space = [httparse::EMPTY_HEADER; 256];
    let mut parsed = httparse::Request::new(&mut space);
    let httparse::Status::Complete(used) = parsed.parse(bytes)? else {
        return Ok(None);
    };
    let start = Start::Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: parsed.path.unwrap_or_default().to_owned(),
    };
    let head = Head {
        start,
        version: version(parsed.version),
        headers: headers(parsed.headers),
    };
    Ok(Some((head, used)))
}

fn response(bytes: &[u8]) -> Parsed {
    let mut space = [httparse::EMPTY_HEADER; 256];
    let mut parsed = httparse::Response::new(&mut space);
    let httparse::Status::Complete(used) = parsed.parse(bytes)? else {
        return Ok(None);
    };
    let start = Start::Response {
        status: parsed.code.unwrap_or_default(),
        reason: parsed.reason.unwrap_or_default().to_owned(),
    };
    let head = Head {
        start,
        version: version(parsed.version),
        headers: headers(parsed.headers),
    };
    Ok(Some((head, used)))
}

/// How the body ends (RFC 9112, section 6.3); none where the protocol is left.
fn framing(head: &Head, bodiless: bool) -> Option<State> {
    let value = |name: &str| {
        let mut found = head.headers.iter().rev();
        let found = found.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    let status = match head.start {
        Start::Response { status: 101, .. } => return None,
        Start::Response { status, .. } => Some(status),
        Start::Request { .. } => None,
    };
    if bodiless || matches!(status, Some(100..=199 | 204 | 304)) {
        return Some(State::Length(0));
    }
    if value("Transfer-Encoding").is_some_and(|coding| coding.ends_with("chunked")) {
        return Some(State::Chunks);
    }
    let length = value("Content-Length").and_then(|length| length.parse().ok());
    Some(match (length, status) {
        (Some(length), _) => State::Length(length),
        (None, Some(_)) => State::UntilClose,
        (None, None) => State::Length(0),
    })
}

impl Head {
    /// As the request of a call; the body comes later.
    pub(super) fn request(self, body: String) -> SentRequest {
        SentRequest {
            headers: self.headers,
            body,
        }
    }

    /// As the answer of a call.
    pub(super) fn response(self, body: String) -> SentResponse {
        let (status, reason) = match self.start {
            Start::Response { status, reason } => (Some(status), Some(reason)),
            Start::Request { .. } => (None, None),
        };
        SentResponse {
            status,
            reason,
            headers: self.headers,
            body: Some(body),
            ..SentResponse::default()
        }
    }
}
