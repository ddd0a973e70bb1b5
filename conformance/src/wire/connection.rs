//! One connection to a plugin: bytes out, answers in, both within a time limit.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::response::{Parsed, parse};
use super::stream::Stream;
use super::{Address, Request, Response, WireError};

/// The largest answer that is read. A List of 100,000 volumes stays below it.
const MAX_ANSWER: usize = 64 << 20;

/// An open connection. What was read beyond one answer is kept for the next.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    ended: bool,
    last_said: bool,
    answers: usize,
}

/// What became of a request.
pub type Sent = Result<Response, WireError>;

impl Connection {
    /// Connects within `limit`.
    ///
    /// # Errors
    /// [`WireError::Connect`], or [`WireError::Timeout`] if nobody accepted.
    pub async fn open(address: &Address, limit: Duration) -> Result<Self, WireError> {
        let stream = tokio::time::timeout(limit, patiently(address))
            .await
            .map_err(|_| WireError::Timeout(limit))?
            .map_err(WireError::Connect)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
            ended: false,
            last_said: false,
            answers: 0,
        })
    }

    /// How many answers this connection has brought.
    #[must_use]
    pub const fn answers(&self) -> usize {
        self.answers
    }

    /// Whether the plugin has ended the connection as far as is known.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Whether the last answer said that no other will follow on this connection: `Connection:
    /// close`, HTTP/1.0 without `keep-alive`, or a body that only the end of the connection ends.
    #[must_use]
    pub const fn last_said(&self) -> bool {
        self.last_said
    }

    /// Writes `bytes` as they are.
    ///
    /// # Errors
    /// [`WireError::Io`] when the plugin has gone away, [`WireError::Timeout`] when it does not
    /// read for `limit`.
    pub async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<(), WireError> {
        let write = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match tokio::time::timeout(limit, write).await {
            Ok(done) => done.map_err(WireError::Io),
            Err(_) => Err(WireError::Timeout(limit)),
        }
    }

    /// Tells the plugin that nothing more will come, and keeps reading.
    ///
    /// # Errors
    /// [`WireError::Io`] when the connection is gone.
    pub async fn half_close(&mut self) -> Result<(), WireError> {
        self.stream.shutdown().await.map_err(WireError::Io)
    }

    /// Reads one answer within `limit`.
    ///
    /// # Errors
    /// Every [`WireError`] but [`WireError::Connect`].
    pub async fn read(&mut self, limit: Duration) -> Sent {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(response) = self.take()? {
                return Ok(response);
            }
            if self.ended {
                return Err(match self.buffer.len() {
                    0 => WireError::Closed,
                    some => WireError::Truncated(some),
                });
            }
            if self.buffer.len() > MAX_ANSWER {
                return Err(WireError::TooLarge(MAX_ANSWER));
            }
            self.fill(deadline, limit).await?;
        }
    }

    /// Writes a request and reads its answer, both within `limit`.
    ///
    /// An early answer (a plugin that refuses before it has read all) counts as the answer.
    ///
    /// # Errors
    /// As [`write`](Self::write) and [`read`](Self::read).
    pub async fn send(&mut self, request: &Request, limit: Duration) -> Sent {
        match self.write(&request.bytes(), limit).await {
            Ok(()) => self.read(limit).await,
            Err(WireError::Io(error)) => match self.read(limit).await {
                Err(WireError::Closed | WireError::Io(_)) if self.answers > 0 => {
                    Err(WireError::Closed)
                }
                Err(WireError::Closed | WireError::Io(_)) => Err(WireError::Io(error)),
                answer => answer,
            },
            Err(error) => Err(error),
        }
    }

    /// Waits up to `limit` for the plugin to close the connection; `true` if it did.
    pub async fn closes_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while !self.ended {
            if self.fill(deadline, limit).await.is_err() {
                break;
            }
        }
        self.ended
    }

    fn take(&mut self) -> Result<Option<Response>, WireError> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        Ok(match parse(&self.buffer, self.ended)? {
            Parsed::Partial => None,
            Parsed::Whole(response, used) => {
                self.last_said = self.ended || says_last(&self.buffer, &response);
                self.buffer.drain(..used);
                self.answers += 1;
                Some(response)
            }
        })
    }

    async fn fill(&mut self, deadline: Instant, limit: Duration) -> Result<(), WireError> {
        // Room for one read; a flooding plugin is stopped by MAX_ANSWER.
        self.buffer.reserve(65_536);
        match timeout_at(deadline, self.stream.read_buf(&mut self.buffer)).await {
            Err(_) => Err(WireError::Timeout(limit)),
            Ok(Ok(0)) => {
                self.ended = true;
                Ok(())
            }
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                self.ended = true;
                Ok(())
            }
            Ok(Err(error)) => Err(WireError::Io(error)),
        }
    }
}

/// Opens a stream. Where the queue of a unix socket is full, the kernel refuses at once whoever does
/// not want to block: the queue is waited for, as blocking clients do.
async fn patiently(address: &Address) -> io::Result<Stream> {
    loop {
        match address.open().await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            opened => return opened,
        }
    }
}

/// Whether an answer that starts `bytes` says that the connection ends with it.
fn says_last(bytes: &[u8], response: &Response) -> bool {
    let connection = response.header("Connection").unwrap_or_default();
    let says = |word: &str| {
        connection
            .split(',')
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    says("close") || (bytes.starts_with(b"HTTP/1.0") && !says("keep-alive"))
}
