//! The plugin's own directory, `{work}` of its command: what a call writes there, and how to put
//! it back.
//!
//! Only regular files are looked at, never through links and never into what is mounted below: a
//! mount shows other people's data.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::suite::{CaseResult, Cx, Halt};
use crate::target::mounts;

/// How much is read at the most. A directory that holds more is not understood.
const MOST_FILES: usize = 5000;
const LARGEST: u64 = 16 << 20;
const MOST_BYTES: u64 = 128 << 20;

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Its permission bits.
    pub(super) mode: u32,
    /// What it holds.
    pub(super) content: Vec<u8>,
}

/// All files of the plugin's own directory at one moment.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    root: PathBuf,
    files: BTreeMap<PathBuf, File>,
}

impl Snapshot {
    /// Looks at everything.
    pub(super) async fn take(cx: &Cx) -> CaseResult<Self> {
        let root = cx.plugin()?.work().to_owned();
        let shown = root.display().to_string();
        cx.target()
            .files
            .look(move || read_all(&root).map(|files| Self { root, files }))
            .await
            .map_err(|error| Halt::skip(format!("{shown} cannot be looked through: {error}")))
    }

    /// The plugin's directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// All files.
    pub(super) const fn files(&self) -> &BTreeMap<PathBuf, File> {
        &self.files
    }

    /// The files that are new since `earlier` or hold something else, and are not empty.
    pub(super) fn changed_since<'a>(&'a self, earlier: &'a Self) -> Vec<(&'a Path, &'a File)> {
        self.files
            .iter()
            .filter(|(_, file)| !file.content.is_empty())
            .filter(|(path, file)| {
                earlier
                    .files
                    .get(*path)
                    .is_none_or(|was| was.content != file.content)
            })
            .map(|(path, file)| (path.as_path(), file))
            .collect()
    }

    /// Makes the directory's files what they were. The plugin must not run.
    pub(super) async fn restore(&self, cx: &Cx) -> CaseResult {
        cx.step(format!(
            "put the files below {} back as they were",
            self.root.display()
        ));
        let now = Self::take(cx).await?;
        let (was, shown) = (self.files.clone(), self.root.display().to_string());
        let restore = move || {
            for path in now.files.keys().filter(|path| !was.contains_key(*path)) {
                std::fs::remove_file(path)?;
            }
            for (path, file) in was {
                if now.files.get(&path) == Some(&file) {
                    continue;
                }
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                std::fs::write(&path, &file.content)?;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(file.mode))?;
            }
            Ok(())
        };
        cx.target()
            .files
            .look(restore)
            .await
            .map_err(|error: io::Error| Halt::skip(format!("{shown}: {error}")))
    }
}

fn read_all(root: &Path) -> io::Result<BTreeMap<PathBuf, File>> {
    let mounted: BTreeSet<PathBuf> = mounts()?.into_iter().map(|entry| entry.path).collect();
    let mut found = BTreeMap::new();
    let mut bytes = 0;
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        let entries = match std::fs::read_dir(&directory) {
            // The plugin runs meanwhile: what is gone is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if mounted.contains(&path) {
                continue;
            }
            let meta = match std::fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                meta => meta?,
            };
            if meta.is_dir() {
                todo.push(path);
            } else if meta.is_file() {
                bytes += meta.len();
                if meta.len() > LARGEST || bytes > MOST_BYTES || found.len() >= MOST_FILES {
                    return Err(io::Error::other("it holds too much"));
                }
                let content = match std::fs::read(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    content => content?,
                };
                let mode = meta.mode() & 0o7777;
                found.insert(path, File { mode, content });
            }
        }
    }
    Ok(found)
}
