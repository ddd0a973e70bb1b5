//! What survives a restart: one JSON file per record, replaced by renaming.
//!
//! dockerd keeps volumes in a bolt database and containers in a directory each. One file per record
//! needs no database and can be read by whoever wonders what the engine remembers; a rename is
//! atomic, so that a record is the old or the new one wherever the process is killed. Nothing is
//! synced to disk: a fake engine has to survive its own death, not the machine's, and a plugin's
//! author should not wait for a disk. A record that cannot be read is put aside and told about; the
//! others are not its hostages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A directory of records.
#[derive(Debug)]
pub(crate) struct Records {
    directory: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Record<K, V> {
    key: K,
    value: V,
}

impl Records {
    /// Opens the directory, which is made if need be.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Every record. What a killed process left half written is removed.
    pub(crate) fn all<V: DeserializeOwned>(&self) -> io::Result<Vec<(String, V)>> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            match path.extension().and_then(|ext| ext.to_str()) {
                Some("json") => {}
                Some("new") => {
                    fs::remove_file(&path)?;
                    continue;
                }
                _ => continue,
            }
            let bytes = fs::read(&path)?;
            match serde_json::from_slice::<Record<String, V>>(&bytes) {
                Ok(Record { key, value }) => records.push((key, value)),
                Err(error) => {
                    tracing::warn!("{} is put aside: {error}", path.display());
                    fs::rename(&path, path.with_extension("broken"))?;
                }
            }
        }
        Ok(records)
    }

    /// Writes a record.
    pub(crate) fn put<V: Serialize>(&self, key: &str, value: &V) -> io::Result<()> {
        let bytes = serde_json::to_vec(&Record { key, value })?;
        let path = self.path(key);
        let new = path.with_extension("new");
        fs::write(&new, bytes)?;
        fs::rename(&new, &path)
    }

    /// Removes a record, if there is one.
    pub(crate) fn remove(&self, key: &str) -> io::Result<()> {
        match fs::remove_file(self.path(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// A name of a volume may be anything, of any length; its digest is a file name.
    fn path(&self, key: &str) -> PathBuf {
        let digest = Sha256::digest(key.as_bytes());
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join(name).with_extension("json")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Records;

    #[test]
    fn a_broken_record_is_put_aside_and_the_others_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let records = Records::open(root.path()).unwrap();
        records.put("../a/b", &1).unwrap();
        records.put("../a/b", &2).unwrap();
        records.put("gone", &3).unwrap();
        records.remove("gone").unwrap();
        records.remove("gone").unwrap();
        fs::write(root.path().join("x.json"), "{").unwrap();
        fs::write(root.path().join("y.new"), "{").unwrap();
        let all: Vec<(String, i32)> = records.all().unwrap();
        assert_eq!(all, [("../a/b".to_owned(), 2)]);
        assert!(root.path().join("x.broken").exists());
        assert!(!root.path().join("y.new").exists());
    }
}
