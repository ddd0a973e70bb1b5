//! A blocking client that does next to nothing: prepared bytes out, a whole answer in.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::wire::Address;

/// How long an answer may take before the measurement is given up.
const LIMIT: Duration = Duration::from_secs(20);

/// A kept-alive connection.
pub(super) struct Client {
    stream: Stream,
    buffer: Vec<u8>,
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Client {
    pub(super) fn open(address: &Address) -> io::Result<Self> {
        let stream = match address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(LIMIT))?;
                Stream::Unix(stream)
            }
            Address::Tcp(host) => {
                let stream = TcpStream::connect(host)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(LIMIT))?;
                Stream::Tcp(stream)
            }
            Address::Tls(..) => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "https is not measured",
                ));
            }
        };
        Ok(Self {
            stream,
            buffer: vec![0; 64 * 1024],
        })
    }

    /// One call; anything but 200 is an error.
    pub(super) fn call(&mut self, request: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Unix(stream) => stream.write_all(request)?,
            Stream::Tcp(stream) => stream.write_all(request)?,
        }
        let mut filled = 0;
        loop {
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            let length = match &mut self.stream {
                Stream::Unix(stream) => stream.read(room)?,
                Stream::Tcp(stream) => stream.read(room)?,
            };
            if length == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the plugin hung up",
                ));
            }
            filled += length;
            if let Some(status) = complete(self.buffer.get(..filled).unwrap_or_default())? {
                if status == 200 {
                    return Ok(());
                }
                let body = String::from_utf8_lossy(self.buffer.get(..filled).unwrap_or_default())
                    .into_owned();
                return Err(io::Error::other(format!(
                    "answered {}",
                    body.replace("\r\n", " ")
                )));
            }
        }
    }
}

/// The status of an answer with a Content-Length, once it is whole.
fn complete(bytes: &[u8]) -> io::Result<Option<u16>> {
    let mut slots = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut slots);
    let Ok(httparse::Status::Complete(length)) = head.parse(bytes) else {
        return Ok(None);
    };
    let body = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| {
            std::str::from_utf8(header.value)
                .ok()?
                .trim()
                .parse::<usize>()
                .ok()
        })
        .ok_or_else(|| io::Error::other("an answer without Content-Length"))?;
    Ok((bytes.len() >= length + body).then_some(head.code.unwrap_or_default()))
}
