//! One connection to a plugin.

use std::io;
use std::os::fd::AsRawFd as _;

use bytes::{Bytes, BytesMut};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::errno;

/// How much is received at once, in bytes.
const AT_ONCE: usize = 16 << 10;

/// A byte stream to a plugin.
#[derive(Debug)]
pub(super) enum Stream {
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over TCP.
    Tcp(TcpStream),
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection with what was received and not yet read.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    received: BytesMut,
    /// Both ends, as Go's error texts show them.
    peer: String,
    /// Whether it has served a call before.
    pub(super) reused: bool,
}

/// Why a request could not be written.
#[derive(Debug)]
pub(super) struct WriteError {
    /// Whether the plugin cannot have seen any of it.
    pub(super) nothing_written: bool,
    /// Go's text.
    pub(super) text: String,
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: String) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            peer,
            reused: false,
        }
    }

    /// Whether an idle connection can take another call: the plugin has not hung up, and sent
    /// nothing unasked.
    ///
    /// Asks the system and not tokio, which learns of a hang-up only when its event loop next
    /// turns; Go's transport has a goroutine that waits for it.
    pub(super) fn is_quiet(&self) -> bool {
        let fd = match &self.stream {
            Stream::Unix(stream) => stream.as_raw_fd(),
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Tls(stream) => stream.get_ref().0.as_raw_fd(),
        };
        let peeked = recv(fd, &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT);
        self.received.is_empty() && peeked == Err(Errno::EAGAIN)
    }

    /// Writes a whole request.
    pub(super) async fn write(&mut self, request: &[u8]) -> Result<(), WriteError> {
        let mut written = 0;
        let failed = |written: usize, error: &io::Error, peer: &str| WriteError {
            nothing_written: written == 0,
            text: format!("write {peer}: write: {}", errno::text(error)),
        };
        while let Some(rest) = request.get(written..).filter(|rest| !rest.is_empty()) {
            let result = match &mut self.stream {
                Stream::Unix(stream) => stream.write(rest).await,
                Stream::Tcp(stream) => stream.write(rest).await,
                Stream::Tls(stream) => stream.write(rest).await,
            };
            match result {
                Ok(count) => written += count,
                Err(error) => return Err(failed(written, &error, &self.peer)),
            }
        }
        if let Stream::Tls(stream) = &mut self.stream {
            let flushed = stream.flush().await;
            flushed.map_err(|error| failed(written, &error, &self.peer))?;
        }
        Ok(())
    }

    /// What was received and not yet taken.
    pub(super) fn received(&self) -> &[u8] {
        &self.received
    }

    /// Takes up to `count` of the received bytes.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        let count = count.min(self.received.len());
        self.received.split_to(count).freeze()
    }

    /// Receives more; `false` at the end of the stream.
    ///
    /// # Errors
    /// Go's text.
    pub(super) async fn receive(&mut self) -> Result<bool, String> {
        self.received.reserve(AT_ONCE);
        let result = match &mut self.stream {
            Stream::Unix(stream) => stream.read_buf(&mut self.received).await,
            Stream::Tcp(stream) => stream.read_buf(&mut self.received).await,
            Stream::Tls(stream) => stream.read_buf(&mut self.received).await,
        };
        match result {
            Ok(count) => Ok(count > 0),
            // A TLS peer that closes the connection without saying so.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(format!("read {}: read: {}", self.peer, errno::text(&error))),
        }
    }
}
