//! The kernel's table of mounts, read without touching what is mounted.
//!
//! See proc_pid_mountinfo(5). Asking the paths themselves could hang on a dead server.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

/// The first mount point at or below a directory, in this process's mount namespace.
pub(crate) fn mounted_below(directory: &Path) -> io::Result<Option<PathBuf>> {
    let table = fs::read("/proc/self/mountinfo")?;
    Ok(mount_points(&table).find(|point| point.starts_with(directory)))
}

fn mount_points(table: &[u8]) -> impl Iterator<Item = PathBuf> {
    table
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(OsString::from_vec(unescape(field))))
}

/// Blanks and backslashes are written as three octal digits.
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
    fn mount_points_are_unescaped() {
        let table = b"22 1 0:20 / / rw - ext4 /dev/a rw\n36 22 98:0 /mnt1 /with\\040blank\\134x rw shared:1 - ext3 /dev/b rw\n";
        let points: Vec<_> = mount_points(table).collect();
        assert_eq!(
            points,
            [PathBuf::from("/"), PathBuf::from("/with blank\\x")]
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
    }
}
