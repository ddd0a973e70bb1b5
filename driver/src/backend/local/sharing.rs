//! A data root that several hosts share, as on NFS or MooseFS.
//!
//! A volume that a host holds has a file of the host's name in `volumes/KEY/holders/`. No engine
//! knows of containers on other hosts, so nothing else would keep one host from removing what
//! another one uses. Each host writes and removes its own file only; what a host that is gone for
//! good leaves behind, an administrator removes.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use crate::{
    error::{Error, ErrorKind},
    types::VolumeName,
};

const HOLDERS: &str = "holders";

/// Notes in a volume's directory that this host holds it.
pub(super) fn hold(volume: &Path, host: &str) -> io::Result<()> {
    let holders = volume.join(HOLDERS);
    // Not recursive: a volume that is gone must not be made again as an empty one.
    match DirBuilder::new().mode(0o700).create(&holders) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::create(holders.join(host)).map(drop)
}

/// Undoes [`hold`]; fine when there is nothing to undo.
pub(super) fn release(volume: &Path, host: &str) -> io::Result<()> {
    match fs::remove_file(volume.join(HOLDERS).join(host)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Refuses a volume that other hosts hold.
pub(super) fn refuse_held(volume: &Path, home: &Path, host: &str) -> Result<(), Error> {
    let others =
        others(volume, host).map_err(|cause| Error::internal("see who holds it", cause))?;
    if others.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InUse,
        format!(
            "it is mounted on {}: stop the containers there first; if a host is gone for good, \
             remove its file from {}",
            others.join(", "),
            home.join(HOLDERS).display()
        ),
    ))
}

fn others(volume: &Path, host: &str) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(volume.join(HOLDERS)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut others = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != host {
            others.push(name);
        }
    }
    others.sort();
    Ok(others)
}

/// Releases what this host does not hold any more: a reboot ends all holds without an Unmount.
pub(super) fn release_forgotten(
    volumes: &Path,
    host: &str,
    held: &dyn Fn(&VolumeName) -> bool,
) -> io::Result<()> {
    for entry in fs::read_dir(volumes)? {
        let volume = entry?.path();
        if fs::symlink_metadata(volume.join(HOLDERS).join(host)).is_err() {
            continue;
        }
        let known = super::recovery::identify(&volume).is_some_and(|found| held(&found.name));
        if !known {
            release(&volume, host)?;
        }
    }
    Ok(())
}
