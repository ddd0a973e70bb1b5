//! `/containers/{name}/archive`: `docker cp`.
//!
//! Follows moby's `daemon/archive.go` and `container/archive.go`. Each request holds the
//! container's volumes for as long as its stream takes, as with dockerd.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use nix::sys::stat::FileStat;
use serde_json::json;
use tokio::sync::oneshot;

use super::Api;
use super::answer::{self, Response};
use super::ask::Ask;
use super::bodies;
use super::errors::{Answer, Failure};
use crate::containers::{ContainerFiles, clean};
use crate::error::{Error, Result};
use crate::files::compression::Plain;
use crate::files::node::{Kind, Owner};
use crate::files::pack::pack;
use crate::files::tree::{Found, Last, Tree};
use crate::files::unpack::{Options, unpack};

const STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");
/// Bits of a mode as the kernel has them, and as Go writes them (`os.FileMode`).
const GO_BITS: [(u32, u32); 3] = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
/// The users of a container.
const PASSWD: &str = "/etc/passwd";

/// `HEAD`: what is at the path, in a header.
pub(super) async fn stat(api: &Api, ask: &Ask, name: &str) -> Answer {
    let path = ContainerPath::of(ask, name)?;
    let asked = path.asked.clone();
    let stat = api.daemon.container_files(name, &asked, move |files| {
        let tree = path.tree(files)?;
        let found = path.find(&tree)?;
        describe(&tree, &found, &path).map_err(|error| path.error(&error))
    });
    with_stat(answer::empty(StatusCode::OK), &stat.await?)
}

