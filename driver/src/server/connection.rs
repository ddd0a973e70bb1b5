//! One connection: HTTP/1.1 by hyper, with patience that has an end.
//!
//! hyper's own limit on reading headers also runs while a connection is idle, and dockerd keeps
//! connections for later: a POST that meets a closing connection is repeated with an empty body.
//! So the limit is kept here, around the stream: it runs from the first byte of a request until
//! its headers are complete, and an idle connection may stay for ever.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
    time::{Sleep, sleep},
};

use super::{
    listen::{Incoming, Stream},
    service::Service,
};
use crate::VolumeDriver;

/// Requests of this protocol are small; longer bodies are read in pieces of this size.
const BUFFER_BYTES: usize = 64 << 10;

/// Serves one connection to its end, or to the end of the call in flight when `stopping` says so.
pub(super) async fn serve<D: VolumeDriver>(
    incoming: Incoming,
    service: Service<D>,
    mut stopping: watch::Receiver<bool>,
) {
    let patience = service.limits().header;
    let stream = tokio::select! {
        () = told(&mut stopping) => return,
        ready = tokio::time::timeout(patience, incoming.ready()) => match ready {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a client was turned away");
                return;
            }
            Err(_) => return,
        },
    };
    let phase = Arc::new(Phase::default());
    let patient = Patient {
        stream,
        phase: Arc::clone(&phase),
        header: Stopwatch::new(service.limits().header),
        write: Stopwatch::new(service.limits().stalled_write),
    };
    let respond = service_fn(move |request| {
        let (service, phase) = (service.clone(), Arc::clone(&phase));
        async move {
            let _busy = phase.busy();
            service.respond(request).await
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(patient), respond);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = told(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn told(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// What the connection is at, as far as patience is concerned.
#[derive(Debug, Default)]
struct Phase(AtomicU8);

const IDLE: u8 = 0;
const HEADER: u8 = 1;
const BUSY: u8 = 2;

impl Phase {
    fn is(&self, phase: u8) -> bool {
        self.0.load(Ordering::Relaxed) == phase
    }

    /// A request is being handled, until the result is dropped.
    fn busy(&self) -> impl Drop + '_ {
        struct Busy<'a>(&'a Phase);
        impl Drop for Busy<'_> {
            fn drop(&mut self) {
                self.0.0.store(IDLE, Ordering::Relaxed);
            }
        }
        self.0.store(BUSY, Ordering::Relaxed);
        Busy(self)
    }

    /// Bytes came in: between two requests, they begin the next one.
    fn received(&self) {
        let _ = self
            .0
            .compare_exchange(IDLE, HEADER, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A time limit that starts when it is first asked about, so that it costs nothing until then.
#[derive(Debug)]
struct Stopwatch {
    limit: Duration,
    running: Option<Pin<Box<Sleep>>>,
}

impl Stopwatch {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            running: None,
        }
    }

    fn reset(&mut self) {
        self.running = None;
    }

    /// Pending until the time is over, then an error.
    fn poll<T>(&mut self, context: &mut Context<'_>, waiting_for: &str) -> Poll<io::Result<T>> {
        let limit = self.limit;
        let running = self.running.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(running.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the client was too slow {waiting_for} ({limit:?})"),
        )))
    }
}

/// A stream that gives up on clients that stop in the middle of something.
struct Patient {
    stream: Stream,
    phase: Arc<Phase>,
    header: Stopwatch,
    write: Stopwatch,
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let outcome = Pin::new(&mut this.stream).poll_read(context, buffer);
        if outcome.is_ready() {
            this.phase.received();
            return outcome;
        }
        if this.phase.is(HEADER) {
            return this.header.poll(context, "sending a request");
        }
        this.header.reset();
        Poll::Pending
    }
}

impl Patient {
    fn watch_write<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.write.reset();
            return outcome;
        }
        self.write.poll(context, "reading the answer")
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let outcome = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.watch_write(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.watch_write(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
