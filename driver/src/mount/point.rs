//! One mountpoint: what is there, making it be there, and taking it away.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    errno::Errno,
    mount::{MntFlags, umount2},
    sys::statvfs::statvfs,
};

use super::{
    Patience,
    bounded::{NoAnswer, is_waited_for, within},
    table,
};
use crate::error::{Error, ErrorKind};

/// Mounts may lie over each other; nobody makes more of them at one path than this.
const MAX_LAYERS: usize = 16;
/// A file closed a moment ago, or a scanner passing by, keeps a mount busy for as long.
const BUSY_TRIES: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// What is found at a mountpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is mounted.
    Absent,
    /// The storage answers.
    Alive,
    /// A mount whose other end is gone for good: the FUSE daemon has died, or the NFS server no
    /// longer knows the handle.
    Dead(String),
    /// A mount that does not answer now, but may again.
    Silent(String),
}

/// How a mount went away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detached {
    /// Completely, or there was nothing.
    Cleanly,
    /// Out of sight; the kernel finishes it when the storage answers again, or never.
    Lazily {
        /// Why it could not be done cleanly.
        because: String,
    },
}

/// Looks at a mountpoint for at most `limit`.
pub(crate) async fn state(point: &Path, limit: Duration) -> Result<State, Error> {
    match table::at(point).map_err(|cause| Error::internal("read the mount table", cause))? {
        None => Ok(State::Absent),
        Some(_) => Ok(probe(point, limit).await),
    }
}

async fn probe(point: &Path, limit: Duration) -> State {
    let path = point.to_owned();
    match within(point, limit, move || statvfs(&path)).await {
        Ok(Ok(_)) => State::Alive,
        Ok(Err(errno)) => {
            let error = io::Error::from(errno);
            if is_death(&error) {
                State::Dead(error.to_string())
            } else {
                State::Silent(error.to_string())
            }
        }
        Err(no_answer) => State::Silent(no_answer.to_string()),
    }
}

/// Whether an error means that a mount is of no use ever again.
pub(crate) fn is_death(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(Errno::ENOTCONN | Errno::ESTALE | Errno::ECONNABORTED)
    )
}

/// Makes something be mounted and usable at `point`. Cheap when it is already; a dead mount is
/// detached first. `mount` is what mounts it. When that fails, nothing is left behind.
pub(crate) async fn ensure(
    point: &Path,
    patience: &Patience,
    mount: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    match state(point, patience.call).await? {
        State::Alive => return Ok(()),
        State::Silent(reason) => return Err(unavailable(format!("it is mounted, but {reason}"))),
        State::Dead(reason) => {
            tracing::warn!(point = %point.display(), reason, "a dead mount is replaced");
            detach_lazily(point).await?;
        }
        State::Absent => {}
    }
    make_directory(point)?;
    let mounted = match mount.await {
        Ok(()) => verify(point, patience.mount).await,
        Err(error) => Err(error),
    };
    if mounted.is_err()
        && let Err(error) = release(point, patience).await
    {
        tracing::warn!(point = %point.display(), %error, "a failed mount could not be cleaned up");
    }
    mounted
}

/// Whether a helper that reported success has mounted anything that lives.
///
/// s3fs forks before it has spoken to its server: a `statvfs` waits until it has, and only then
/// does the table tell the truth.
pub(crate) async fn verify(point: &Path, limit: Duration) -> Result<(), Error> {
    let answer = probe(point, limit).await;
    let mounted =
        table::at(point).map_err(|cause| Error::internal("read the mount table", cause))?;
    match (mounted, answer) {
        (Some(_), State::Alive) => Ok(()),
        (Some(_), State::Dead(reason) | State::Silent(reason)) => {
            Err(unavailable(format!("it was mounted, but {reason}")))
        }
        _ => Err(unavailable(
            "the mount helper reported success, but nothing is mounted".to_owned(),
        )),
    }
}

