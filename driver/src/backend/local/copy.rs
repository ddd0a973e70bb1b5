//! Copying a directory tree into a new volume.
//!
//! Files, directories and symbolic links are copied with permissions, times and, for root,
//! owners. Links are copied as links and never followed. Devices, sockets and pipes are refused
//! rather than left out: a copy that looks complete and is not would be found out too late. Hard
//! links become files of their own; extended attributes are not copied.

use std::{
    fmt,
    fs::{self, File, FileTimes, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{
        MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown, lchown, symlink,
    },
    path::{Path, PathBuf},
};

use nix::fcntl::OFlag;

/// What could not be copied, and why.
#[derive(Debug)]
pub(super) struct CopyError {
    path: PathBuf,
    cause: String,
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        write!(f, "{}: {}", crate::error::Quoted(&path), self.cause)
    }
}

fn at<E: fmt::Display>(path: &Path) -> impl Fn(E) -> CopyError {
    move |cause| CopyError {
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}

/// Copies the content and the attributes of one directory onto another, which exists and is empty.
pub(super) fn copy_tree(source: &Path, target: &Path) -> Result<(), CopyError> {
    let owners = nix::unistd::geteuid().is_root();
    let mut waiting = vec![(source.to_owned(), target.to_owned())];
    let mut made = Vec::new();
    while let Some((source, target)) = waiting.pop() {
        let metadata = fs::symlink_metadata(&source).map_err(at(&source))?;
        for entry in fs::read_dir(&source).map_err(at(&source))? {
            let entry = entry.map_err(at(&source))?;
            let (from, to) = (entry.path(), target.join(entry.file_name()));
            let kind = entry.file_type().map_err(at(&from))?;
            if kind.is_dir() {
                fs::create_dir(&to).map_err(at(&from))?;
                waiting.push((from, to));
            } else if kind.is_symlink() {
                copy_link(&from, &to, owners).map_err(at(&from))?;
            } else if kind.is_file() {
                copy_file(&from, &to, owners).map_err(at(&from))?;
            } else {
                return Err(at(&from)(
                    "neither a file nor a directory nor a symbolic link",
                ));
            }
        }
        made.push((target, metadata));
    }
    // Children first: filling a directory changes its times, and it may end up read-only.
    for (target, metadata) in made.iter().rev() {
        File::open(target)
            .and_then(|directory| set_attributes(&directory, metadata, owners))
            .map_err(at(target))?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path, owners: bool) -> io::Result<()> {
    // Not followed and not waited for, should the file be replaced by a link or a pipe meanwhile.
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let mut source = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(from)?;
    let metadata = source.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it changed while it was copied"));
    }
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    io::copy(&mut source, &mut target)?;
    set_attributes(&target, &metadata, owners)
}

fn copy_link(from: &Path, to: &Path, owners: bool) -> io::Result<()> {
    symlink(fs::read_link(from)?, to)?;
    if owners {
        let metadata = fs::symlink_metadata(from)?;
        lchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    Ok(())
}

fn set_attributes(target: &File, metadata: &Metadata, owners: bool) -> io::Result<()> {
    if owners {
        fchown(target, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    // After the owner, for a change of owner clears the set-uid and set-gid bits.
    target.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777))?;
    let times = FileTimes::new()
        .set_accessed(metadata.accessed()?)
        .set_modified(metadata.modified()?);
    target.set_times(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_copied_with_its_attributes_and_links_stay_links() {
        let root = tempfile::tempdir().unwrap();
        let (source, target) = (root.path().join("source"), root.path().join("target"));
        fs::create_dir_all(source.join("a/b")).unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(source.join("a/b/file"), "content").unwrap();
        fs::set_permissions(source.join("a/b/file"), Permissions::from_mode(0o4711)).unwrap();
        fs::set_permissions(source.join("a/b"), Permissions::from_mode(0o555)).unwrap();
        symlink("/etc/passwd", source.join("link")).unwrap();
        symlink("nowhere", source.join("a/dangling")).unwrap();

        copy_tree(&source, &target).unwrap();

        assert_eq!(
            fs::read_to_string(target.join("a/b/file")).unwrap(),
            "content"
        );
        assert_eq!(
            fs::metadata(target.join("a/b/file")).unwrap().mode() & 0o7777,
            0o4711
        );
        assert_eq!(
            fs::metadata(target.join("a/b")).unwrap().mode() & 0o7777,
            0o555
        );
        assert_eq!(
            fs::read_link(target.join("link")).unwrap(),
            Path::new("/etc/passwd")
        );
        assert_eq!(
            fs::read_link(target.join("a/dangling")).unwrap(),
            Path::new("nowhere")
        );
        let (from, to) = (
            fs::metadata(&source).unwrap(),
            fs::metadata(&target).unwrap(),
        );
        assert_eq!(
            (from.mtime(), from.mtime_nsec()),
            (to.mtime(), to.mtime_nsec())
        );
    }

    #[test]
    fn special_files_are_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        let (source, target) = (root.path().join("source"), root.path().join("target"));
        fs::create_dir(&source).unwrap();
        fs::create_dir(&target).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(source.join("plug.sock")).unwrap();
        let error = copy_tree(&source, &target).unwrap_err().to_string();
        assert!(
            error.contains("plug.sock") && error.contains("neither a file"),
            "{error}"
        );
    }
}
