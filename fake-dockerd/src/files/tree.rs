//! A root directory with others mounted in it, walked as a container would walk it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::FileStat;

use super::node::{Attributes, Kind, Node};

/// How many links are followed on the way to a file.
const MAX_LINKS: usize = 255;

/// A tree of files.
#[derive(Debug)]
pub(crate) struct Tree {
    root: Node,
    /// By their path in the tree, without links.
    mounts: BTreeMap<PathBuf, Node>,
}

/// A file of a tree.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its path in the tree, without links.
    pub(crate) path: PathBuf,
    pub(crate) node: Node,
}

/// What a walk does about the last name of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// Follows it, if it is a link.
    Follow,
    /// Takes it as it is.
    Keep,
}

impl Tree {
    /// A tree with nothing mounted in it yet.
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        Ok(Self {
            root: Node::open(root)?,
            mounts: BTreeMap::new(),
        })
    }

    /// Mounts a file or directory of the host; what is missing of its destination is made, as
    /// moby's `mountVolumes` and `openContainerFS` do.
    pub(crate) fn mount(&mut self, source: &Path, destination: &Path) -> io::Result<()> {
        let source = Node::open(source)?;
        let found = if source.is_directory() {
            self.make_directories(destination)?
        } else {
            self.make_file(destination)?
        };
        self.mounts.insert(found.path, source);
        Ok(())
    }

    /// Walks to a file. No link and no `..` leads out of the tree.
    ///
    /// # Errors
    /// As the kernel has them: `ENOENT`, `ENOTDIR`, `ELOOP`.
    pub(crate) fn find(&self, path: &Path, last: Last) -> io::Result<Found> {
        self.walk(path, last, false)
    }

    /// Walks to a directory, and makes what is missing of it.
    pub(crate) fn make_directories(&self, path: &Path) -> io::Result<Found> {
        self.walk(path, Last::Follow, true)
    }

    fn make_file(&self, path: &Path) -> io::Result<Found> {
        match self.find(path, Last::Follow) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        let name = path.file_name().ok_or(Errno::EISDIR)?;
        let parent = self.make_directories(path.parent().unwrap_or(Path::new("/")))?;
        drop(parent.node.make_file(name)?);
        self.child(&parent, name)
    }

    /// What a directory of the tree has under one name; a link is not followed.
    pub(crate) fn child(&self, directory: &Found, name: &OsStr) -> io::Result<Found> {
        let path = directory.path.join(name);
        let node = match self.mounts.get(&path) {
            Some(mounted) => mounted.clone(),
            None => directory.node.child(name)?,
        };
        Ok(Found { path, node })
    }

    /// Whether something is mounted there.
    pub(crate) fn is_mount(&self, path: &Path) -> bool {
        self.mounts.contains_key(path)
    }

    fn walk(&self, path: &Path, last: Last, make: bool) -> io::Result<Found> {
        let mut rest = parts(path);
        // The directories that were entered: `..` leads back to where the walk came from, which
        // neither a link nor a rename can change.
        let mut trail = vec![Found {
            path: PathBuf::from("/"),
            node: self.root.clone(),
        }];
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                if trail.len() > 1 {
                    trail.pop();
                }
                continue;
            }
            let here = trail.last().ok_or(Errno::ENOENT)?;
            let next = match self.child(here, &part) {
                Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                    here.node.make_directory(&part)?;
                    here.node.set(&part, &Attributes::new(0o755))?;
                    self.child(here, &part)
                }
                next => next,
            }?;
            let is_last = rest.is_empty();
            let follows = !is_last || last == Last::Follow;
            if next.node.kind()? != Kind::Link || !follows {
                trail.push(next);
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::ELOOP.into());
            }
            let target = next.node.read_link()?;
            if target.is_absolute() {
                trail.truncate(1);
            }
            rest.extend(parts(&target));
        }
        let found = trail.pop().ok_or(Errno::ENOENT)?;
        if make && !found.node.is_directory() {
            return Err(Errno::ENOTDIR.into());
        }
        Ok(found)
    }
}

/// The bytes of all files below a path of the host, each of several names counted once for each.
pub(crate) fn size(root: &Path) -> u64 {
    fn below(node: &Node) -> io::Result<u64> {
        let stat: FileStat = node.stat()?;
        if !node.is_directory() {
            return Ok(u64::try_from(stat.st_size).unwrap_or(0));
        }
        let sizes = node.names()?.into_iter();
        Ok(sizes
            .map(|name| {
                node.child(&name)
                    .and_then(|child| below(&child))
                    .unwrap_or(0)
            })
            .sum())
    }
    Node::open(root).and_then(|root| below(&root)).unwrap_or(0)
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    let named = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{Last, Tree};

    #[test]
    fn nothing_leads_out() {
        let root = tempfile::tempdir().unwrap();
        let (rootfs, volume) = (root.path().join("rootfs"), root.path().join("volume"));
        fs::create_dir_all(rootfs.join("etc")).unwrap();
        fs::write(rootfs.join("etc/passwd"), "own").unwrap();
        fs::create_dir(&volume).unwrap();
        symlink("/etc/passwd", volume.join("link")).unwrap();
        symlink("../../../../etc", volume.join("up")).unwrap();
        symlink("loop", volume.join("loop")).unwrap();
        let mut tree = Tree::new(&rootfs).unwrap();
        tree.mount(&volume, Path::new("/srv/data")).unwrap();
        let path = |path: &str, last| tree.find(Path::new(path), last).map(|found| found.path);
        for asked in [
            "/srv/data/link",
            "/srv/data/up/passwd",
            "/../../etc/passwd",
            "/srv/data/../../../etc/passwd",
        ] {
            let found = path(asked, Last::Follow).unwrap();
            assert_eq!(found, Path::new("/etc/passwd"), "{asked}");
        }
        let kept = path("/srv/data/link", Last::Keep).unwrap();
        assert_eq!(kept, Path::new("/srv/data/link"));
        assert!(path("/srv/data/loop", Last::Follow).is_err());
        assert!(path("/etc/passwd/x", Last::Follow).is_err());
        assert!(rootfs.join("srv/data").is_dir(), "the mountpoint is made");
        tree.make_directories(Path::new("/srv/data/up/new"))
            .unwrap();
        assert!(rootfs.join("etc/new").is_dir());
    }
}
