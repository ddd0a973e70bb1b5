//! Canaries: small trees that no plugin has any business with.
//!
//! A hostile case aims at one of them, and only at it, and looks afterwards whether it is as it
//! was: content, owner, mode, and nothing new in it or mounted on it.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use crate::suite::{CaseResult, Cx, Finding, Halt};
use crate::target::mounts;

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
#[derive(Debug)]
pub(super) struct Canary {
    dir: PathBuf,
    before: BTreeMap<PathBuf, Item>,
}

impl Canary {
    /// Plants a tree in the run's own directory.
    pub(super) async fn plant(cx: &mut Cx) -> CaseResult<Self> {
        let name = format!("canary-{}", cx.hex(8));
        let dir = cx.target().work.join(name);
        let planted = dir.clone();
        let before = cx
            .target()
            .files
            .look(move || {
                plant(&planted)?;
                items(&planted)
            })
            .await
            .map_err(|error| Halt::skip(format!("{}: {error}", dir.display())))?;
        cx.step(format!("made {} with files in it", dir.display()));
        Ok(Self { dir, before })
    }

    /// The tree's directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends the case unless the tree is as it was; `when` fits behind the harm done.
    pub(super) async fn check(&self, cx: &Cx, when: &str) -> CaseResult {
        match self.harm(cx).await {
            None => Ok(()),
            Some(harm) => Err(Finding::new(
                format!("nothing below {} is touched", self.dir.display()),
                format!("{harm} {when}"),
            )
            .into()),
        }
    }

    /// What is no longer as it was.
    async fn harm(&self, cx: &Cx) -> Option<String> {
        let dir = self.dir.clone();
        let now = match cx.target().files.look(move || items(&dir)).await {
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
    Ok(())
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
