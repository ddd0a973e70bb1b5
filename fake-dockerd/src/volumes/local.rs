//! The built-in driver: directories below the data root.
//!
//! Follows moby's `volume/local/local.go`, except that a volume with options (a mount of something
//! else) is a plain directory here: nothing is mounted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::Pairs;
use super::driver::{Driver, DriverVolume};
use crate::error::{Error, Result};

/// The driver's name.
pub(crate) const NAME: &str = "local";
/// The directory in a volume's directory that holds its data.
const DATA: &str = "_data";

/// The driver.
#[derive(Debug)]
pub(crate) struct Local {
    root: PathBuf,
}

/// What the driver tells of a volume.
pub(super) struct Told {
    name: String,
    mountpoint: PathBuf,
}

impl Told {
    pub(super) fn with(self, driver: &Arc<Driver>) -> DriverVolume {
        let created = fs::metadata(&self.mountpoint).and_then(|meta| meta.modified());
        let created = created
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok())
            .unwrap_or_default();
        DriverVolume::found(
            driver,
            self.name,
            self.mountpoint.to_string_lossy().into_owned(),
            created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        )
    }
}

impl Local {
    /// The driver with its volumes in `root`.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn create(&self, name: &str, options: Option<&Pairs>) -> Result<Told> {
        validate_name(name)?;
        if let Some(options) = options {
            validate_options(options)?;
        }
        let told = self.told(name);
        fs::create_dir_all(&told.mountpoint).map_err(|error| {
            Error::system(format!(
                "error while creating volume root path '{}': {error}",
                told.mountpoint.display()
            ))
        })?;
        Ok(told)
    }

    pub(super) fn get(&self, name: &str) -> Option<Told> {
        validate_name(name).ok()?;
        let told = self.told(name);
        told.mountpoint.is_dir().then_some(told)
    }

    pub(super) fn remove(&self, name: &str) -> Result<()> {
        validate_name(name)?;
        let path = self.root.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::system(
                format!("unable to remove volume path {}: {error}", path.display()),
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn list(&self) -> Vec<Told> {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return Vec::new();
        };
        entries
            .filter_map(Result::ok)
            .filter_map(|entry| self.get(&entry.file_name().to_string_lossy()))
            .collect()
    }

    fn told(&self, name: &str) -> Told {
        Told {
            name: name.to_owned(),
            mountpoint: self.root.join(name).join(DATA),
        }
    }
}

/// How many bytes there are below `path`; what cannot be read counts nothing.
pub(crate) fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// moby's `validateOpts`, on a disk without project quotas.
fn validate_options(options: &Pairs) -> Result<()> {
    const KNOWN: [&str; 4] = ["type", "o", "device", "size"];
    const NEEDS: [(&str, &str); 4] = [
        ("device", "type"),
        ("type", "device"),
        ("o", "device"),
        ("o", "type"),
    ];
    let given = |wanted: &str| options.iter().find(|(key, _)| key.as_str() == wanted);
    if let Some((wrong, _)) = options
        .iter()
        .find(|(key, _)| !KNOWN.contains(&key.as_str()))
    {
        return Err(Error::invalid(format!("invalid option: {wrong:?}")));
    }
    if let Some((_, size)) = given("size") {
        // A number and a unit: go-units' `RAMInBytes`.
        let number = size.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
        match number.parse::<f64>() {
            Ok(number) if number == 0.0 && !number.is_sign_negative() => {}
            Ok(number) if number > 0.0 => {
                return Err(Error::invalid("quota size requested but no quota support"));
            }
            _ => return Err(Error::invalid(format!("invalid size: '{size}'"))),
        }
    }
    for (key, needed) in NEEDS {
        if given(key).is_some() && given(needed).is_none() {
            return Err(Error::invalid(format!(
                "missing required option: {needed:?}"
            )));
        }
    }
    Ok(())
}

/// Names become paths here, and only here are they restricted (`names.RestrictedNamePattern`).
fn validate_name(name: &str) -> Result<()> {
    if name.len() == 1 {
        return Err(Error::invalid(
            "volume name is too short, names should be at least two alphanumeric characters",
        ));
    }
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    if first && characters.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{name:?} includes invalid characters for a local volume name, only \
         \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use \
         absolute path"
    )))
}

#[cfg(test)]
mod tests {
    use super::Local;

    #[test]
    fn no_name_leads_outside() {
        let root = tempfile::tempdir().unwrap();
        let local = Local::new(root.path().join("volumes"));
        for wrong in ["..", ".", "a/b", "", "x", "../x"] {
            assert!(local.create(wrong, None).is_err(), "{wrong}");
            assert!(local.get(wrong).is_none(), "{wrong}");
            assert!(local.remove(wrong).is_err(), "{wrong}");
        }
        assert!(local.create("data", None).is_ok());
        assert_eq!(local.list().len(), 1);
    }
}