/// Unmounts whatever is mounted at `point` and removes the directory, if it is empty.
///
/// # Errors
/// [`ErrorKind::InUse`] while the kernel finds it busy.
pub(crate) async fn release(point: &Path, patience: &Patience) -> Result<Detached, Error> {
    let mut detached = Detached::Cleanly;
    let mut busy = 0;
    for _ in 0..MAX_LAYERS {
        let mounted = table::at(point);
        if mounted
            .map_err(|cause| Error::internal("read the mount table", cause))?
            .is_none()
        {
            break;
        }
        while let Some(refusal) = unmount_once(point, patience.unmount).await {
            match refusal {
                Refusal::Busy if busy < BUSY_TRIES => {
                    busy += 1;
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                // Not a user's process keeps it busy, but our own question to a dead server.
                Refusal::Busy if is_waited_for(point) => {
                    detached = give_up(point, NoAnswer::Waiting).await?;
                    break;
                }
                Refusal::Busy => {
                    let message =
                        "it is busy: a process of the host has a file of it open, or works in it";
                    return Err(Error::new(ErrorKind::InUse, message));
                }
                Refusal::Hangs(no_answer) => {
                    detached = give_up(point, no_answer).await?;
                    break;
                }
                Refusal::Other(errno) => {
                    return Err(Error::internal("unmount it", io::Error::from(errno)));
                }
            }
        }
    }
    // Only the empty directory of the mountpoint itself; never what is in it.
    match fs::remove_dir(point) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(point = %point.display(), %error, "the mountpoint stays");
        }
        _ => {}
    }
    Ok(detached)
}

/// Detaches what cannot be unmounted because the storage does not answer.
async fn give_up(point: &Path, no_answer: NoAnswer) -> Result<Detached, Error> {
    let because = no_answer.to_string();
    tracing::warn!(point = %point.display(), because, "the mount is detached lazily");
    detach_lazily(point).await?;
    Ok(Detached::Lazily { because })
}

enum Refusal {
    Busy,
    Hangs(NoAnswer),
    Other(Errno),
}

/// One unmount; `None` when it worked or there was nothing to do.
async fn unmount_once(point: &Path, limit: Duration) -> Option<Refusal> {
    match unmount(point, limit, MntFlags::UMOUNT_NOFOLLOW).await {
        // EINVAL: not a mountpoint, so somebody else was faster.
        Ok(Ok(()) | Err(Errno::EINVAL | Errno::ENOENT)) => None,
        Ok(Err(Errno::EBUSY)) => Some(Refusal::Busy),
        Ok(Err(errno)) => Some(Refusal::Other(errno)),
        Err(no_answer) => Some(Refusal::Hangs(no_answer)),
    }
}

async fn unmount(
    point: &Path,
    limit: Duration,
    flags: MntFlags,
) -> Result<Result<(), Errno>, NoAnswer> {
    let path = point.to_owned();
    // Unmounting has threads of its own: those that wait for answers must not use them up.
    within(&unmounting(point), limit, move || umount2(&path, flags)).await
}

fn unmounting(point: &Path) -> PathBuf {
    point.join("(unmounting)")
}

/// Takes every mount at `point` out of sight, whatever state it is in.
async fn detach_lazily(point: &Path) -> Result<(), Error> {
    const LIMIT: Duration = Duration::from_secs(5);
    for _ in 0..MAX_LAYERS {
        let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
        match unmount(point, LIMIT, flags).await {
            Ok(Ok(())) => {}
            Ok(Err(Errno::EINVAL | Errno::ENOENT)) => return Ok(()),
            Ok(Err(errno)) => return Err(Error::internal("detach it", io::Error::from(errno))),
            Err(no_answer) => return Err(unavailable(no_answer.to_string())),
        }
    }
    Ok(())
}

fn make_directory(point: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(point)
        .map_err(|cause| Error::internal("make its mountpoint", cause))
}

fn unavailable(message: String) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}
