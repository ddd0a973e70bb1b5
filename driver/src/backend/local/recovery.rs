//! What a start finds below the data root, and what it makes of it.
//!
//! - In `staging/`: Creates that never finished. They are deleted.
//! - In `trash/`: removed volumes, still to be deleted; but one that the store knows and that is
//!   missing from its place is a Remove that was never recorded, and is put back.
//! - In `volumes/`, when the store was lost: volumes, which are adopted again so that nobody's
//!   data are forgotten.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{DATA, Found, Local, note, trash};
use crate::{types::Options, volumes::Key};

/// Tidies up before the first request. `known` tells whether the store has a record of a name;
/// `lost` is whether there is no store to ask, so that every directory counts as a volume.
pub(super) fn recover(
    local: &Local,
    lost: bool,
    known: impl Fn(&str) -> bool,
) -> io::Result<Vec<Found>> {
    for entry in fs::read_dir(local.root.trash())? {
        let path = entry?.path();
        if let Some(home) = unrecorded_remove(local, &path, &known) {
            fs::rename(&path, &home)?;
            tracing::warn!(path = %home.display(), "a volume whose Remove was cut off is back in its place");
        } else {
            local.trash.empty(path);
        }
    }
    for entry in fs::read_dir(local.root.staging())? {
        // Moved first: a name in staging may be needed while the old one is being deleted.
        let entry = entry?;
        let doomed = local.root.trash().join(entry.file_name());
        fs::rename(entry.path(), &doomed)?;
        local.trash.empty(doomed);
    }
    // Shared storage is asked for its volumes all the time.
    if lost && local.root.host().is_none() {
        adopt(&local.root.volumes())
    } else {
        Ok(Vec::new())
    }
}

/// Where a directory in the trash belongs, if its volume is still on record.
fn unrecorded_remove(
    local: &Local,
    trashed: &Path,
    known: impl Fn(&str) -> bool,
) -> Option<PathBuf> {
    let key = trash::key_in(trashed.file_name()?.to_str()?)?;
    let name = match note::read(trashed) {
        Some((name, _)) => name,
        None => Key::name_of(key.as_ref())?,
    };
    let home = local.root.volumes().join(Key::of(&name));
    let missing = fs::symlink_metadata(&home).is_err();
    (Key::of(&name).as_str() == key && missing && known(&name)).then_some(home)
}

fn adopt(volumes: &Path) -> io::Result<Vec<Found>> {
    let (found, foreign) = survey(volumes)?;
    for path in foreign {
        tracing::error!(
            path = %path.display(),
            "this directory is not recognised as a volume; it is left alone"
        );
    }
    Ok(found)
}

/// All volumes of a directory, and what else is in it.
pub(super) fn survey(volumes: &Path) -> io::Result<(Vec<Found>, Vec<PathBuf>)> {
    let (mut found, mut foreign) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(volumes)? {
        let path = entry?.path();
        match identify(&path) {
            Some(volume) => found.push(volume),
            None => foreign.push(path),
        }
    }
    Ok((found, foreign))
}

/// The volume in a directory, if there is one.
pub(super) fn identify(directory: &Path) -> Option<Found> {
    let file_name = directory.file_name()?;
    let data = fs::symlink_metadata(directory.join(DATA))
        .ok()
        .filter(fs::Metadata::is_dir)?;
    let (name, options) = match note::read(directory) {
        Some(noted) => noted,
        None => (Key::name_of(file_name)?, Options::new()),
    };
    // A note that was copied here from elsewhere must not lend its name to this directory.
    if Key::of(&name).as_str() != file_name.to_str()? {
        return None;
    }
    let born = data.created().or_else(|_| data.modified()).ok();
    let created_at = born
        .and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or_else(Timestamp::now);
    Some(Found {
        name,
        options,
        created_at,
    })
}
