//! `/containers/{name}/archive`: `docker cp`, as tar streams of the host's paths.
//!
//! Each request holds the container's volumes for as long as its stream takes, as with dockerd.

use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::Api;
use super::answer::{self, Response};
use super::ask::Ask;
use super::errors::{Answer, Failure};
use crate::containers::ContainerFiles;
use crate::error::{Error, Result};

const STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");
/// Chunks on the way between the files and the connection.
const AHEAD: usize = 8;
const CHUNK: usize = 64 << 10;
/// How much of a refused upload is read all the same, as by Go's `net/http`.
const MAX_UNREAD: usize = 256 << 10;
/// Go's bits of a file mode.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_LINK: u32 = 1 << 27;

/// `HEAD`: what is at the path, in a header.
pub(super) async fn stat(api: &Api, ask: &Ask, name: &str) -> Answer {
    let path = path(ask)?;
    let (asked, container) = (path.clone(), name.to_owned());
    let stat = api.daemon.container_files(name, &path, move |files| {
        let host = look(files, &asked, &container)?;
        describe(&host, &asked).map_err(|error| missing(&error, &asked, &container))
    });
    with_stat(answer::empty(StatusCode::OK), &stat.await?)
}

/// `GET`: what is at the path, as tar.
pub(super) async fn get(api: &Arc<Api>, ask: &Ask, name: &str) -> Answer {
    let path = path(ask)?;
    if matches!(base(&path), "." | "/") {
        // The CLI wants names that begin with a dot, which the tar crate leaves out.
        return Err(Failure::not_served(
            "GET /containers/archive of `DIRECTORY/.` or `/`",
        ));
    }
    let (chunks, body) = mpsc::channel(AHEAD);
    let (said, stat) = oneshot::channel();
    let (api, container) = (Arc::clone(api), name.to_owned());
    let packing = crate::trace::spawn(async move {
        let (asked, name) = (path.clone(), container.clone());
        let packed = api.daemon.container_files(&container, &path, move |files| {
            let host = look(files, &asked, &name)?;
            let stat = describe(&host, &asked).map_err(|error| missing(&error, &asked, &name))?;
            // The client may be gone; then the first chunk finds out.
            let _ = said.send(stat);
            let mut writer = io::BufWriter::with_capacity(CHUNK, Chunks(chunks));
            let packed = pack(&host, &asked, &mut writer).and_then(|()| writer.flush());
            packed.map_err(|error| Error::system(error.to_string()))
        });
        packed.await
    });
    let Ok(stat) = stat.await else {
        // It ended before there was anything to send.
        return match packing.await {
            Ok(Err(error)) => Err(error.into()),
            _ => Err(Error::system("the files of the container could not be read").into()),
        };
    };
    with_stat(answer::stream(body, "application/x-tar"), &stat)
}

