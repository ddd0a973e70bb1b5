//! A blocking HTTP client that does next to nothing, on one kept-alive connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

pub(crate) struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// None while nobody listens.
    pub(crate) fn open(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        Some(Self {
            stream: BufReader::new(stream),
        })
    }

    /// A request and its answer's body; panics at an error status.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: &str) -> Vec<u8> {
        self.send(method, &format!("/v1.41{path}"), body);
        self.receive()
            .unwrap_or_else(|why| panic!("{method} {path}: {why}"))
    }

    /// Sends a request with the path as it is.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes()).unwrap();
    }

    /// Status and headers, which a wait sends long before its body.
    pub(crate) fn head(&mut self) -> (u16, Length) {
        let status = self.line();
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = Length::Bytes(0);
        loop {
            let line = self.line().to_lowercase();
            if line.is_empty() {
                return (status, length);
            }
            if let Some(bytes) = line.strip_prefix("content-length: ") {
                length = Length::Bytes(bytes.parse().unwrap());
            } else if line == "transfer-encoding: chunked" {
                length = Length::Chunks;
            }
        }
    }

    pub(crate) fn body(&mut self, length: Length) -> Vec<u8> {
        let mut body = Vec::new();
        match length {
            Length::Bytes(bytes) => self.read(bytes, &mut body),
            Length::Chunks => loop {
                let size = usize::from_str_radix(&self.line(), 16).unwrap();
                self.read(size, &mut body);
                self.line();
                if size == 0 {
                    break;
                }
            },
        }
        body
    }

    pub(crate) fn receive(&mut self) -> Result<Vec<u8>, String> {
        let (status, length) = self.head();
        let body = self.body(length);
        if status < 300 {
            Ok(body)
        } else {
            Err(format!("{status} {}", String::from_utf8_lossy(&body)))
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn read(&mut self, bytes: usize, body: &mut Vec<u8>) {
        let before = body.len();
        body.resize(before + bytes, 0);
        self.stream.read_exact(&mut body[before..]).unwrap();
    }
}

/// How the length of a body is told.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    Bytes(usize),
    Chunks,
}
