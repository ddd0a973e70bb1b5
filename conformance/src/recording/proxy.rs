//! Stands between an engine and a plugin and passes everything on as it comes.
//!
//! Each connection of the engine's gets one to the plugin, and bytes are copied in both directions;
//! what is recorded is read from a copy beside. So nothing on the wire is altered: neither odd
//! bytes, nor what comes when, nor which connections are used again, half closed or broken off. Two
//! things cannot be passed on: a connection that the plugin would have refused is accepted and then
//! closed, and what was a reset is a close.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::conversation::{Conversation, Seen, Shared, Side};
use super::mask::Mask;
use crate::wire::Address;

/// How much is passed on at once.
const PIECE: usize = 64 << 10;

/// Passes on what an engine and a plugin say, and tells what it has seen.
#[derive(Debug)]
pub struct Proxy {
    upstream: Address,
    shared: Shared,
}

impl Proxy {
    /// A proxy to the plugin `name` at `upstream`; what is seen, without the secrets that `mask`
    /// knows, goes to `seen`.
    #[must_use]
    pub fn new(name: &str, upstream: Address, mask: Mask, seen: Sender<Seen>) -> Self {
        let shared = Shared {
            plugin: name.to_owned(),
            begun: Instant::now(),
            mask: Arc::new(Mutex::new(mask)),
            seq: Arc::new(AtomicU64::new(0)),
            seen,
        };
        Self { upstream, shared }
    }

    /// Serves until `end` is over; connections that are open then are closed.
    ///
    /// # Errors
    /// What the system says when nothing can be accepted any more.
    pub async fn serve(
        self,
        listener: &UnixListener,
        end: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let mut connections = JoinSet::new();
        let mut count = 0;
        tokio::pin!(end);
        let ended = loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((engine, _)) => {
                        count += 1;
                        let conversation = Conversation::open(self.shared.clone(), count);
                        connections.spawn(connect(engine, self.upstream.clone(), conversation));
                    }
                    // The engine was gone before it was accepted, or there are too many of it.
                    Err(error) if is_passing(&error) => tokio::task::yield_now().await,
                    Err(error) => break Err(error),
                },
                Some(_) = connections.join_next() => {}
                () = &mut end => break Ok(()),
            }
        };
        connections.shutdown().await;
        ended
    }
}

/// Listens at `path`, where nothing may listen already, for those who may connect to `like`.
///
/// # Errors
/// A sentence that says what is in the way.
pub fn bind(path: &Path, like: Option<&Path>) -> Result<UnixListener, String> {
    let shown = path.display();
    crate::target::address::unix(path)?;
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(format!(
            "somebody listens at {shown} already: give another --listen, or --plugin NAME to take a plugin's place"
        ));
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {
            std::fs::remove_file(path).map_err(|error| format!("{shown}: {error}"))?;
        }
        Ok(_) => return Err(format!("{shown} is there already, and is no socket")),
        Err(_) => {}
    }
    let listener =
        UnixListener::bind(path).map_err(|error| format!("cannot listen at {shown}: {error}"))?;
    let access = like.and_then(|like| std::fs::metadata(like).ok());
    let mode = access
        .as_ref()
        .map_or(0o600, |of| of.permissions().mode() & 0o777);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|error| format!("{shown}: {error}"))?;
    if let Some(of) = access {
        use std::os::unix::fs::MetadataExt as _;
        // Who is not root keeps the socket.
        let _ = std::os::unix::fs::chown(path, Some(of.uid()), Some(of.gid()));
    }
    Ok(listener)
}

fn is_passing(error: &io::Error) -> bool {
    // EMFILE and ENFILE pass when a connection ends.
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
    ) || matches!(error.raw_os_error(), Some(23 | 24))
}

async fn connect(engine: UnixStream, upstream: Address, conversation: Conversation) {
    match upstream.open().await {
        Ok(plugin) => carry(engine, plugin, conversation).await,
        Err(error) => conversation.refused(&error.to_string()),
    }
}

/// A conversation that ends with its connection, also when the recording ends first.
struct Open(Mutex<Option<Conversation>>);

impl Open {
    fn with(&self, act: impl FnOnce(&mut Conversation)) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(conversation) = open.as_mut() {
            act(conversation);
        }
    }

    fn close(&self, by: Side) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(conversation) = open {
            conversation.close(by);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close(Side::Engine);
    }
}

/// Copies in both directions until the connection is over.
async fn carry<S>(engine: UnixStream, plugin: S, conversation: Conversation)
where
    S: AsyncRead + AsyncWrite + AsFd,
{
    let (Ok(engine_end), Ok(plugin_end)) = (
        engine.as_fd().try_clone_to_owned(),
        plugin.as_fd().try_clone_to_owned(),
    ) else {
        return conversation.refused("there are too many open files");
    };
    let open = Open(Mutex::new(Some(conversation)));
    let (from_engine, to_engine) = engine.into_split();
    let (from_plugin, to_plugin) = tokio::io::split(plugin);
    let up = pass(from_engine, to_plugin, &engine_end, |bytes| {
        open.with(|conversation| conversation.engine_sent(bytes));
    });
    let down = pass(from_plugin, to_engine, &plugin_end, |bytes| {
        open.with(|conversation| conversation.plugin_sent(bytes));
    });
    tokio::pin!(up, down);
    let (mut first, mut going_up, mut going_down) = (None, true, true);
    while going_up || going_down {
        let (side, how) = tokio::select! {
            how = &mut up, if going_up => { going_up = false; (Side::Engine, how) }
            how = &mut down, if going_down => { going_down = false; (Side::Plugin, how) }
        };
        match how {
            Over::Gone => {
                first = Some(side);
                break;
            }
            Over::HalfClosed => _ = first.get_or_insert(side),
            // What the other one still has to say is passed on; it will find out.
            Over::Unheard => {}
        }
    }
    open.close(first.unwrap_or(Side::Engine));
}

/// How one direction ended.
enum Over {
    /// Who sends has closed the connection.
    Gone,
    /// Who sends has said all, and may still listen.
    HalfClosed,
    /// Who should hear does not.
    Unheard,
}

async fn pass<R, W>(mut from: R, mut to: W, end: &OwnedFd, mut copy: impl FnMut(&[u8])) -> Over
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut piece = vec![0; PIECE];
    loop {
        let Ok(count) = from.read(&mut piece).await else {
            return Over::Gone;
        };
        let bytes = piece.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return if has_hung_up(end) || to.shutdown().await.is_err() {
                Over::Gone
            } else {
                Over::HalfClosed
            };
        }
        // Before it is passed on, so that no answer is seen before its question.
        copy(bytes);
        if to.write_all(bytes).await.is_err() || to.flush().await.is_err() {
            return Over::Unheard;
        }
    }
}

/// Whether the other end is closed, rather than only its sending half.
fn has_hung_up(end: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(end, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let polled = poll(&mut fds, Some(&now));
    polled.is_ok()
        && fds
            .iter()
            .any(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::ERR))
}
