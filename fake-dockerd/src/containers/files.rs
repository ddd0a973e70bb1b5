//! `docker cp`: the files of a container, with its volumes mounted for as long as it takes.
//!
//! Follows moby's `daemon/archive.go`. Every request mounts **every** volume of the container,
//! wherever it copies to; on a running container with the ID that is already held.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::container::Container;
use super::mountpoint::BoundMount;
use super::rootfs;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::files::tree::Tree;

/// How many links are followed on the way to a file.
const MAX_LINKS: usize = 255;

/// The files of a container while its volumes are mounted.
#[derive(Debug, Clone)]
pub struct ContainerFiles {
    rootfs: PathBuf,
    /// Inner mounts first.
    mounts: Vec<BoundMount>,
    read_only: bool,
}

impl ContainerFiles {
    /// Files with `mounts` on top, inner ones first.
    pub(crate) fn new(rootfs: PathBuf, mounts: Vec<BoundMount>, read_only: bool) -> Self {
        Self {
            rootfs,
            mounts,
            read_only,
        }
    }

    /// Where a path of the container is on the host, whether or not anything is there; nothing is
    /// made for it. By the time that somebody looks a link may have been swapped: what reads or
    /// writes for a client walks `tree` instead. Links are followed inside of the container,
    /// the last part of the path only if `follow` says so.
    ///
    /// # Errors
    /// Too many links, or a link that cannot be read.
    pub fn host_path(&self, path: &str, follow: bool) -> std::io::Result<PathBuf> {
        let mut rest = parts(Path::new(path));
        let mut inside = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                inside.pop();
                continue;
            }
            let next = inside.join(&part);
            let host = self.on_host(&next);
            let is_link = host.symlink_metadata().is_ok_and(|meta| meta.is_symlink());
            if !is_link || (rest.is_empty() && !follow) {
                inside = next;
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(std::io::Error::other("too many links"));
            }
            let target = std::fs::read_link(&host)?;
            if target.is_absolute() {
                inside = PathBuf::from("/");
            }
            rest.extend(parts(&target));
        }
        Ok(self.on_host(&inside))
    }

    /// The files as a tree in which nobody can lead out of the container, however fast links are
    /// swapped.
    pub(crate) fn tree(&self) -> std::io::Result<Tree> {
        let mut tree = Tree::new(&self.rootfs)?;
        for mount in self.mounts.iter().rev() {
            tree.mount(Path::new(&mount.source), Path::new(&mount.destination))?;
        }
        Ok(tree)
    }

    /// Whether a path of the container may be written to.
    ///
    /// # Errors
    /// Docker's text if it may not.
    pub fn check_writable(&self, path: &str) -> Result<()> {
        match self.mount_of(Path::new(path)) {
            Some(mount) if mount.writable => Ok(()),
            Some(_) => Err(Error::invalid("mounted volume is marked read-only")),
            None if self.read_only => Err(Error::invalid("container rootfs is marked read-only")),
            None => Ok(()),
        }
    }

    fn mount_of(&self, path: &Path) -> Option<&BoundMount> {
        let mut mounts = self.mounts.iter();
        mounts.find(|mount| path.starts_with(&mount.destination))
    }

    fn on_host(&self, inside: &Path) -> PathBuf {
        let (base, rest) = match self.mount_of(inside) {
            Some(mount) => (
                Path::new(&mount.source),
                inside.strip_prefix(&mount.destination),
            ),
            None => (self.rootfs.as_path(), inside.strip_prefix("/")),
        };
        match rest {
            Ok(rest) if !rest.as_os_str().is_empty() => base.join(rest),
            _ => base.to_owned(),
        }
    }
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<String> {
    let named = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        Component::ParentDir => Some("..".to_owned()),
        _ => None,
    });
    named.collect()
}

