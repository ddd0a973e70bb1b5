//! A container's own files: what its image has, and what was written outside of its volumes.
//!
//! They are a directory in the data root. An imported image is copied there at create; a container
//! of any other image has nothing until somebody looks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::ContainerCreate;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::files::tree::{self, Tree};
use crate::images::Image;
use crate::images::skeleton::{self, Made, OF_AN_IMAGE, OF_DOCKER};
use crate::runtime::Images as _;

impl Core {
    /// Makes the files of a new container, if its image has any.
    pub(super) async fn create_rootfs(&self, id: &str, asked: &ContainerCreate) -> Result<()> {
        let image = self.images.find(&asked.image);
        if !image.is_some_and(|image| image.has_content()) {
            return Ok(());
        }
        let (images, rootfs) = (Arc::clone(&self.images), self.rootfs(id));
        let (image, working_dir) = (asked.image.clone(), asked.working_dir.clone());
        blocking(move || {
            fs::create_dir_all(&rootfs)?;
            images.copy_all(&image, &rootfs)?;
            complete(&rootfs, &working_dir)
        })
        .await
    }

    /// Fills a volume with what the image has at its destination.
    pub(super) async fn copy_up(&self, image: &str, from: &str, to: String) -> Result<()> {
        // Whether the volume is empty is looked at first (`copyExistingContents`).
        if !self.is_on_host(&to) {
            let text = format!("open {to}: no such file or directory");
            return Err(Error::system(text));
        }
        let images = Arc::clone(&self.images);
        let (image, from) = (image.to_owned(), from.to_owned());
        blocking(move || images.copy_path(&image, &from, Path::new(&to))).await
    }

    /// How many bytes a container has written outside of its volumes: neither what its image has
    /// counts nor what the engine itself puts there.
    pub(crate) fn written(&self, id: &str, image: &str) -> u64 {
        let rootfs = self.rootfs(id);
        let image = self.images.find(image).filter(Image::has_content);
        let of_image = image.as_ref().map_or(0, |image| image.size);
        let is_own = |path: &Path| {
            let Some(image) = &image else { return true };
            path.to_str()
                .is_some_and(|path| !self.images.has_path(&image.id, path))
        };
        let links = engine_links(&rootfs);
        let links = links.filter(|(path, _)| is_own(path));
        let of_engine: u64 = links.map(|(_, length)| length).sum();
        tree::size(&rootfs).saturating_sub(of_image + of_engine)
    }

    /// Removes the files of a container, and what the engine keeps for it.
    pub(super) fn forget_files(&self, id: &str) {
        for directory in [self.rootfs(id), self.container_directory(id)] {
            match fs::remove_dir_all(directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::error!(container = id, "unable to remove filesystem: {error}");
                }
                _ => {}
            }
        }
    }
}

/// The links in a container's files that the engine made, with their lengths: those of the
/// skeleton, and those that are the host's own. Of all that it makes, only links have a size.
fn engine_links(rootfs: &Path) -> impl Iterator<Item = (PathBuf, u64)> {
    let of_docker = OF_DOCKER.iter().filter_map(|(path, made)| match made {
        Made::Link(target) => Some((PathBuf::from(path), PathBuf::from(target))),
        Made::Directory(_) | Made::File => None,
    });
    let top = fs::read_dir(rootfs).into_iter().flatten().flatten();
    let of_host = top.filter_map(|entry| {
        let path = Path::new("/").join(entry.file_name());
        let target = fs::read_link(&path).ok()?;
        Some((path, target))
    });
    let links = of_docker.chain(of_host).collect::<Vec<_>>().into_iter();
    let rootfs = rootfs.to_owned();
    links.filter_map(move |(path, target)| {
        let there = fs::read_link(rootfs.join(path.strip_prefix("/").ok()?)).ok()?;
        let length = u64::try_from(there.as_os_str().len()).ok()?;
        (there == target).then_some((path, length))
    })
}

/// Makes what is missing of the files of a container whose image is only a name.
pub(super) fn of_a_name(rootfs: &Path, working_dir: &str) -> io::Result<()> {
    fs::create_dir_all(rootfs)?;
    skeleton::make(&Tree::new(rootfs)?, &OF_AN_IMAGE)?;
    complete(rootfs, working_dir)
}

fn complete(rootfs: &Path, working_dir: &str) -> io::Result<()> {
    let tree = Tree::new(rootfs)?;
    skeleton::make(&tree, &OF_DOCKER)?;
    if !working_dir.is_empty() {
        tree.make_directories(Path::new(working_dir))?;
    }
    Ok(())
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<()> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| Error::system(error.to_string()))
}
