//! A note in a volume's directory that lets a volume be found again without the state file.
//!
//! Most names can be read back from the directory's own name, and most volumes have no options.
//! Only the others get a note, for it costs a block of disk each.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    backend::Spec,
    types::{Options, VolumeName},
};

const NOTE: &str = "volume.json";
/// A name and its options fit: requests are bounded to 1 MiB.
const MAX_BYTES: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
struct Note {
    name: String,
    #[serde(default)]
    options: Options,
}

/// Writes the note into a directory in the making, if the volume needs one.
pub(super) fn write(directory: &Path, spec: &Spec) -> io::Result<()> {
    if spec.key.is_reversible() && spec.options.is_empty() {
        return Ok(());
    }
    let note = Note {
        name: spec.name.as_str().to_owned(),
        options: spec.options.clone(),
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(directory.join(NOTE))?;
    file.write_all(&serde_json::to_vec(&note)?)?;
    file.sync_data()
}

/// What the note of a volume's directory says, if there is one that makes sense.
pub(super) fn read(directory: &Path) -> Option<(VolumeName, Options)> {
    let mut bytes = Vec::new();
    File::open(directory.join(NOTE))
        .ok()?
        .take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .ok()?;
    let note: Note = serde_json::from_slice(&bytes).ok()?;
    Some((VolumeName::new(note.name).ok()?, note.options))
}
