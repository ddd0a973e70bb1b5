//! What a client follows: attach, logs and wait.
//!
//! A simulated process prints nothing, so that an attached stream is silent and ends with the
//! process; `docker run` waits for that end and for the answer of wait.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use crate::api::Api;
use crate::api::answer::{self, Response};
use crate::api::ask::{Ask, Version};
use crate::api::errors::Answer;
use crate::containers::{ContainerInfo, WaitCondition};
use crate::error::Error;

/// A stream as it comes out of a terminal.
const RAW: &str = "application/vnd.docker.raw-stream";
/// A stream in which standard output and error take turns.
const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";
/// From this version on a client is told which of them it gets.
const TELLS_STREAM: Version = Version(1, 42);

/// `POST /containers/{name}/wait`. The answer begins at once, so that the client knows that the
/// wait has begun before it starts the container.
pub(in crate::api) fn wait(api: &Api, ask: &Ask, name: &str) -> Answer {
    let condition = match ask.value("condition") {
        "" | "not-running" => WaitCondition::NotRunning,
        "next-exit" => WaitCondition::NextExit,
        "removed" => WaitCondition::Removed,
        other => return Err(Error::invalid(format!("invalid condition: {other:?}")).into()),
    };
    let end = api.daemon.container_wait(name, condition)?;
    let (sender, body) = mpsc::channel(1);
    tokio::spawn(async move {
        let end = tokio::select! {
            end = end => end,
            () = sender.closed() => return,
        };
        let mut value = json!({ "StatusCode": end.exit_code });
        if !end.error.is_empty()
            && let Some(fields) = value.as_object_mut()
        {
            fields.insert("Error".to_owned(), json!({ "Message": end.error }));
        }
        // A client that is gone does not want to know.
        let _ = sender.send(Bytes::from(format!("{value}\n"))).await;
    });
    Ok(answer::stream(body, "application/json"))
}

/// `GET /containers/{name}/logs`: nothing, until the end if it is followed.
pub(in crate::api) async fn logs(api: &Api, ask: &Ask, name: &str) -> Answer {
    let info = api.daemon.container_inspect(name).await?;
    let (sender, body) = mpsc::channel(1);
    if ask.flag("follow") {
        let end = api
            .daemon
            .container_wait(&info.id, WaitCondition::NotRunning)?;
        tokio::spawn(async move {
            tokio::select! {
                _ = end => {}
                () = sender.closed() => {}
            }
        });
    }
    Ok(answer::stream(body, content_type(ask, is_tty(&info))))
}

/// `POST /containers/{name}/attach`.
pub(in crate::api) async fn attach(api: &Api, ask: Ask, name: &str) -> Answer {
    let info = api.daemon.container_inspect(name).await?;
    if info.state.paused {
        let text = "You cannot attach to a paused container, unpause it first";
        return Err(Error::conflict(text).into());
    }
    // One that is about to be started is attached to before.
    let condition = if info.state.running {
        WaitCondition::NotRunning
    } else {
        WaitCondition::NextExit
    };
    let end = api.daemon.container_wait(&info.id, condition)?;
    let gone = api
        .daemon
        .container_wait(&info.id, WaitCondition::Removed)?;
    let follows = ask.flag("stream");
    Ok(hijack(ask, is_tty(&info), async move {
        if follows {
            tokio::select! {
                _ = end => {}
                _ = gone => {}
            }
        }
    }))
}

/// Hands the connection over to a stream that ends with `until`. Old clients do not ask for an
/// upgrade, and get the rest of an answer that goes on.
pub(super) fn hijack(
    mut ask: Ask,
    tty: bool,
    until: impl Future<Output = ()> + Send + 'static,
) -> Response {
    let content_type = content_type(&ask, tty);
    if !ask.request.headers().contains_key(UPGRADE) {
        let (sender, body) = mpsc::channel(1);
        tokio::spawn(async move {
            tokio::select! {
                () = until => {}
                () = sender.closed() => {}
            }
        });
        return answer::stream(body, content_type);
    }
    let upgrade = hyper::upgrade::on(&mut ask.request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(stream) => follow(TokioIo::new(stream), until).await,
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

/// Nobody reads what the client types, but it is taken: a client that cannot write hangs.
async fn follow(stream: TokioIo<hyper::upgrade::Upgraded>, until: impl Future<Output = ()> + Send) {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut sink = tokio::io::sink();
    let typed = async {
        // The end of the input is not the end of the process.
        let _ = tokio::io::copy(&mut read, &mut sink).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = typed => {}
        () = until => {}
    }
    // The client may be gone first.
    let _ = write.shutdown().await;
}

fn content_type(ask: &Ask, tty: bool) -> &'static str {
    if tty || ask.version < TELLS_STREAM {
        RAW
    } else {
        MULTIPLEXED
    }
}

fn is_tty(info: &ContainerInfo) -> bool {
    let tty = info.asked.api.get("Tty");
    tty.and_then(serde_json::Value::as_bool).unwrap_or(false)
}