/// `PUT`: unpacks a tar into the directory at the path.
pub(super) async fn put(api: &Api, ask: Ask, name: &str) -> Answer {
    let path = path(&ask)?;
    let (chunks, body) = mpsc::channel::<io::Result<Bytes>>(AHEAD);
    let mut request = ask.request;
    let reading = tokio::spawn(async move {
        // A client whose request is refused still sends the rest, and only then reads why.
        let mut unread = 0;
        while let Some(frame) = request.body_mut().frame().await {
            let chunk = match frame {
                Ok(frame) => frame
                    .into_data()
                    .map(Ok)
                    .unwrap_or_else(|_| Ok(Bytes::new())),
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
    let (asked, container) = (path.clone(), name.to_owned());
    let unpacked = api.daemon.container_files(name, &path, move |files| {
        let host = look(files, &asked, &container)?;
        if !host.is_dir() {
            return Err(Error::invalid("extraction point is not a directory"));
        }
        files.check_writable(&asked)?;
        let body = Incoming {
            chunks: body,
            current: Bytes::new(),
        };
        unpack(files, &asked, body).map_err(|error| Error::system(error.to_string()))
    });
    let unpacked = unpacked.await;
    // It only fails if this server is ending.
    let _ = reading.await;
    unpacked?;
    Ok(answer::empty(StatusCode::OK))
}

fn path(ask: &Ask) -> Result<String> {
    match ask.value("path") {
        "" => Err(Error::invalid("missing parameter in request: path")),
        path if path.starts_with('/') => Ok(path.to_owned()),
        path => Ok(format!("/{path}")),
    }
}

/// Where the path is on the host; the last link of a path that ends with a slash is followed.
fn look(files: &ContainerFiles, path: &str, container: &str) -> Result<PathBuf> {
    let follow = path.ends_with('/') || path.ends_with("/.");
    let host = files.host_path(path, follow);
    let host = host.map_err(|error| Error::system(error.to_string()))?;
    host.symlink_metadata()
        .map_err(|error| missing(&error, path, container))?;
    Ok(host)
}

fn missing(error: &io::Error, path: &str, container: &str) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        Error::not_found(format!(
            "Could not find the file {path} in container {container}"
        ))
    } else {
        Error::system(error.to_string())
    }
}

/// The name that a path has in a tar: its last part, also if that is a dot (Go's `filepath.Base`).
fn base(path: &str) -> &str {
    let last = path.trim_end_matches('/').rsplit('/').next();
    last.filter(|last| !last.is_empty()).unwrap_or("/")
}

/// `ContainerPathStat`.
fn describe(host: &Path, path: &str) -> io::Result<serde_json::Value> {
    let meta = host.symlink_metadata()?;
    let mut mode = meta.permissions().mode() & 0o777;
    let mut target = String::new();
    if meta.is_dir() {
        mode |= GO_DIRECTORY;
    } else if meta.is_symlink() {
        mode |= GO_LINK;
        target = std::fs::read_link(host)?.display().to_string();
    }
    let time = Timestamp::from_second(meta.mtime()).unwrap_or_default();
    Ok(json!({
        "name": base(path),
        "size": meta.len(),
        "mode": mode,
        "mtime": time.to_string(),
        "linkTarget": target,
    }))
}

fn with_stat(mut response: Response, stat: &serde_json::Value) -> Answer {
    let text = BASE64_STANDARD.encode(stat.to_string());
    let header = HeaderValue::from_str(&text);
    let header = header.map_err(|error| Failure::from(Error::system(error.to_string())))?;
    response.headers_mut().insert(STAT, header);
    Ok(response)
}

fn pack(host: &Path, path: &str, to: &mut impl Write) -> io::Result<()> {
    let mut tar = tar::Builder::new(to);
    tar.follow_symlinks(false);
    let name = match base(path) {
        "/" => ".",
        name => name,
    };
    if host.symlink_metadata()?.is_dir() {
        tar.append_dir_all(name, host)?;
    } else {
        tar.append_path_with_name(host, name)?;
    }
    tar.finish()
}

/// Unpacks below a path of the container. Every name is looked up as the container would, so that
/// neither links nor dots lead out of it.
fn unpack(files: &ContainerFiles, path: &str, from: impl Read) -> io::Result<()> {
    let mut archive = tar::Archive::new(from);
    let inside = |name: &Path| -> io::Result<PathBuf> {
        let mut full = path.trim_end_matches('/').to_owned();
        for part in name.components() {
            if let Component::Normal(part) = part {
                full.push('/');
                full.push_str(&part.to_string_lossy());
            }
        }
        files.host_path(&full, false)
    };
    for entry in archive.entries()? {
        let mut entry = entry?;
        let target = inside(&entry.path()?)?;
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        if entry.header().entry_type().is_hard_link() {
            let source = entry.link_name()?.map(|name| inside(&name));
            let source = source.unwrap_or_else(|| Err(io::ErrorKind::InvalidData.into()))?;
            std::fs::hard_link(source, target)?;
        } else {
            entry.set_preserve_permissions(true);
            entry.unpack(target)?;
        }
    }
    Ok(())
}

/// Writes into a body.
struct Chunks(mpsc::Sender<Bytes>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Bytes::copy_from_slice(bytes));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads from a body.
struct Incoming {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Read for Incoming {
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
