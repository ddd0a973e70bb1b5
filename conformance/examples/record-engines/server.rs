//! Serves a plugin of the recordings over HTTP.

use std::pin::pin;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixListener;

use super::plugin::{Answer, Plugin};

/// Serves a plugin for as long as somebody wants it.
pub(crate) async fn serve(plugin: Plugin, listener: UnixListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let (plugin, watched) = (plugin.clone(), plugin.clone());
        let service = service_fn(move |request| answer(plugin.clone(), request));
        let serving = http1::Builder::new()
            .auto_date_header(false)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(stream), service);
        let idle = idle(watched);
        tokio::spawn(async {
            let mut serving = pin!(serving);
            tokio::select! {
                // It ends with an error where a fault wants it to.
                _ = serving.as_mut() => {}
                () = idle => {
                    serving.as_mut().graceful_shutdown();
                    let _ = serving.await;
                }
            }
        });
    }
}

/// Is over when nobody has called for as long as the plugin keeps idle connections.
async fn idle(plugin: Plugin) {
    let Some(limit) = plugin.keeps_idle() else {
        return std::future::pending().await;
    };
    let mut since = Instant::now();
    while since.elapsed() < limit {
        tokio::time::sleep(limit.saturating_sub(since.elapsed())).await;
        since = plugin.called().unwrap_or(since);
    }
}

async fn answer(
    plugin: Plugin,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let body = request
        .into_body()
        .collect()
        .await
        .map_err(std::io::Error::other)?
        .to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let fault = plugin.next_fault(&path, &body);
    if let Some(delay) = fault["delay"].as_f64() {
        tokio::time::sleep(Duration::from_secs_f64(delay)).await;
    }
    match plugin.decide(&path, &body, &fault) {
        Answer::Close => Err(std::io::Error::other("told to hang up")),
        Answer::Hang => std::future::pending().await,
        Answer::Body {
            status,
            content_type,
            headers,
            body,
        } => {
            let mut response = Response::builder()
                .status(StatusCode::from_u16(status).map_err(std::io::Error::other)?);
            if let Some(content_type) = content_type.filter(|text| !text.is_empty()) {
                response = response.header("Content-Type", content_type);
            }
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response
                .body(Full::new(Bytes::from(body)))
                .map_err(std::io::Error::other)
        }
    }
}
