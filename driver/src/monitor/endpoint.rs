//! `/metrics` and `/status` over HTTP, on a unix socket or a loopback address.

use std::{convert::Infallible, fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Body,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{sync::watch, task::JoinSet};

use super::{Monitors, openmetrics};
use crate::{
    StartError,
    server::{Acceptor, Incoming, Listener, TcpAccess},
};

/// From the first byte of a request to the end of its headers, and while a connection is idle.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where status and metrics are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatusAddress {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP address; only loopback addresses are listened on.
    Tcp(SocketAddr),
}

impl FromStr for StatusAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("unix://").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Self::Unix(path.into()));
        }
        let address = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("tcp://"))
            .unwrap_or(text);
        address
            .parse()
            .map(Self::Tcp)
            .map_err(|_| "expected an absolute path, or an address such as 127.0.0.1:9101".into())
    }
}

impl fmt::Display for StatusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "http://{address}"),
        }
    }
}

/// A socket that status and metrics will be served on.
#[derive(Debug)]
pub(crate) struct Endpoint(Listener);

impl Endpoint {
    /// Listens.
    ///
    /// # Errors
    /// When the address is taken, or others than this machine could reach it.
    pub(crate) fn bind(address: &StatusAddress) -> Result<Self, StartError> {
        Ok(Self(match address {
            StatusAddress::Unix(path) => Listener::unix(path)?,
            StatusAddress::Tcp(address) if !address.ip().is_loopback() => {
                let reason = "status and metrics are only served on loopback addresses";
                return Err(StartError::tcp(*address, reason));
            }
            StatusAddress::Tcp(address) => Listener::tcp(*address, TcpAccess::Loopback)?,
        }))
    }

    /// Serves until the sender of `stopping` says true or is gone.
    ///
    /// # Errors
    /// When the runtime cannot take over the socket.
    pub(crate) fn serve(
        self,
        monitors: Monitors,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<impl Future<Output = ()> + Send, StartError> {
        let acceptor = self.0.into_acceptor()?;
        tracing::info!(address = %acceptor, "serving status and metrics");
        Ok(async move {
            let mut connections = JoinSet::new();
            let accepting = accept(&acceptor, &monitors, &mut connections);
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => {}
                () = accepting => {}
            }
        })
    }
}

async fn accept(acceptor: &Acceptor, monitors: &Monitors, connections: &mut JoinSet<()>) {
    loop {
        match acceptor.accept().await {
            Ok(incoming) => {
                connections.spawn(connection(incoming, monitors.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection for status");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(incoming: Incoming, monitors: Monitors) {
    let Ok(stream) = incoming.ready().await else {
        return;
    };
    let service = service_fn(move |request| respond(request, monitors.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection for status ended early");
    }
}

async fn respond<B: Body>(
    request: Request<B>,
    monitors: Monitors,
) -> Result<Response<Full<Bytes>>, Infallible> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(response(
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "only GET is served here\n",
        ));
    }
    let rendered = match request.uri().path() {
        "/metrics" => openmetrics::encode(monitors.report().await)
            .map(|text| (openmetrics::CONTENT_TYPE, text))
            .map_err(|error| error.to_string()),
        "/status" => serde_json::to_string_pretty(&monitors.report().await)
            .map(|text| ("application/json", text + "\n"))
            .map_err(|error| error.to_string()),
        _ => {
            let help = "/metrics is OpenMetrics, /status is JSON\n";
            return Ok(response(StatusCode::NOT_FOUND, TEXT, help));
        }
    };
    Ok(match rendered {
        Ok((kind, text)) => response(StatusCode::OK, kind, text),
        Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error),
    })
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_paths_or_loopback() {
        for text in ["/run/s.sock", "unix:///run/s.sock"] {
            assert_eq!(text.parse(), Ok(StatusAddress::Unix("/run/s.sock".into())));
        }
        for text in [
            "127.0.0.1:9101",
            "http://127.0.0.1:9101",
            "tcp://127.0.0.1:9101",
        ] {
            assert!(matches!(text.parse(), Ok(StatusAddress::Tcp(_))), "{text}");
        }
        for text in ["", "relative.sock", "9101", "localhost:9101"] {
            assert!(text.parse::<StatusAddress>().is_err(), "{text}");
        }
        let everywhere = StatusAddress::Tcp("0.0.0.0:0".parse().unwrap());
        let refusal = Endpoint::bind(&everywhere).unwrap_err().to_string();
        assert!(refusal.contains("only served on loopback"), "{refusal}");
    }
}