impl Core {
    /// Whether there is anything at a path that a plugin may have answered: it may be empty or, as
    /// dockerd works in `/`, relative to that.
    pub(super) fn is_on_host(&self, path: &str) -> bool {
        !path.is_empty() && self.host.exists(&Path::new("/").join(path))
    }

    /// The part of a path at which somebody who follows it stops, if there is one.
    pub(super) fn first_missing(&self, path: &str) -> Option<String> {
        let mut parts: Vec<_> = Path::new(path).ancestors().collect();
        parts.reverse();
        let parts = parts.into_iter().filter_map(Path::to_str);
        let mut parts = parts.filter(|part| !part.is_empty());
        parts.find(|part| !self.is_on_host(part)).map(str::to_owned)
    }

    /// Mounts a container's volumes, lets `work` do what it likes with the files, and unmounts.
    /// `path` is what the error of a missing mountpoint names.
    pub(crate) async fn with_files<T, F>(
        self: &Arc<Self>,
        container: &Arc<Container>,
        path: &str,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&ContainerFiles) -> Result<T> + Send + 'static,
    {
        let mut inner = container.inner.lock().await;
        let inner = &mut *inner;
        let mounted = self
            .setup_mounts(&container.id, &container.asked, &mut inner.mounts)
            .await;
        let result = match mounted {
            Ok(mounts) => self.work(container, path, mounts, work).await,
            // What was mounted before stays so, with its ID.
            Err(error) if !self.profile().cp_unmounts_after_failure => return Err(error),
            Err(error) => Err(error),
        };
        self.unmount_volumes(&container.id, &mut inner.mounts).await;
        result
    }

    async fn work<T, F>(
        &self,
        container: &Container,
        path: &str,
        mut mounts: Vec<BoundMount>,
        work: F,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&ContainerFiles) -> Result<T> + Send + 'static,
    {
        if mounts.iter().any(|mount| !self.is_on_host(&mount.source)) {
            return Err(Error::not_found(format!(
                "Could not find the file {path} in container {}",
                container.name()
            )));
        }
        mounts.reverse();
        let image = self.images.find(&container.asked.image_id);
        let has_own = image.is_some_and(|image| image.has_content());
        let working_dir = container.asked.working_dir.clone();
        let files = ContainerFiles {
            rootfs: self.rootfs(&container.id),
            mounts,
            read_only: container.asked.read_only,
        };
        let working = tokio::task::spawn_blocking(move || {
            if !has_own {
                let made = rootfs::of_a_name(&files.rootfs, &working_dir);
                made.map_err(|error| Error::system(error.to_string()))?;
            }
            work(&files)
        });
        let gone = |_| Error::system("the files of the container could not be used");
        working.await.map_err(gone)?
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::{BoundMount, ContainerFiles};

    #[test]
    fn links_stay_inside() {
        let root = tempfile::tempdir().unwrap();
        let (rootfs, volume) = (root.path().join("rootfs"), root.path().join("volume"));
        std::fs::create_dir_all(rootfs.join("etc")).unwrap();
        std::fs::create_dir(&volume).unwrap();
        symlink("/etc/passwd", volume.join("link")).unwrap();
        symlink("../../../../etc", volume.join("up")).unwrap();
        let files = ContainerFiles {
            rootfs: rootfs.clone(),
            mounts: vec![BoundMount {
                source: volume.display().to_string(),
                destination: "/data".to_owned(),
                writable: false,
                propagation: String::new(),
            }],
            read_only: false,
        };
        let host = |path: &str| files.host_path(path, true).unwrap();
        assert_eq!(host("/data/x"), volume.join("x"));
        assert_eq!(host("/data"), volume);
        assert_eq!(host("/data/link"), rootfs.join("etc/passwd"));
        assert_eq!(host("/data/up/x"), rootfs.join("etc/x"));
        assert_eq!(host("/../../x"), rootfs.join("x"));
        assert!(files.check_writable("/data/x").is_err());
        assert!(files.check_writable("/x").is_ok());
    }
}
