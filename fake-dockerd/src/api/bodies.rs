//! Bodies of requests and answers for work that blocks.

use std::io::{self, Read, Write};

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Incoming;
use tokio::sync::mpsc;

/// Chunks on the way between the work and the connection.
const AHEAD: usize = 8;
const CHUNK: usize = 64 << 10;
/// How much of a refused upload is read all the same, as by Go's `net/http`.
const MAX_UNREAD: usize = 256 << 10;

/// A body to write into, and where it comes out.
pub(super) fn outgoing() -> (impl Write + Send + 'static, mpsc::Receiver<Bytes>) {
    let (chunks, body) = mpsc::channel(AHEAD);
    (io::BufWriter::with_capacity(CHUNK, Outgoing(chunks)), body)
}

/// The body of a request to be read, and the end of its coming.
///
/// A client whose request is refused still sends the rest, and only then reads why: the answer
/// waits for that end.
pub(super) fn incoming(
    mut request: Request<Incoming>,
) -> (IncomingBody, impl Future<Output = ()> + Send) {
    let (chunks, body) = mpsc::channel::<io::Result<Bytes>>(AHEAD);
    let reading = tokio::spawn(async move {
        let mut unread = 0;
        while let Some(frame) = request.body_mut().frame().await {
            let chunk = match frame {
                Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
                Err(error) => Err(io::Error::other(error)),
            };
            if let Err(unsent) = chunks.send(chunk).await {
                unread += unsent.0.map_or(MAX_UNREAD, |chunk| chunk.len());
                if unread >= MAX_UNREAD {
                    break;
                }
            }
        }
    });
    let body = IncomingBody {
        chunks: body,
        current: Bytes::new(),
    };
    // It only fails if this server is ending.
    (body, async { drop(reading.await) })
}

struct Outgoing(mpsc::Sender<Bytes>);

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a client sends.
pub(super) struct IncomingBody {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for IncomingBody {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = chunk?,
                None => return Ok(0),
            }
        }
        let length = to.len().min(self.current.len());
        let (to, _) = to.split_at_mut(length);
        self.current.copy_to_slice(to);
        Ok(length)
    }
}
