//! Canaries: small trees that no plugin has any business with.
//!
//! Whatever is done to the plugin, its tree must stay as it is: content, owner, mode, and nothing
//! new in it or mounted on it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use super::mounts;

/// Neither root nor anybody else: a plugin that changes owners on its way is seen.
const OWNER: u32 = 12_345;

/// Marks a directory as one that may be harmed.
const MARK: &str = ".volplug-canary";

/// What there is to a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    mode: u32,
    owner: (u32, u32),
    content: Option<Vec<u8>>,
}

/// A tree that must stay as it is.
#[derive(Debug, Clone)]
pub struct Canary {
    dir: PathBuf,
    before: BTreeMap<PathBuf, Item>,
}

impl Canary {
    /// Plants a tree at `dir`, which is made.
    ///
    /// # Errors
    /// What the file system said.
    pub fn plant(dir: &Path) -> io::Result<Self> {
        plant(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            before: items(dir)?,
        })
    }

    /// The tree's directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What is no longer as it was.
    #[must_use]
    pub fn harm(&self) -> Option<String> {
        let now = match items(&self.dir) {
            Ok(now) => now,
            Err(error) => return Some(format!("{}: {error}", self.dir.display())),
        };
        for (path, was) in &self.before {
            let shown = path.display();
            let Some(is) = now.get(path) else {
                return Some(format!("{shown} was deleted"));
            };
            if is.content != was.content {
                return Some(format!("{shown} was written"));
            }
            if is.owner != was.owner {
                let (uid, gid) = is.owner;
                return Some(format!("{shown} was given to {uid}:{gid}"));
            }
            if is.mode != was.mode {
                return Some(format!("{shown} got the mode {:o}", is.mode & 0o7777));
            }
        }
        if let Some(path) = now.keys().find(|path| !self.before.contains_key(*path)) {
            return Some(format!("{} was made", path.display()));
        }
        let mounted = mounts().ok()?;
        let mount = mounted
            .iter()
            .find(|entry| entry.path.starts_with(&self.dir))?;
        Some(format!("something was mounted at {}", mount.path.display()))
    }

    /// Makes the tree what it was.
    ///
    /// # Errors
    /// What the file system said, such as that something is mounted on it.
    pub fn mend(&mut self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        *self = Self::plant(&self.dir)?;
        Ok(())
    }

    /// Makes links in `place` that lead to the tree and into it, for whoever follows links.
    ///
    /// # Errors
    /// What the file system said.
    pub fn link_from(&self, place: &Path) -> io::Result<()> {
        symlink(&self.dir, place.join("to-directory"))?;
        symlink(self.dir.join("inner"), place.join("to-inner"))?;
        symlink(self.dir.join("file"), place.join("to-file"))
    }
}

fn plant(dir: &Path) -> io::Result<()> {
    let inner = dir.join("inner");
    std::fs::create_dir_all(&inner)?;
    let files = [
        dir.join(MARK),
        dir.join("file"),
        inner.join(MARK),
        inner.join("file"),
    ];
    for file in &files {
        std::fs::write(file, "nobody but the runner has business here\n")?;
    }
    for path in files.iter().chain([&inner, &dir.to_owned()]) {
        // Without root they belong to the runner, and that they stay so is seen as well.
        let _ = chown(path, Some(OWNER), Some(OWNER));
    }
    symlink("inner", dir.join("link"))
}

/// The tree as it is now; it is small, or was made so by somebody else.
fn items(dir: &Path) -> io::Result<BTreeMap<PathBuf, Item>> {
    const ENOUGH: usize = 200;
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(path) = todo.pop() {
        if found.len() >= ENOUGH {
            break;
        }
        let meta = match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            meta => meta?,
        };
        let mut content = None;
        if meta.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                todo.push(entry?.path());
            }
        } else if meta.is_symlink() {
            let aim = std::fs::read_link(&path)?;
            content = Some(aim.into_os_string().into_encoded_bytes());
        } else if meta.is_file() && meta.len() < 65_536 {
            content = Some(std::fs::read(&path)?);
        }
        found.insert(
            path,
            Item {
                mode: meta.mode(),
                owner: (meta.uid(), meta.gid()),
                content,
            },
        );
    }
    Ok(found)
}
