//! Connections, and their end.

use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Api;
use super::listen::{Listener, Stream};
use crate::daemon::Daemon;

/// How long clients are waited for once the daemon has stopped.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// The pause behind an `accept` that failed: mostly there are too many open files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Serves the Engine API of `daemon` until `stop` is ready; then the daemon is stopped as on
/// SIGTERM while the requests under way, such as `docker wait`, still get their answers.
pub async fn serve(
    daemon: Daemon,
    data_root: &Path,
    listeners: Vec<Listener>,
    stop: impl Future<Output = ()>,
) {
    let api = Arc::new(Api::new(daemon.clone(), data_root));
    let (ending, end) = watch::channel(false);
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(Arc::clone(&api), listener, end.clone()));
    }
    stop.await;
    daemon.shutdown().await;
    ending.send_replace(true);
    let all = async { while accepting.join_next().await.is_some() {} };
    // What is left then is a client that does not read.
    let _ = tokio::time::timeout(LAST_ANSWERS, all).await;
}

/// Takes connections from one socket, and ends with the last of them.
async fn accept(api: Arc<Api>, listener: Listener, mut end: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = ended(&mut end) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    connections.spawn(connection(Arc::clone(&api), stream, end.clone()));
                }
                Err(error) => {
                    tracing::warn!("accept: {error}");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(api: Arc<Api>, stream: Box<dyn Stream>, mut end: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(api.answer(request).await) }
    });
    let serving = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => Some(served),
        () = ended(&mut end) => None,
    };
    let served = match served {
        Some(served) => served,
        None => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!("connection: {error}");
    }
}

async fn ended(end: &mut watch::Receiver<bool>) {
    // Where the sender is gone, so is the server.
    let _ = end.wait_for(|end| *end).await;
}
