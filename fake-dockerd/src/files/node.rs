//! One file, by a descriptor that says where it is and not what is in it (`O_PATH`).

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, fstat, mkdirat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat};

/// What a file is until its own mode is set: nobody else's.
const PRIVATE: Mode = Mode::S_IRWXU;
/// The bits of a mode that `chmod` sets.
const MODE: u32 = 0o7777;

/// A file of any kind.
#[derive(Debug, Clone)]
pub(crate) struct Node(Arc<OwnedFd>);

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    Regular,
    Link,
    Fifo,
    Character,
    Block,
    Socket,
}

/// Who owns a file, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// What is said of a file beside its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attributes {
    pub(crate) owner: Owner,
    /// With the bits for set-user-ID and the like.
    pub(crate) mode: u32,
    /// When it was changed, in seconds and nanoseconds since 1970.
    pub(crate) modified: (i64, i64),
}

impl Node {
    /// A file of the host; links are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::at(AT_FDCWD, path.as_os_str(), OFlag::empty())
    }

    /// What a directory has under one name; a link is not followed.
    pub(crate) fn child(&self, name: &OsStr) -> io::Result<Self> {
        Self::at(&self.0, name, OFlag::O_NOFOLLOW)
    }

    fn at(directory: impl std::os::fd::AsFd, name: &OsStr, flags: OFlag) -> io::Result<Self> {
        let flags = flags | OFlag::O_PATH | OFlag::O_CLOEXEC;
        Ok(Self(Arc::new(openat(
            directory,
            name,
            flags,
            Mode::empty(),
        )?)))
    }

    pub(crate) fn stat(&self) -> io::Result<FileStat> {
        Ok(fstat(&self.0)?)
    }

    pub(crate) fn kind(&self) -> io::Result<Kind> {
        Kind::of(&self.stat()?)
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind().is_ok_and(|kind| kind == Kind::Directory)
    }

    /// Where a link points to.
    pub(crate) fn read_link(&self) -> io::Result<PathBuf> {
        Ok(readlinkat(&self.0, "")?.into())
    }

    /// The names in a directory, sorted.
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut listing = Dir::from_fd(openat(&self.0, ".", flags, Mode::empty())?)?;
        let mut names = Vec::new();
        for entry in listing.iter() {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Opens a regular file to read it; anything else could keep the reader waiting.
    pub(crate) fn read(&self) -> io::Result<File> {
        match self.kind()? {
            Kind::Regular => File::open(self.magic_link()),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// Makes a directory.
    pub(crate) fn make_directory(&self, name: &OsStr) -> io::Result<Self> {
        match mkdirat(&self.0, name, PRIVATE) {
            Ok(()) | Err(Errno::EEXIST) => self.child(name),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a file where nothing is.
    pub(crate) fn make_file(&self, name: &OsStr) -> io::Result<File> {
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(&self.0, name, flags, PRIVATE)?.into())
    }

    /// Makes a link.
    pub(crate) fn make_link(&self, name: &OsStr, target: &Path) -> io::Result<()> {
        Ok(symlinkat(target, &self.0, name)?)
    }

    /// Gives `file` one more name.
    pub(crate) fn make_hard_link(&self, name: &OsStr, file: &Self) -> io::Result<()> {
        let follow = AtFlags::AT_SYMLINK_FOLLOW;
        Ok(linkat(AT_FDCWD, &file.magic_link(), &self.0, name, follow)?)
    }

    /// Makes a FIFO or a device, which only root may.
    pub(crate) fn make_special(&self, name: &OsStr, kind: Kind, device: u64) -> io::Result<()> {
        let kind = match kind {
            Kind::Fifo => SFlag::S_IFIFO,
            Kind::Character => SFlag::S_IFCHR,
            Kind::Block => SFlag::S_IFBLK,
            _ => return Err(Errno::EINVAL.into()),
        };
        Ok(mknodat(&self.0, name, kind, PRIVATE, device)?)
    }

    /// Removes what has a name in this directory, with everything below.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        let child = self.child(name)?;
        if !child.is_directory() {
            return Ok(unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir)?);
        }
        for inner in child.names()? {
            child.remove(&inner)?;
        }
        Ok(unlinkat(&self.0, name, UnlinkatFlags::RemoveDir)?)
    }

    /// Sets the attributes of what has a name in this directory. Without root the owner stays who
    /// it is, as with every unpacked archive.
    pub(crate) fn set(&self, name: &OsStr, attributes: &Attributes) -> io::Result<()> {
        let Attributes {
            owner: Owner { uid, gid },
            mode,
            modified: (seconds, nanoseconds),
        } = *attributes;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let child = self.child(name)?;
        match fchownat(
            &self.0,
            name,
            Some(uid),
            Some(gid),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Err(Errno::EPERM) if !nix::unistd::geteuid().is_root() => {}
            owned => owned?,
        }
        if child.kind()? != Kind::Link {
            std::fs::set_permissions(child.magic_link(), Permissions::from_mode(mode & MODE))?;
        }
        let time = TimeSpec::new(seconds, nanoseconds);
        let no_follow = UtimensatFlags::NoFollowSymlink;
        Ok(utimensat(&self.0, name, &time, &time, no_follow)?)
    }

    /// The kernel's own way back from a descriptor to its file; no name on the way can be swapped.
    fn magic_link(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

impl Attributes {
    /// Of something new, which is root's.
    pub(crate) fn new(mode: u32) -> Self {
        let now = jiff::Timestamp::now();
        Self {
            owner: Owner { uid: 0, gid: 0 },
            mode,
            modified: (now.as_second(), i64::from(now.subsec_nanosecond())),
        }
    }
}

impl Kind {
    fn of(stat: &FileStat) -> io::Result<Self> {
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        Ok(match kind {
            SFlag::S_IFDIR => Self::Directory,
            SFlag::S_IFREG => Self::Regular,
            SFlag::S_IFLNK => Self::Link,
            SFlag::S_IFIFO => Self::Fifo,
            SFlag::S_IFCHR => Self::Character,
            SFlag::S_IFBLK => Self::Block,
            SFlag::S_IFSOCK => Self::Socket,
            _ => return Err(Errno::EINVAL.into()),
        })
    }
}

impl From<&FileStat> for Attributes {
    fn from(stat: &FileStat) -> Self {
        Self {
            owner: Owner {
                uid: stat.st_uid,
                gid: stat.st_gid,
            },
            mode: stat.st_mode & MODE,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
        }
    }
}
