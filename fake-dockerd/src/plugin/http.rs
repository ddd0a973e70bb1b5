//! HTTP/1.1 as Go's client writes and reads it.

use bytes::BytesMut;

use super::connection::Connection;
use crate::json::Completeness;

/// What dockerd accepts, and the only hint at its protocol's version.
const ACCEPT: &str = "application/vnd.docker.plugins.v1.2+json";
/// Go's limit for the headers of an answer.
const MAX_HEAD: usize = 10 << 20;
/// The most headers of an answer; Go has no such limit, but nobody needs more.
const MAX_HEADERS: usize = 256;
/// The longest answer that is read. Go has no limit; a list of 100,000 volumes needs 10 MB.
pub(super) const MAX_BODY: usize = 256 << 20;
/// How many informational answers Go passes over.
const MAX_INFORMATIONAL: usize = 5;

/// A request, as it is written.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// `POST`, or `GET` behind a redirect.
    pub(super) method: &'static str,
    /// Path and query.
    pub(super) path: String,
    /// The headers in the order sent.
    pub(super) headers: Vec<(String, String)>,
    /// The body.
    pub(super) body: String,
}

impl Request {
    /// A request with the headers of dockerd, in its order: Go writes `Host`, `User-Agent` and
    /// `Content-Length` first, then its other headers sorted, then `Accept-Encoding`.
    pub(super) fn new(
        method: &'static str,
        path: &str,
        host: &str,
        referer: Option<&str>,
        gzip: bool,
        body: String,
    ) -> Self {
        let mut headers: Vec<(String, String)> = Vec::with_capacity(6);
        let mut header =
            |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        header("Host", host);
        header("User-Agent", "Go-http-client/1.1");
        if method == "POST" {
            header("Content-Length", &body.len().to_string());
        }
        header("Accept", ACCEPT);
        if let Some(referer) = referer {
            header("Referer", referer);
        }
        if gzip {
            header("Accept-Encoding", "gzip");
        }
        Self {
            method,
            path: path.to_owned(),
            headers,
            body,
        }
    }

    /// The bytes on the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text.into_bytes()
    }
}

/// Status and headers of an answer.
#[derive(Debug)]
pub(super) struct Head {
    /// The status.
    pub(super) status: u16,
    /// The headers, in the order received.
    pub(super) headers: Vec<(String, String)>,
    framing: Framing,
    keep_alive: bool,
}

/// Where an answer's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

/// Why no head could be read.
#[derive(Debug)]
pub(super) struct HeadError {
    /// Whether the connection ended before the first byte.
    pub(super) before_first_byte: bool,
    /// Go's text.
    pub(super) text: String,
}

impl Head {
    /// The first header of that name, whatever its case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Reads the head of an answer.
    pub(super) async fn read(connection: &mut Connection) -> Result<Self, HeadError> {
        let failed = |connection: &Connection, text: String| HeadError {
            before_first_byte: connection.received().is_empty(),
            text,
        };
        let mut informational = 0;
        loop {
            match parse_head(connection.received()) {
                Ok(Some((length, head))) => {
                    connection.take(length);
                    if !(100..200).contains(&head.status) || head.status == 101 {
                        return Ok(head);
                    }
                    informational += 1;
                    if informational > MAX_INFORMATIONAL {
                        let text = broken("net/http: too many 1xx informational responses");
                        return Err(failed(connection, text));
                    }
                    continue;
                }
                Ok(None) if connection.received().len() > MAX_HEAD => {
                    let text = broken(&format!(
                        "net/http: server response headers exceeded {MAX_HEAD} bytes; aborted"
                    ));
                    return Err(failed(connection, text));
                }
                Ok(None) => {}
                Err(text) => return Err(failed(connection, broken(&text))),
            }
            match connection.receive().await {
                Ok(true) => {}
                Ok(false) if connection.received().is_empty() => {
                    return Err(failed(connection, "EOF".to_owned()));
                }
                Ok(false) => return Err(failed(connection, "unexpected EOF".to_owned())),
                Err(text) => return Err(failed(connection, text)),
            }
        }
    }
}

fn broken(text: &str) -> String {
    format!("net/http: HTTP/1.x transport connection broken: {text}")
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

fn parse_head(received: &[u8]) -> Result<Option<(usize, Head)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(received) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => {
            let line = received.split(|&byte| byte == b'\n').next();
            let line = String::from_utf8_lossy(line.unwrap_or_default());
            let line = line.trim_end_matches('\r');
            return Err(match error {
                httparse::Error::Version | httparse::Error::Status => {
                    format!("malformed HTTP response {line:?}")
                }
                httparse::Error::TooManyHeaders => "too many headers".to_owned(),
                _ => format!("malformed MIME header line: {line}"),
            });
        }
    };
    let status = response.code.unwrap_or_default();
    let minor = response.version.unwrap_or_default();
    let headers: Vec<(String, String)> = response
        .headers
        .iter()
        .map(|header| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_owned(), value)
        })
        .collect();

    let chunked = header(&headers, "Transfer-Encoding")
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("chunked"));
    let framing = if matches!(status, 100..=199 | 204 | 304) {
        Framing::Length(0)
    } else if chunked {
        Framing::Chunked
    } else if let Some(length) = header(&headers, "Content-Length") {
        let length = length.trim();
        let parsed = length.parse();
        Framing::Length(parsed.map_err(|_| format!("bad Content-Length {length:?}"))?)
    } else {
        Framing::Close
    };
    let says = |word: &str| {
        header(&headers, "Connection").is_some_and(|value| {
            value
                .split(',')
                .any(|item| item.trim().eq_ignore_ascii_case(word))
        })
    };
    let keep_alive =
        framing != Framing::Close && !says("close") && (minor == 1 || says("keep-alive"));
    let head = Head {
        status,
        headers,
        framing,
        keep_alive,
    };
    Ok(Some((length, head)))
}

