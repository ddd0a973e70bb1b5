//! Answers, parsed strictly and within limits.

use std::io;
use std::time::Duration;

use thiserror::Error;

/// An answer of the plugin as it stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names and values in the order received.
    pub headers: Vec<(String, String)>,
    /// The decoded body: chunks are joined, nothing else is undone.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of the header `name`, compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Why there is no answer. Each sentence fits behind "the plugin".
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WireError {
    /// No connection could be made.
    #[error("could not be reached: {0}")]
    Connect(#[source] io::Error),
    /// Nothing whole came back in time.
    #[error("gave no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The connection ended before one byte of an answer.
    #[error("closed the connection without an answer")]
    Closed,
    /// The connection ended inside an answer.
    #[error("closed the connection in the middle of an answer, after {0} bytes of it")]
    Truncated(usize),
    /// Reading or writing failed otherwise.
    #[error("broke the connection: {0}")]
    Io(#[source] io::Error),
    /// What came back is not HTTP/1.x.
    #[error("answered what is not HTTP/1.1: {0}")]
    NotHttp(String),
    /// The answer is larger than the limit.
    #[error("answered more than {} MiB", .0 >> 20)]
    TooLarge(usize),
}

impl WireError {
    /// Whether the plugin took the call and then said nothing.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }
}

/// How far an answer has come.
pub(super) enum Parsed {
    /// More bytes are needed.
    Partial,
    /// An answer, and how many bytes of the buffer it took.
    Whole(Response, usize),
}

/// Parses one answer from `buffer`; `ended` tells that no more bytes will come.
pub(super) fn parse(buffer: &[u8], ended: bool) -> Result<Parsed, WireError> {
    let mut slots = [httparse::EMPTY_HEADER; 128];
    let mut head = httparse::Response::new(&mut slots);
    let head_length = match head.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(Parsed::Partial),
        Err(error) => return Err(WireError::NotHttp(format!("{error}: {}", excerpt(buffer)))),
    };
    let status = head.code.unwrap_or_default();
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|h| {
            (
                h.name.to_owned(),
                String::from_utf8_lossy(h.value).into_owned(),
            )
        })
        .collect();
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    let rest = buffer.get(head_length..).unwrap_or_default();

    if (100..200).contains(&status) {
        // An interim answer: the real one follows.
        return Ok(match parse(rest, ended)? {
            Parsed::Partial => Parsed::Partial,
            Parsed::Whole(answer, used) => Parsed::Whole(answer, head_length + used),
        });
    }
    if matches!(status, 204 | 304) {
        return Ok(Parsed::Whole(response, head_length));
    }
    let chunked = response
        .header("Transfer-Encoding")
        .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
    if chunked {
        return Ok(match dechunk(rest)? {
            None => Parsed::Partial,
            Some((body, used)) => {
                response.body = body;
                Parsed::Whole(response, head_length + used)
            }
        });
    }
    if let Some(length) = response.header("Content-Length") {
        let length: usize = length
            .trim()
            .parse()
            .map_err(|_| WireError::NotHttp(format!("Content-Length is `{}`", length.trim())))?;
        return Ok(match rest.get(..length) {
            None => Parsed::Partial,
            Some(body) => {
                response.body = body.to_vec();
                Parsed::Whole(response, head_length + length)
            }
        });
    }
    // Neither length nor chunks: the body goes on until the connection ends.
    if ended {
        response.body = rest.to_vec();
        return Ok(Parsed::Whole(response, buffer.len()));
    }
    Ok(Parsed::Partial)
}

/// Joins the chunks at the start of `bytes`; `None` while the last one has not come.
fn dechunk(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, WireError> {
    let bad = |what: &str| WireError::NotHttp(format!("chunked body: {what}"));
    // Only noted until the last one is there: this runs again with each piece that arrives.
    let mut chunks = Vec::new();
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (line, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(bad("bad chunk size")),
        };
        let size = usize::try_from(size).map_err(|_| bad("chunk size too large"))?;
        let start = at + line;
        if size == 0 {
            // Trailers, if any, end with an empty line.
            let tail = bytes.get(start..).unwrap_or_default();
            let end = if tail.starts_with(b"\r\n") {
                Some(start + 2)
            } else {
                tail.windows(4)
                    .position(|four| four == b"\r\n\r\n")
                    .map(|at| start + at + 4)
            };
            return Ok(end.map(|end| (chunks.concat(), end)));
        }
        let end = start
            .checked_add(size)
            .ok_or_else(|| bad("chunk size too large"))?;
        let Some(chunk) = bytes.get(start..end) else {
            return Ok(None);
        };
        chunks.push(chunk);
        match bytes.get(end..end + 2) {
            None => return Ok(None),
            Some(b"\r\n") => at = end + 2,
            Some(_) => return Err(bad("a chunk does not end where its size says")),
        }
    }
}

/// The first bytes of an answer, fit to be shown in one line.
fn excerpt(bytes: &[u8]) -> String {
    let shown = bytes.get(..bytes.len().min(48)).unwrap_or_default();
    format!("{:?}", String::from_utf8_lossy(shown))
}

#[cfg(test)]
mod tests {
    use super::{Parsed, WireError, parse};

    fn whole(bytes: &[u8], ended: bool) -> (u16, String, usize) {
        match parse(bytes, ended).unwrap() {
            Parsed::Whole(response, used) => (response.status, response.text(), used),
            Parsed::Partial => panic!("partial: {}", String::from_utf8_lossy(bytes)),
        }
    }

    #[test]
    fn content_length_takes_that_many_bytes_and_leaves_the_next_answer() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n";
        assert_eq!(whole(bytes, false), (200, "{}".to_owned(), 40));
    }

    #[test]
    fn chunks_are_joined_and_every_prefix_is_partial() {
        let bytes = b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\n\r\n";
        assert_eq!(
            whole(bytes, false),
            (500, "{\"a\":1}".to_owned(), bytes.len())
        );
        for end in 0..bytes.len() {
            assert!(
                matches!(parse(&bytes[..end], false), Ok(Parsed::Partial)),
                "prefix of {end}"
            );
        }
    }

    #[test]
    fn a_body_without_length_ends_with_the_connection() {
        let bytes = b"HTTP/1.0 200 OK\r\n\r\n{}";
        assert!(matches!(parse(bytes, false), Ok(Parsed::Partial)));
        assert_eq!(whole(bytes, true).1, "{}");
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(whole(bytes, false).0, 200);
    }

    #[test]
    fn what_is_not_http_is_refused() {
        assert!(matches!(
            parse(b"SSH-2.0-OpenSSH\r\n", false),
            Err(WireError::NotHttp(_))
        ));
        let bad = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
        assert!(matches!(parse(bad, false), Err(WireError::NotHttp(_))));
    }
}
