//! The scripted plugin: listeners that answer from the script.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::format::Response;
use super::script::{Arrived, Reply, Script};

/// Where a plugin listens.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Unix(PathBuf),
    /// Bound ahead, so that its port is known.
    Tcp(Arc<std::net::TcpListener>),
    Tls(Arc<std::net::TcpListener>, TlsAcceptorDebug),
}

#[derive(Clone)]
pub(crate) struct TlsAcceptorDebug(pub(crate) TlsAcceptor);

impl std::fmt::Debug for TlsAcceptorDebug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsAcceptor")
    }
}

/// The plugins of a scenario.
#[derive(Debug)]
pub(crate) struct Plugins {
    script: Arc<Mutex<Script>>,
    places: HashMap<String, Place>,
    running: HashMap<String, JoinHandle<()>>,
    /// How much faster than real time passes.
    scale: f64,
    /// After how long an idle connection is closed, in seconds of the engine's time.
    idle: Arc<Mutex<Option<f64>>>,
}

impl Plugins {
    pub(crate) fn new(
        script: Arc<Mutex<Script>>,
        places: HashMap<String, Place>,
        scale: f64,
    ) -> Self {
        Self {
            script,
            places,
            scale,
            running: HashMap::new(),
            idle: Arc::default(),
        }
    }

    pub(crate) fn close_idle(&self, seconds: f64) {
        *self.idle.lock().unwrap() = Some(seconds);
    }

    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.running.contains_key(name)
    }

    pub(crate) fn start(&mut self, name: &str) {
        if self.is_running(name) {
            return;
        }
        let Some(place) = self.places.get(name).cloned() else {
            return;
        };
        let server = Server {
            plugin: name.to_owned(),
            script: Arc::clone(&self.script),
            idle: Arc::clone(&self.idle),
            scale: self.scale,
        };
        let task = match place {
            Place::Unix(path) => {
                let _ = std::fs::remove_file(&path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                let listener = UnixListener::bind(&path).unwrap();
                tokio::spawn(async move {
                    let mut connections = tokio::task::JoinSet::new();
                    while let Ok((stream, _)) = listener.accept().await {
                        connections.spawn(server.clone().serve(stream));
                    }
                })
            }
            Place::Tcp(listener) => {
                let listener = TcpListener::from_std(listener.try_clone().unwrap()).unwrap();
                tokio::spawn(async move {
                    let mut connections = tokio::task::JoinSet::new();
                    while let Ok((stream, _)) = listener.accept().await {
                        connections.spawn(server.clone().serve(stream));
                    }
                })
            }
            Place::Tls(listener, acceptor) => {
                let listener = TcpListener::from_std(listener.try_clone().unwrap()).unwrap();
                tokio::spawn(async move {
                    let mut connections = tokio::task::JoinSet::new();
                    while let Ok((stream, _)) = listener.accept().await {
                        let (server, acceptor) = (server.clone(), acceptor.0.clone());
                        connections.spawn(async move {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                server.serve(stream).await;
                            }
                        });
                    }
                })
            }
        };
        self.running.insert(name.to_owned(), task);
    }

    /// Ends a plugin; its connections go with it.
    pub(crate) async fn stop(&mut self, name: &str, unlink: bool) {
        if let Some(task) = self.running.remove(name) {
            task.abort();
            let _ = task.await;
        }
        if let (Some(Place::Unix(path)), true) = (self.places.get(name), unlink) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[derive(Debug, Clone)]
struct Server {
    plugin: String,
    script: Arc<Mutex<Script>>,
    idle: Arc<Mutex<Option<f64>>>,
    scale: f64,
}

impl Server {
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S) {
        let mut buffer = Vec::new();
        loop {
            let idle = *self.idle.lock().unwrap();
            let request = read_request(&mut stream, &mut buffer);
            let request = match idle {
                Some(seconds) => {
                    let limit = Duration::from_secs_f64(seconds / self.scale);
                    tokio::time::timeout(limit, request).await.unwrap_or(None)
                }
                None => request.await,
            };
            let Some(mut arrived) = request else {
                return;
            };
            arrived.plugin.clone_from(&self.plugin);
            let Reply { response, delay } = self.script.lock().unwrap().answer(&arrived);
            if delay > 0.0 {
                tokio::time::sleep(Duration::from_secs_f64(delay / self.scale)).await;
            }
            if response.closed {
                return;
            }
            if response.hang {
                // Until the engine gives up.
                while stream.read(&mut [0; 64]).await.is_ok_and(|count| count > 0) {}
                return;
            }
            if stream.write_all(&bytes(&response)).await.is_err() {
                return;
            }
        }
    }
}

fn bytes(response: &Response) -> Vec<u8> {
    let status = response.status.unwrap_or(200);
    let mut text = format!("HTTP/1.1 {status} {}\r\n", response.reason);
    let mut chunked = false;
    for (name, value) in &response.headers {
        chunked |= name.eq_ignore_ascii_case("transfer-encoding");
        if name.eq_ignore_ascii_case("content-length") {
            // What stands for the recorded paths may be longer or shorter.
            text.push_str(&format!("{name}: {}\r\n", response.body.len()));
        } else {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    text.push_str("\r\n");
    if chunked {
        text.push_str(&format!(
            "{:x}\r\n{}\r\n0\r\n\r\n",
            response.body.len(),
            response.body
        ));
    } else {
        text.push_str(&response.body);
    }
    text.into_bytes()
}

async fn read_request<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> Option<Arrived> {
    loop {
        let text = String::from_utf8_lossy(buffer).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let mut lines = head.split("\r\n");
            let mut first = lines.next()?.split(' ');
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(": ").or_else(|| line.split_once(':')))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let length: usize = headers
                .iter()
                .find(|(name, _)| name == "Content-Length")
                .and_then(|(_, value)| value.parse().ok())
                .unwrap_or(0);
            let end = head.len() + 4 + length;
            if buffer.len() >= end {
                let body = String::from_utf8(buffer[head.len() + 4..end].to_vec()).unwrap();
                buffer.drain(..end);
                return Some(Arrived {
                    plugin: String::new(),
                    method: first.next()?.to_owned(),
                    path: first.next()?.to_owned(),
                    headers,
                    body,
                });
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// A socket that nobody listens on.
pub(crate) fn stale_socket(path: &Path) {
    let _ = std::fs::remove_file(path);
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
}
