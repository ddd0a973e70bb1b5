//! The kernel's mount table, `/proc/self/mountinfo`.
//!
//! Read instead of touching paths: `stat` on a mount whose server is gone hangs.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// One line of the mount table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    /// Where it is mounted.
    pub path: PathBuf,
    /// What part of the mounted file system is seen there: `/`, or the source of a bind mount.
    pub root: PathBuf,
    /// The file system's type, `fuse.rclone` for one.
    pub kind: String,
    /// The source, as the file system names it.
    pub source: String,
    /// The mount's own options.
    pub options: Vec<String>,
}

/// All mounts of this process's mount namespace, in the kernel's order: later ones hide earlier
/// ones at the same path.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn mounts() -> io::Result<Vec<MountEntry>> {
    table("/proc/self/mountinfo".as_ref())
}

/// All mounts of the mount namespace that the process `pid` is in.
///
/// # Errors
/// When its table cannot be read: it has ended, or belongs to somebody else.
pub fn mounts_of(pid: i32) -> io::Result<Vec<MountEntry>> {
    table(format!("/proc/{pid}/mountinfo").as_ref())
}

/// Where something is mounted in this process's mount namespace; much cheaper than all of it.
///
/// # Errors
/// As [`mounts`].
pub fn mounted_paths() -> io::Result<HashSet<PathBuf>> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    let place = |line: &[u8]| line.split(|byte| *byte == b' ').nth(4).map(path);
    Ok(table
        .split(|byte| *byte == b'\n')
        .filter_map(place)
        .collect())
}

/// Whether mounts that are made in another mount namespace may appear in this one: some mount here
/// gets those of a peer group (`master:N`, mount_namespaces(7)).
///
/// # Errors
/// As [`mounts`].
pub(super) fn receives_mounts() -> io::Result<bool> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    Ok(table.split(|byte| *byte == b'\n').any(is_passed_on_to))
}

/// Whether the optional fields of a line say that the mount gets those of others.
fn is_passed_on_to(line: &[u8]) -> bool {
    let tags = line.split(|byte| *byte == b' ').skip(6);
    let mut tags = tags.take_while(|tag| *tag != b"-");
    tags.any(|tag| tag.starts_with(b"master:"))
}

fn table(path: &Path) -> io::Result<Vec<MountEntry>> {
    let table = std::fs::read(path)?;
    Ok(table
        .split(|byte| *byte == b'\n')
        .filter_map(parse)
        .collect())
}

/// How many mounts are stacked at `path`.
pub(super) fn stacked_at(path: &Path) -> io::Result<usize> {
    Ok(mounts()?.iter().filter(|entry| entry.path == path).count())
}

/// Parses a line: `36 35 98:0 /root /mount opts [tags] - type source superopts`
/// (proc(5)).
fn parse(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|byte| *byte == b' ');
    let root = path(fields.nth(3)?);
    let mount = path(fields.next()?);
    let options = String::from_utf8_lossy(fields.next()?).into_owned();
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let kind = String::from_utf8_lossy(fields.next()?).into_owned();
    let source = path(fields.next()?).display().to_string();
    let options = options.split(',').map(str::to_owned).collect();
    Some(MountEntry {
        path: mount,
        root,
        kind,
        source,
        options,
    })
}

/// Undoes the kernel's octal escapes of blanks, tabs, newlines and backslashes.
fn path(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        if let (
            b'\\',
            [
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ],
        ) = (*first, tail)
        {
            bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
            rest = after;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{is_passed_on_to, mounted_paths, mounts, parse};

    #[test]
    fn a_line_with_tags_and_escapes() {
        let line = b"36 35 0:52 /a\\040b /mnt/x\\011y\\134 rw,nosuid shared:1 master:2 - fuse.rclone rem\\040ote rw";
        let entry = parse(line).unwrap();
        assert_eq!(entry.path, Path::new("/mnt/x\ty\\"));
        assert_eq!(entry.root, Path::new("/a b"));
        assert_eq!(
            (entry.kind.as_str(), entry.source.as_str()),
            ("fuse.rclone", "rem ote")
        );
        assert_eq!(entry.options, ["rw", "nosuid"]);
    }

    #[test]
    fn only_slaves_get_mounts_of_others() {
        assert!(is_passed_on_to(
            b"36 35 0:52 / /mnt rw shared:1 master:2 - tmpfs none rw"
        ));
        for line in [
            b"36 35 0:52 / /mnt rw shared:1 - tmpfs none rw".as_slice(),
            b"36 35 0:52 / /mnt rw - tmpfs none master:2",
            b"",
        ] {
            assert!(!is_passed_on_to(line));
        }
    }

    #[test]
    fn the_real_table_has_a_root() {
        assert!(
            mounts()
                .unwrap()
                .iter()
                .any(|entry| entry.path == Path::new("/"))
        );
    }

    #[test]
    fn the_root_is_mounted() {
        assert!(mounted_paths().unwrap().contains(Path::new("/")));
    }
}
