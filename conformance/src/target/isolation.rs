//! A mount namespace in which a bad plugin can harm nobody.
//!
//! Before anything else runs, the runner moves itself, and with it the plugin that it will start,
//! into a mount namespace of its own. There every directory below `/` is covered by an overlay
//! whose upper layer lives in memory: the plugin reads what the host has and may write where it
//! likes, and all of it is gone when the run ends. Mounts that the plugin makes are seen by the
//! runner, since both share the namespace, and by nobody else.
//!
//! Where the kernel has no overlays (or forbids them to the user), directories become read-only
//! instead, and only the run's own directory can be written.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{getegid, geteuid};

use super::mounts;

/// Directories that are the kernel's and stay as they are.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What was done to keep the host safe.
#[derive(Debug)]
pub struct Isolation {
    /// Whether every write outside the run's directory lands in memory; otherwise at least one
    /// directory is read-only, since no overlay could be made of it.
    pub overlaid: bool,
    covered: Vec<PathBuf>,
    work: PathBuf,
    /// The current directory, which outlives the covers as a place in them.
    here: PathBuf,
}

impl Isolation {
    /// Uncovers what was covered, so that the run's directory itself can be removed. To be called
    /// when the plugin has ended: from here on writes reach the host again.
    pub fn undo(&self) {
        // What cannot be detached ends with the process, which is about to.
        for path in self.covered.iter().rev() {
            let _ = umount2(path, MntFlags::MNT_DETACH);
        }
        // Below a directory of the kernel's, which is not covered, it is mounted on itself.
        while umount2(&self.work, MntFlags::MNT_DETACH).is_ok() {}
        let _ = bind_none("/", MsFlags::MS_BIND | MsFlags::MS_REMOUNT);
        let _ = std::env::set_current_dir(&self.here);
    }
}

/// Moves this process into a mount namespace of its own; `work` stays writable, in memory.
///
/// Must be called while the process has one thread: the kernel moves the calling thread, and
/// without root a user namespace is needed, which only a single-threaded process may enter.
///
/// # Errors
/// A sentence that says which step the kernel refused. The process may be in a new namespace then,
/// and should only report and end, or go on without hostile cases.
pub fn isolate(work: &Path) -> Result<Isolation, String> {
    enter()?;
    bind_none("/", MsFlags::MS_REC | MsFlags::MS_PRIVATE).map_err(|e| told("make / private", e))?;
    mount(
        Some("volplug"),
        work,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=0700"),
    )
    .map_err(|e| told("mount a tmpfs", e))?;
    // The directory is reached through this handle once overlays cover its path.
    let handle = File::open(work).map_err(|e| format!("{}: {e}", work.display()))?;
    let through_handle = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));

    let here = std::env::current_dir();
    let covered = directories(work).map_err(|e| format!("cannot list mounts: {e}"))?;
    let mut overlaid = true;
    for (at, directory) in covered.iter().enumerate() {
        if cover(directory, &through_handle, at).is_err() {
            let told = |e| told(&format!("protect {}", directory.display()), e);
            mount(
                Some(directory),
                directory,
                None::<&str>,
                MsFlags::MS_BIND | MsFlags::MS_REC,
                None::<&str>,
            )
            .map_err(told)?;
            read_only(directory).map_err(told)?;
            overlaid = false;
        }
    }
    mount(
        Some(&through_handle),
        work,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )
    .map_err(|e| told("bind the run's directory", e))?;
    read_only(Path::new("/")).map_err(|e| told("protect /", e))?;
    // The directory that this process is in is still the host's own: it is entered anew.
    let here = here
        .and_then(|here| std::env::set_current_dir(&here).map(|()| here))
        .map_err(|e| format!("cannot enter the current directory: {e}"))?;
    Ok(Isolation {
        overlaid,
        covered,
        work: work.to_owned(),
        here,
    })
}

/// Enters the namespace: directly as root, with a user namespace otherwise.
fn enter() -> Result<(), String> {
    if geteuid().is_root() && unshare(CloneFlags::CLONE_NEWNS).is_ok() {
        return Ok(());
    }
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|e| told("make a mount namespace", e))?;
    let write = |file: &str, text: String| {
        std::fs::write(file, text).map_err(|e| format!("cannot write {file}: {e}"))
    };
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", format!("0 {gid} 1"))
}

/// What has to be covered: the directories below `/` and every mount below them, parents first.
fn directories(work: &Path) -> io::Result<Vec<PathBuf>> {
    let kernel = |path: &Path| KERNEL.iter().any(|name| path.starts_with(name));
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/")? {
        let entry = entry?;
        // Not through links: /bin -> usr/bin is covered with /usr.
        if entry.file_type()?.is_dir() && !kernel(&entry.path()) {
            found.insert(entry.path());
        }
    }
    found.extend(
        mounts()?
            .into_iter()
            .map(|entry| entry.path)
            .filter(|path| path != Path::new("/") && path != work && !kernel(path))
            // A mount on a file (docker does so with /etc/hosts) cannot be overlaid and is copied up.
            .filter(|path| path.is_dir()),
    );
    Ok(found.into_iter().collect())
}

/// Covers `directory` with an overlay whose writable layer is the `at`th in `layers`.
fn cover(directory: &Path, layers: &Path, at: usize) -> Result<(), Box<dyn std::error::Error>> {
    // A mount that a parent's overlay has hidden by now has no path left: it needs no cover.
    let Ok(lower) = File::open(directory) else {
        return Ok(());
    };
    let upper = layers.join(format!(".layer-{at}")).join("upper");
    let scratch = layers.join(format!(".layer-{at}")).join("work");
    std::fs::create_dir_all(&upper)?;
    std::fs::create_dir_all(&scratch)?;
    std::fs::set_permissions(&upper, std::fs::metadata(directory)?.permissions())?;
    let options = format!(
        "lowerdir=/proc/self/fd/{},upperdir={},workdir={}",
        lower.as_raw_fd(),
        upper.display(),
        scratch.display()
    );
    mount(
        Some("volplug"),
        directory,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )?;
    Ok(())
}

/// Makes the mount at `path` read-only.
fn read_only(path: &Path) -> nix::Result<()> {
    // Flags that an unprivileged namespace inherited are locked and have to be named again.
    let locked = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let kept = statvfs(path).map_or(MsFlags::empty(), |stat| {
        let flags = stat.flags();
        [
            (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
            (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
            (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        ]
        .into_iter()
        .filter(|(seen, _)| flags.contains(*seen))
        .fold(MsFlags::empty(), |kept, (_, flag)| kept | flag)
    });
    bind_none(
        path,
        MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | (kept & locked),
    )
}

fn bind_none(path: impl AsRef<Path>, flags: MsFlags) -> nix::Result<()> {
    mount(
        None::<&str>,
        path.as_ref(),
        None::<&str>,
        flags,
        None::<&str>,
    )
}

fn told(what: &str, error: nix::Error) -> String {
    format!("the kernel refused to {what}: {}", error.desc())
}