/// `GET`: what is at the path, as tar.
pub(super) async fn get(api: &Arc<Api>, ask: &Ask, name: &str) -> Answer {
    let path = ContainerPath::of(ask, name)?;
    let (mut writer, body) = bodies::outgoing();
    let (said, stat) = oneshot::channel();
    let (api, container) = (Arc::clone(api), name.to_owned());
    let packing = crate::trace::spawn(async move {
        let asked = path.asked.clone();
        let packed = api
            .daemon
            .container_files(&container, &asked, move |files| {
                let tree = path.tree(files)?;
                let found = path.find(&tree)?;
                let stat = describe(&tree, &found, &path).map_err(|error| path.error(&error))?;
                // The client may be gone; then the first chunk finds out.
                let _ = said.send(stat);
                let packed = pack(&tree, &found, path.base(), &mut writer);
                let packed = packed.and_then(|()| writer.flush());
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
    let path = ContainerPath::of(&ask, name)?;
    let no_overwrite_dir_non_dir = ask.flag("noOverwriteDirNonDir");
    let user = if ask.flag("copyUIDGID") {
        api.daemon.container_inspect(name).await?.asked.user
    } else {
        String::new()
    };
    let (body, unread) = bodies::incoming(ask.request);
    let asked = path.asked.clone();
    let unpacked = api.daemon.container_files(name, &asked, move |files| {
        let tree = path.tree(files)?;
        let found = tree.find(Path::new(&path.asked), Last::Follow);
        let found = found.map_err(|error| path.error(&error))?;
        if !found.node.is_directory() {
            return Err(Error::invalid("extraction point is not a directory"));
        }
        files.check_writable(&found.path.to_string_lossy())?;
        let options = Options {
            no_overwrite_dir_non_dir,
            owner: owner(&tree, &user)?,
        };
        let unpacked = Plain::new(body).and_then(|body| unpack(&tree, &found.path, body, options));
        unpacked.map_err(|error| Error::system(error.to_string()))
    });
    let unpacked = unpacked.await;
    unread.await;
    unpacked?;
    Ok(answer::empty(StatusCode::OK))
}

/// A path as it was asked for.
#[derive(Debug)]
struct ContainerPath {
    asked: String,
    container: String,
}

impl ContainerPath {
    fn of(ask: &Ask, container: &str) -> Result<Self> {
        let asked = match ask.value("path") {
            "" => return Err(Error::invalid("missing parameter in request: path")),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/{path}"),
        };
        Ok(Self {
            asked,
            container: container.to_owned(),
        })
    }

    /// Whether only a directory will do; a link there is followed.
    fn wants_directory(&self) -> bool {
        self.asked.ends_with('/') || self.base() == "."
    }

    /// The last part, also if that is a dot (Go's `filepath.Base`).
    fn base(&self) -> &str {
        let last = self.asked.trim_end_matches('/').rsplit('/').next();
        last.filter(|last| !last.is_empty()).unwrap_or("/")
    }

    fn tree(&self, files: &ContainerFiles) -> Result<Tree> {
        files.tree().map_err(|error| self.error(&error))
    }

    fn find(&self, tree: &Tree) -> Result<Found> {
        let last = if self.wants_directory() {
            Last::Follow
        } else {
            Last::Keep
        };
        let found = tree.find(Path::new(&self.asked), last);
        let found = found.map_err(|error| self.error(&error))?;
        if self.wants_directory() && !found.node.is_directory() {
            let text = format!("lstat {}: not a directory", self.asked);
            return Err(Error::system(text));
        }
        Ok(found)
    }

    fn error(&self, error: &io::Error) -> Error {
        let Self { asked, container } = self;
        if error.kind() == io::ErrorKind::NotFound {
            let text = format!("Could not find the file {asked} in container {container}");
            Error::not_found(text)
        } else {
            Error::system(format!("lstat {asked}: {error}"))
        }
    }
}

/// `ContainerPathStat`.
fn describe(tree: &Tree, found: &Found, path: &ContainerPath) -> io::Result<serde_json::Value> {
    let stat = found.node.stat()?;
    let kind = found.node.kind()?;
    let target = if kind == Kind::Link {
        target(tree, found)?
    } else {
        String::new()
    };
    let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    let time = Timestamp::new(stat.st_mtime, nanoseconds).unwrap_or_default();
    Ok(json!({
        "name": path.base(),
        "size": stat.st_size,
        "mode": go_mode(kind, &stat),
        "mtime": time.to_string(),
        "linkTarget": target,
    }))
}

/// Where a link leads to in the end, in the container; also if nothing is there.
fn target(tree: &Tree, found: &Found) -> io::Result<String> {
    if let Ok(end) = tree.find(&found.path, Last::Follow) {
        return Ok(end.path.to_string_lossy().into_owned());
    }
    let parent = found.path.parent().unwrap_or(Path::new("/"));
    let target = parent.join(found.node.read_link()?);
    Ok(clean(&target.to_string_lossy()))
}

/// A mode as Go writes it.
fn go_mode(kind: Kind, stat: &FileStat) -> u32 {
    let kind = match kind {
        Kind::Regular => 0,
        Kind::Directory => 1 << 31,
        Kind::Link => 1 << 27,
        Kind::Block => 1 << 26,
        Kind::Character => 1 << 26 | 1 << 21,
        Kind::Fifo => 1 << 25,
        Kind::Socket => 1 << 24,
    };
    let special = GO_BITS.iter().filter(|(bit, _)| stat.st_mode & bit != 0);
    special.fold(kind | stat.st_mode & 0o777, |mode, (_, bit)| mode | bit)
}

fn with_stat(mut response: Response, stat: &serde_json::Value) -> Answer {
    let text = BASE64_STANDARD.encode(stat.to_string());
    let header = HeaderValue::from_str(&text);
    let header = header.map_err(|error| Failure::from(Error::system(error.to_string())))?;
    response.headers_mut().insert(STAT, header);
    Ok(response)
}

/// The numbers of a container's user, `NAME` or `UID[:GID]`; nobody in particular if it has none.
fn owner(tree: &Tree, user: &str) -> Result<Option<Owner>> {
    if user.is_empty() {
        return Ok(None);
    }
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    let mut passwd = String::new();
    if let Ok(found) = tree.find(Path::new(PASSWD), Last::Follow)
        && let Ok(mut file) = found.node.read()
        && let Err(error) = file.read_to_string(&mut passwd)
    {
        tracing::debug!("{PASSWD}: {error}");
    }
    let known = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?;
        let gid = fields.next()?.parse().ok()?;
        let uid_number = uid.parse().ok()?;
        (name == user || uid == user).then_some(Owner {
            uid: uid_number,
            gid,
        })
    });
    let mut owner = match (known, user.parse()) {
        (Some(owner), _) => owner,
        (None, Ok(uid)) => Owner { uid, gid: 0 },
        (None, Err(_)) => {
            let text = format!("unable to find user {user}: no matching entries in passwd file");
            return Err(Error::system(text));
        }
    };
    if let Ok(gid) = group.parse() {
        owner.gid = gid;
    }
    Ok(Some(owner))
}
