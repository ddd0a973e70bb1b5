//! A connection that is handed over to the streams of a process, as attach and exec do.
//!
//! Follows moby's `pkg/stdcopy` for the frames: without a terminal, output comes in frames of one
//! byte for the stream, three of nothing, four for the length (the highest first), and the bytes.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::StatusCode;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::api::answer::{self, Response};
use crate::api::ask::{Ask, Version};
use crate::runtime::{Chunk, Output, Streams};

/// A stream as it comes out of a terminal.
const RAW: &str = "application/vnd.docker.raw-stream";
/// A stream in which standard output and error take turns.
const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";
/// From this version on a client is told which of them it gets.
const TELLS_STREAM: Version = Version(1, 42);
/// How much of what is typed is taken at once.
const TYPED: usize = 16 << 10;

/// What a client is attached to.
#[derive(Debug)]
pub(super) struct Session {
    /// What is printed, until it ends.
    pub(super) output: mpsc::Receiver<Chunk>,
    /// Where what is typed goes to, if anywhere.
    pub(super) input: Option<Typing>,
    /// Whether output is passed on as it is.
    pub(super) tty: bool,
}

/// A client that types.
#[derive(Debug)]
pub(super) struct Typing {
    pub(super) streams: Arc<Streams>,
    /// Whether the process's input closes when the client's does.
    pub(super) closes: bool,
}

/// Hands the connection over. Old clients do not ask for an upgrade, and get the rest of an answer
/// that goes on; they cannot type.
pub(super) fn hijack(mut ask: Ask, session: Session) -> Response {
    let content_type = content_type(&ask, session.tty);
    if !ask.request.headers().contains_key(UPGRADE) {
        let (sender, body) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut output = session.output;
            while let Some(chunk) = output.recv().await {
                if sender.send(framed(&chunk, session.tty)).await.is_err() {
                    break;
                }
            }
        });
        return answer::stream(body, content_type);
    }
    let upgrade = hyper::upgrade::on(&mut ask.request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(stream) => follow(TokioIo::new(stream), session).await,
            Err(error) => tracing::debug!("hijack: {error}"),
        }
    });
    let mut response = answer::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

async fn follow(stream: TokioIo<hyper::upgrade::Upgraded>, session: Session) {
    let (mut read, mut write) = tokio::io::split(stream);
    let Session {
        mut output,
        input,
        tty,
    } = session;
    let typing = async {
        type_in(&mut read, input).await;
        // The end of the input is not the end of the output.
        std::future::pending::<()>().await;
    };
    let printing = async {
        while let Some(chunk) = output.recv().await {
            if write.write_all(&framed(&chunk, tty)).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = typing => {}
        () = printing => {}
    }
    // The client may be gone first.
    let _ = write.shutdown().await;
}

/// Passes on what is typed. It is taken also if nobody wants it: a client that cannot write hangs.
async fn type_in(mut from: impl AsyncRead + Unpin, input: Option<Typing>) {
    let mut to = input.as_ref().and_then(|input| input.streams.input());
    let mut buffer = BytesMut::with_capacity(TYPED);
    while let Ok(1..) = from.read_buf(&mut buffer).await {
        let typed = buffer.split().freeze();
        if let Some(sender) = &to
            && sender.send(typed).await.is_err()
        {
            to = None;
        }
        buffer.reserve(TYPED);
    }
    if let Some(input) = input
        && input.closes
    {
        input.streams.close_input();
    }
}

/// A chunk as it is sent.
fn framed(chunk: &Chunk, tty: bool) -> Bytes {
    if tty {
        return chunk.bytes.clone();
    }
    frame(chunk.output, &chunk.bytes)
}

/// Bytes of one of the two streams.
pub(super) fn frame(output: Output, bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(8 + bytes.len());
    frame.put_u8(match output {
        Output::Stdout => 1,
        Output::Stderr => 2,
    });
    frame.put_bytes(0, 3);
    frame.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    frame.put_slice(bytes);
    frame.freeze()
}

/// What a client is told that it gets.
pub(super) fn content_type(ask: &Ask, tty: bool) -> &'static str {
    if tty || ask.version < TELLS_STREAM {
        RAW
    } else {
        MULTIPLEXED
    }
}
