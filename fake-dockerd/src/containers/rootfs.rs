//! A container's own files: what its image has, and what was written outside of its volumes.
//!
//! They are a directory in the data root. An imported image is copied there at create; a container
//! of any other image has nothing until somebody looks.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::config::ContainerCreate;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::files::tree::Tree;
use crate::images::skeleton::{self, OF_AN_IMAGE, OF_DOCKER};
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
        let images = Arc::clone(&self.images);
        let (image, from) = (image.to_owned(), from.to_owned());
        blocking(move || images.copy_path(&image, &from, Path::new(&to))).await
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
