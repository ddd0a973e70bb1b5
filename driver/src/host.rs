//! Which host this is, among those that share a storage.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

const FILE: &str = "host-id";

/// This host's name for the others: readable, unique, and the same after every restart. It is
/// drawn once and kept in the state directory, for host names change, and machine IDs are the same
/// on all clones of a disk image.
pub(crate) fn identity(state: &Path) -> io::Result<String> {
    let file = state.join(FILE);
    match fs::read_to_string(&file) {
        Ok(identity) if is_sound(identity.trim()) => return Ok(identity.trim().to_owned()),
        Ok(_) => {
            tracing::warn!(path = %file.display(), "no host ID is in this file; a new one is drawn")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let identity = draw()?;
    let temporary = state.join(format!(".{FILE}.tmp"));
    let mut new = File::create(&temporary)?;
    writeln!(new, "{identity}")?;
    new.sync_all()?;
    fs::rename(&temporary, &file)?;
    Ok(identity)
}

fn draw() -> io::Result<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let readable: String = name
        .trim()
        .chars()
        .filter(|char| char.is_ascii_alphanumeric() || *char == '-')
        .take(40)
        .collect();
    // See random(4): a new one at each reading.
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    let readable = if readable.is_empty() {
        "host"
    } else {
        &readable
    };
    Ok(format!("{readable}.{}", random.trim()))
}

fn is_sound(identity: &str) -> bool {
    !identity.is_empty()
        && !identity.starts_with('.')
        && identity
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "-.".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_keeps_its_name() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let name = identity(one.path()).unwrap();
        assert_eq!(identity(one.path()).unwrap(), name);
        assert_ne!(identity(two.path()).unwrap(), name);
        fs::write(one.path().join(FILE), "../../etc").unwrap();
        assert!(is_sound(&identity(one.path()).unwrap()));
    }
}
