//! The kernel's table of mounts, read without touching what is mounted.
//!
//! See proc_pid_mountinfo(5). Asking the paths themselves could hang on a dead server.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

const TABLE: &str = "/proc/self/mountinfo";

/// One mount, as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub(crate) point: PathBuf,
    /// The type of file system, such as `nfs4` or `fuse.s3fs`.
    pub(crate) fstype: String,
    /// What is mounted, in the words of the file system.
    pub(crate) source: String,
}

/// The mount that one sees at this path: the topmost, where several lie over each other.
pub(crate) fn at(point: &Path) -> io::Result<Option<Mount>> {
    let table = fs::read(TABLE)?;
    Ok(mounts(&table).filter(|mount| mount.point == point).last())
}

/// The first mount point at or below a directory, in this process's mount namespace.
pub(crate) fn mounted_below(directory: &Path) -> io::Result<Option<PathBuf>> {
    let table = fs::read(TABLE)?;
    Ok(mounts(&table)
        .map(|mount| mount.point)
        .find(|point| point.starts_with(directory)))
}

fn mounts(table: &[u8]) -> impl Iterator<Item = Mount> {
    table.split(|byte| *byte == b'\n').filter_map(parse)
}

/// `36 35 98:0 /root /point rw,noatime shared:1 - ext3 /dev/root rw`: any number of optional
/// fields end with the dash.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let point = PathBuf::from(OsString::from_vec(unescape(fields.nth(4)?)));
    let mut after_dash = fields.skip_while(|field| field != b"-").skip(1);
    let mut text = || Some(String::from_utf8_lossy(&unescape(after_dash.next()?)).into_owned());
    Some(Mount {
        point,
        fstype: text()?,
        source: text()?,
    })
}

/// Blanks, `#` and backslashes are written as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let code = if *first == b'\\' {
            tail.first_chunk::<3>().and_then(octal)
        } else {
            None
        };
        match code {
            Some(byte) => {
                plain.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => plain.push(*first),
        }
    }
    plain
}

fn octal(digits: &[u8; 3]) -> Option<u8> {
    let value = digits.iter().try_fold(0u32, |value, digit| {
        Some(value * 8 + char::from(*digit).to_digit(8)?)
    });
    u8::try_from(value?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_fields_are_unescaped_and_optional_fields_skipped() {
        let table = b"22 1 0:20 / / rw - ext4 /dev/a rw\n\
            36 22 98:0 /mnt1 /with\\040blank\\134x rw shared:1 master:2 - fuse mfs\\0431.2.3.4:9421 rw\n\
            37 22 98:0 / /cut rw\n";
        let mounts: Vec<_> = mounts(table).collect();
        let mount = |point: &str, fstype: &str, source: &str| Mount {
            point: point.into(),
            fstype: fstype.into(),
            source: source.into(),
        };
        assert_eq!(
            mounts,
            [
                mount("/", "ext4", "/dev/a"),
                mount("/with blank\\x", "fuse", "mfs#1.2.3.4:9421")
            ]
        );
    }

    #[test]
    fn a_sibling_with_the_same_prefix_is_not_below() {
        assert!(Path::new("/data/v1/x").starts_with("/data/v1"));
        assert_eq!(
            mounted_below(Path::new("/proc-but-not-really")).unwrap(),
            None
        );
        assert_eq!(
            mounted_below(Path::new("/proc")).unwrap().as_deref(),
            Some(Path::new("/proc"))
        );
        assert_eq!(at(Path::new("/proc")).unwrap().unwrap().fstype, "proc");
        assert_eq!(at(Path::new("/proc/self")).unwrap(), None);
    }
}