/// A body, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// The bytes.
    pub(super) bytes: BytesMut,
    /// Why there are not more of them, as Go words it.
    pub(super) broken: Option<String>,
    /// Whether the connection can serve another call.
    pub(super) reusable: bool,
}

impl Body {
    /// Reads the body of an answer into `self`, so that what came is there even if the reading is
    /// given up.
    ///
    /// Where the answer is to be decoded (`until_value`), an object or array that is closed is
    /// enough: Go's decoder does not wait for bytes that follow it.
    pub(super) async fn read(
        &mut self,
        connection: &mut Connection,
        head: &Head,
        until_value: bool,
    ) {
        let mut value = until_value.then(Completeness::default);
        let result = match head.framing {
            Framing::Length(length) => self.exactly(connection, length, &mut value).await,
            Framing::Chunked => self.chunks(connection, &mut value).await,
            Framing::Close => self.until_closed(connection, &mut value).await,
        };
        match result {
            Ok(whole) => self.reusable = whole && head.keep_alive,
            Err(text) => self.broken = Some(text),
        }
    }

    /// Takes what was received, up to `count`; whether the value is complete.
    fn take(
        &mut self,
        connection: &mut Connection,
        count: usize,
        value: &mut Option<Completeness>,
    ) -> Result<(usize, bool), String> {
        let bytes = connection.take(count);
        if self.bytes.len() + bytes.len() > MAX_BODY {
            return Err(format!("answer of more than {MAX_BODY} bytes"));
        }
        self.bytes.extend_from_slice(&bytes);
        let complete = value.as_mut().is_some_and(|value| value.feed(&bytes));
        Ok((bytes.len(), complete))
    }

    async fn exactly(
        &mut self,
        connection: &mut Connection,
        mut length: usize,
        value: &mut Option<Completeness>,
    ) -> Result<bool, String> {
        while length > 0 {
            if connection.received().is_empty() && !connection.receive().await? {
                return Err("unexpected EOF".to_owned());
            }
            let (taken, complete) = self.take(connection, length, value)?;
            length -= taken;
            if complete && length > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn until_closed(
        &mut self,
        connection: &mut Connection,
        value: &mut Option<Completeness>,
    ) -> Result<bool, String> {
        loop {
            let (_, complete) = self.take(connection, usize::MAX, value)?;
            if complete || !connection.receive().await? {
                return Ok(false);
            }
        }
    }

    async fn chunks(
        &mut self,
        connection: &mut Connection,
        value: &mut Option<Completeness>,
    ) -> Result<bool, String> {
        let mut complete = false;
        loop {
            if complete && connection.received().is_empty() {
                return Ok(false);
            }
            let line = self.line(connection).await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let mut size = usize::from_str_radix(size, 16)
                .map_err(|_| "invalid byte in chunk length".to_owned())?;
            if size == 0 {
                // Trailers, up to an empty line.
                while !self.line(connection).await?.is_empty() {}
                return Ok(true);
            }
            while size > 0 {
                if connection.received().is_empty() && !connection.receive().await? {
                    return Err("unexpected EOF".to_owned());
                }
                let (taken, closed) = self.take(connection, size, value)?;
                size -= taken;
                complete |= closed;
            }
            if !self.line(connection).await?.is_empty() {
                return Err("malformed chunked encoding".to_owned());
            }
        }
    }

    /// A line of the chunked coding, without its end.
    async fn line(&self, connection: &mut Connection) -> Result<String, String> {
        const MAX_LINE: usize = 4096;
        loop {
            let end = connection.received().iter().position(|&byte| byte == b'\n');
            if let Some(end) = end {
                let line = connection.take(end + 1);
                return Ok(String::from_utf8_lossy(&line).trim().to_owned());
            }
            if connection.received().len() > MAX_LINE {
                return Err("header line too long".to_owned());
            }
            if !connection.receive().await? {
                return Err("unexpected EOF".to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Framing, Request, parse_head};

    #[test]
    fn a_request_looks_as_recorded() {
        let request = Request::new(
            "POST",
            "/VolumeDriver.Get",
            "plugin.moby.localhost",
            None,
            false,
            "{\"Name\":\"v1\"}\n".to_owned(),
        );
        assert_eq!(
            String::from_utf8(request.bytes()).unwrap(),
            "POST /VolumeDriver.Get HTTP/1.1\r\nHost: plugin.moby.localhost\r\n\
             User-Agent: Go-http-client/1.1\r\nContent-Length: 14\r\n\
             Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n{\"Name\":\"v1\"}\n"
        );
    }

    #[test]
    fn framing_and_reuse_follow_the_headers() {
        let head = |text: &str| parse_head(text.as_bytes()).unwrap().unwrap().1;
        let plain = head("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n");
        assert_eq!(
            (plain.framing, plain.keep_alive),
            (Framing::Length(3), true)
        );
        let old = head("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n");
        assert!(!old.keep_alive);
        let open = head("HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!((open.framing, open.keep_alive), (Framing::Close, false));
        assert!(
            parse_head(b"SSH-2.0\r\n\r\n")
                .unwrap_err()
                .contains("malformed HTTP response")
        );
    }
}
