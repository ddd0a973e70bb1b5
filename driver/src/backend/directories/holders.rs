//! Which hosts hold a directory: a file of the host's name in `.volplug-holders/DIRECTORY/`.
//!
//! Each host writes and removes its own files only; what a host that is gone for good leaves behind,
//! an administrator removes.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// Where holders are noted. Its name makes it no volume.
const HOLDERS: &str = ".volplug-holders";

/// The place of a directory's holders, below the root of the storage.
pub(super) fn place(directory: &str) -> PathBuf {
    Path::new(HOLDERS).join(directory)
}

pub(super) fn hold(root: &Path, directory: &str, host: &str) -> io::Result<()> {
    let holders = root.join(place(directory));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&holders)?;
    File::create(holders.join(host)).map(drop)
}

/// Fine when there is nothing to undo.
pub(super) fn let_go(root: &Path, directory: &str, host: &str) -> io::Result<()> {
    let holders = root.join(place(directory));
    match fs::remove_file(holders.join(host)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Others may have theirs in it.
    let _ = fs::remove_dir(holders);
    Ok(())
}

/// Lets go of all directories but these.
pub(super) fn holds_only(root: &Path, held: &BTreeSet<String>, host: &str) -> io::Result<()> {
    for directory in names(&root.join(HOLDERS))? {
        if !held.contains(&directory) {
            let_go(root, &directory, host)?;
        }
    }
    Ok(())
}

/// The other hosts that hold a directory, in order.
pub(super) fn others(root: &Path, directory: &str, host: &str) -> io::Result<Vec<String>> {
    let mut others = names(&root.join(place(directory)))?;
    others.retain(|name| name != host);
    others.sort();
    Ok(others)
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let name =
        |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_its_own_holds() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        hold(root, "v", "one").unwrap();
        hold(root, "v", "two").unwrap();
        hold(root, "w", "one").unwrap();
        assert_eq!(others(root, "v", "one").unwrap(), ["two"]);
        holds_only(root, &["w".to_owned()].into(), "one").unwrap();
        assert_eq!(others(root, "v", "three").unwrap(), ["two"]);
        assert_eq!(others(root, "w", "three").unwrap(), ["one"]);
        let_go(root, "v", "two").unwrap();
        let_go(root, "v", "two").unwrap();
        assert!(others(root, "v", "one").unwrap().is_empty());
        assert!(!root.join(place("v")).exists());
    }
}
