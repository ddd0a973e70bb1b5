//! What is done to directories on mounted storage. All of it may hang: it runs on threads that
//! nobody has to wait for.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    super::local::{made_at, unique},
    Naming,
};
use crate::backend::{DataOnRemove, Provisioned};

/// Where removed volumes wait to be deleted. Its name makes it no volume.
const TRASH: &str = ".volplug-trash";
/// Where removed volumes stay when the driver may not delete them.
const REMOVED: &str = ".volplug-removed";
/// How old something in the trash is that nobody deletes any more: far longer than a removal takes,
/// and than the clocks of two hosts differ.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// What Docker's own local driver gives a volume.
const DEFAULT_MODE: u32 = 0o755;

/// Whom a new directory belongs to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) struct Attributes {
    pub(in crate::backend) mode: Option<u32>,
    pub(in crate::backend) uid: Option<u32>,
    pub(in crate::backend) gid: Option<u32>,
}

/// A directory on its way out.
#[derive(Debug)]
pub struct Moved {
    from: PathBuf,
    to: PathBuf,
    data: DataOnRemove,
}

/// Makes a directory; one that exists is somebody's and stays as it is.
pub(in crate::backend) fn make(
    directory: &Path,
    attributes: Attributes,
) -> io::Result<Provisioned> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return if fs::symlink_metadata(directory)?.is_dir() {
                Ok(Provisioned::Found)
            } else {
                Err(io::Error::other("there is a file of that name"))
            };
        }
        Err(error) => return Err(error),
    }
    let Attributes { mode, uid, gid } = attributes;
    let mode = mode.unwrap_or(DEFAULT_MODE);
    let dressed = if uid.is_some() || gid.is_some() {
        chown(directory, uid, gid)
    } else {
        Ok(())
    };
    // After chown, which clears set-uid and set-gid bits.
    let dressed =
        dressed.and_then(|()| fs::set_permissions(directory, Permissions::from_mode(mode)));
    if let Err(error) = dressed {
        let _ = fs::remove_dir(directory);
        return Err(error);
    }
    Ok(Provisioned::Made)
}

pub(super) fn list(root: &Path, naming: Naming) -> io::Result<BTreeSet<String>> {
    let mut directories = BTreeSet::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if naming.name_of(&name).is_some() && entry.file_type()?.is_dir() {
            directories.insert(name);
        }
    }
    Ok(directories)
}

/// Moves a directory out of sight, unless it is gone already.
pub(super) fn retire(root: &Path, directory: &str, data: DataOnRemove) -> io::Result<Moved> {
    let (place, name) = match data {
        DataOnRemove::Deleted => (root.join(TRASH), unique()),
        DataOnRemove::Kept => {
            let start: String = directory.chars().take(40).collect();
            (root.join(REMOVED), format!("{start}.{}", unique()))
        }
    };
    let moved = Moved {
        from: root.join(directory),
        to: place.join(name),
        data,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&place)?;
    match fs::rename(&moved.from, &moved.to) {
        // Not to be taken for gone when it is the trash that somebody has removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_missing(&moved.from)? => {
            Ok(moved)
        }
        Err(error) => Err(error),
        Ok(()) => Ok(moved),
    }
}

fn is_missing(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

pub(super) fn reinstate(moved: &Moved) -> io::Result<()> {
    fs::rename(&moved.to, &moved.from)
}

/// Deletes for good what is to be deleted. Links are removed, not followed.
pub(super) fn discard(moved: &Moved) {
    if moved.data == DataOnRemove::Kept {
        return;
    }
    delete(&moved.to);
}

fn delete(removed: &Path) {
    match fs::remove_dir_all(removed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %removed.display(), %error, "a removed volume stays in the trash");
        }
        _ => {}
    }
}

/// Deletes what removals left in the trash that never came to their end, whichever driver on this
/// storage was killed in them. What is young may be somebody's removal that is under way.
pub(super) fn sweep(root: &Path) {
    let trash = root.join(TRASH);
    // Not followed: a link could lead the driver anywhere on this host.
    if !fs::symlink_metadata(&trash).is_ok_and(|metadata| metadata.is_dir()) {
        return;
    }
    let entries = match fs::read_dir(&trash) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(path = %trash.display(), %error, "the trash of the storage cannot be read");
            return;
        }
    };
    let forgotten = Timestamp::now() - FORGOTTEN_AFTER;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let since = name.to_str().and_then(made_at);
        if since.is_some_and(|since| since < forgotten) {
            tracing::info!(path = %entry.path().display(), "deleting what an interrupted removal has left");
            delete(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_files_are_no_volumes_and_trash_is_hidden() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        make(
            &root.join("one"),
            Attributes {
                mode: Some(0o1777),
                ..Attributes::default()
            },
        )
        .unwrap();
        fs::write(root.join("file"), "").unwrap();
        std::os::unix::fs::symlink("/etc", root.join("link")).unwrap();
        fs::write(root.join("one/kept"), "data").unwrap();
        let names = |root: &Path| {
            list(root, Naming::Plain)
                .unwrap()
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(names(root), ["one"]);
        assert_eq!(
            make(&root.join("one"), Attributes::default()).unwrap(),
            Provisioned::Found
        );
        assert!(make(&root.join("link"), Attributes::default()).is_err());
        assert!(make(&root.join("file"), Attributes::default()).is_err());

        let moved = retire(root, "one", DataOnRemove::Deleted).unwrap();
        assert!(names(root).is_empty());
        reinstate(&moved).unwrap();
        assert_eq!(fs::read_to_string(root.join("one/kept")).unwrap(), "data");
        discard(&retire(root, "one", DataOnRemove::Kept).unwrap());
        let kept = fs::read_dir(root.join(REMOVED))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(
            fs::read_to_string(kept.path().join("kept")).unwrap(),
            "data"
        );
        fs::remove_dir_all(root.join(REMOVED)).unwrap();
        make(&root.join("one"), Attributes::default()).unwrap();
        discard(&retire(root, "one", DataOnRemove::Deleted).unwrap());
        discard(&retire(root, "one", DataOnRemove::Deleted).unwrap());
        let left: BTreeSet<_> = fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 3, "{left:?}");
        assert_eq!(fs::read_dir(root.join(TRASH)).unwrap().count(), 0);
    }

    #[test]
    fn only_old_trash_is_swept() {
        let root = tempfile::tempdir().unwrap();
        let trash = root.path().join(TRASH);
        sweep(root.path());
        let old = Timestamp::now() - SignedDuration::from_hours(2);
        let young = unique();
        for name in [
            &format!("{:x}-0", old.as_nanosecond()),
            &young,
            "somebody's own",
        ] {
            fs::create_dir_all(trash.join(name).join("deep")).unwrap();
        }
        sweep(root.path());
        let left: BTreeSet<_> = fs::read_dir(&trash)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(left, [young, "somebody's own".to_owned()].into());
    }
}
