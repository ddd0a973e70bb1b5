//! The images of a daemon: what was pulled, tagged and imported.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::skeleton::OF_DOCKER;
use super::{Image, ImageConfig, reference};
use crate::error::{Error, Result};
use crate::files::compression::Plain;
use crate::files::node::Node;
use crate::files::tree::{Last, Tree};
use crate::files::unpack::{Options, unpack};
use crate::files::{copy, tree};
use crate::records::Records;
use crate::runtime::Images;

/// What `docker import` asks for.
#[derive(Debug, Default)]
pub(crate) struct Import {
    /// The name, if it gets one.
    pub(crate) reference: Option<String>,
    pub(crate) message: String,
    pub(crate) config: ImageConfig,
}

/// Images by ID, and IDs by name.
#[derive(Debug)]
pub(crate) struct ImageStore {
    directory: PathBuf,
    images: Records,
    tags: Records,
    known: Mutex<Known>,
    /// What is said of images that were not imported.
    others: Arc<dyn Images>,
}

#[derive(Debug, Default)]
struct Known {
    images: BTreeMap<String, Image>,
    tags: BTreeMap<String, String>,
}

impl ImageStore {
    /// Reads what the last daemon left. Content whose import was cut short is removed.
    pub(crate) fn open(root: &Path, others: Arc<dyn Images>) -> io::Result<Self> {
        let directory = root.join("images");
        fs::create_dir_all(&directory)?;
        let images = Records::open(&root.join("image-records"))?;
        let tags = Records::open(&root.join("image-names"))?;
        let known = Known {
            images: images.all()?.into_iter().collect(),
            tags: tags.all()?.into_iter().collect(),
        };
        for entry in fs::read_dir(&directory)? {
            let name = entry?.file_name();
            let id = format!("sha256:{}", name.to_string_lossy());
            if !known.images.contains_key(&id) {
                fs::remove_dir_all(directory.join(name))?;
            }
        }
        Ok(Self {
            directory,
            images,
            tags,
            known: Mutex::new(known),
            others,
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The image of that name, ID, or beginning of an ID, if it was pulled or imported.
    pub(crate) fn find(&self, name: &str) -> Option<Image> {
        let known = self.known();
        let tagged = known.tags.get(&reference::full(name));
        let by_name = tagged.and_then(|id| known.images.get(id));
        by_name
            .or_else(|| {
                let mut images = known.images.values();
                images.find(|image| reference::is_id(&image.id, name))
            })
            .cloned()
    }

    /// The image of that name, which always exists.
    pub(crate) fn get(&self, name: &str) -> Image {
        self.find(name)
            .unwrap_or_else(|| Image::of_name(&reference::full(name)))
    }

    /// The names of an image, sorted.
    pub(crate) fn names(&self, id: &str) -> Vec<String> {
        let known = self.known();
        let names = known.tags.iter().filter(|(_, of)| *of == id);
        names.map(|(name, _)| name.clone()).collect()
    }

    /// Every image that was pulled or imported.
    pub(crate) fn all(&self) -> Vec<Image> {
        self.known().images.values().cloned().collect()
    }

    /// Gives an image a name; another one that had it loses it.
    pub(crate) fn tag(&self, image: &Image, full: &str) -> Result<()> {
        let mut known = self.known();
        self.images.put(&image.id, image).map_err(not_stored)?;
        self.tags.put(full, &image.id).map_err(not_stored)?;
        known.images.insert(image.id.clone(), image.clone());
        known.tags.insert(full.to_owned(), image.id.clone());
        Ok(())
    }

    /// Takes a name away; whether there was one.
    pub(crate) fn untag(&self, full: &str) -> Result<bool> {
        let mut known = self.known();
        self.tags.remove(full).map_err(not_stored)?;
        Ok(known.tags.remove(full).is_some())
    }

    /// Forgets an image without names, its content too.
    pub(crate) fn remove(&self, id: &str) -> Result<()> {
        let mut known = self.known();
        self.images.remove(id).map_err(not_stored)?;
        known.images.remove(id);
        match fs::remove_dir_all(self.content(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(not_stored(error)),
            _ => Ok(()),
        }
    }

    /// Makes an image of a tar. Blocks for as long as the tar comes.
    pub(crate) fn import(&self, from: impl Read, asked: Import) -> Result<Image> {
        let failed = |error: io::Error| Error::system(error.to_string());
        let coming = tempfile::Builder::new()
            .prefix("import-")
            .tempdir_in(&self.directory)
            .map_err(failed)?;
        let mut hashing = Hashing {
            from: Plain::new(from).map_err(failed)?,
            digest: Sha256::new(),
        };
        let readable = Permissions::from_mode(0o755);
        fs::set_permissions(coming.path(), readable).map_err(failed)?;
        let tree = Tree::new(coming.path()).map_err(failed)?;
        unpack(&tree, Path::new("/"), &mut hashing, Options::default()).map_err(failed)?;
        // What is behind the last file counts too.
        io::copy(&mut hashing, &mut io::sink()).map_err(failed)?;
        let layer = reference::named(&hashing.digest.finalize());
        let created = Timestamp::now();
        let identity = json!([layer, created, asked.config, asked.message]).to_string();
        let image = Image {
            id: reference::digest(identity.as_bytes()),
            created: Some(created),
            comment: asked.message,
            config: asked.config,
            size: tree::size(coming.path()),
            layer: Some(layer),
        };
        let mut known = self.known();
        // A record without content would be worse than content without a record.
        fs::rename(coming.keep(), self.content(&image.id)).map_err(failed)?;
        self.images.put(&image.id, &image).map_err(not_stored)?;
        known.images.insert(image.id.clone(), image.clone());
        drop(known);
        if let Some(full) = &asked.reference {
            self.tag(&image, full)?;
        }
        Ok(image)
    }

    /// Where the files of an image are.
    fn content(&self, id: &str) -> PathBuf {
        let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
        self.directory.join(digits)
    }

    fn imported(&self, name: &str) -> Option<PathBuf> {
        let image = self.find(name).filter(Image::has_content)?;
        Some(self.content(&image.id))
    }

    /// Copies everything that an imported image has into a container's own files; whether it is
    /// one.
    pub(crate) fn copy_all(&self, name: &str, to: &Path) -> io::Result<bool> {
        let Some(content) = self.imported(name) else {
            return Ok(false);
        };
        copy::copy(&Node::open(&content)?, &Node::open(to)?)?;
        Ok(true)
    }
}

impl Images for ImageStore {
    fn volumes(&self, image: &str) -> Vec<String> {
        match self.find(image).filter(Image::has_content) {
            Some(image) => image
                .config
                .volumes
                .unwrap_or_default()
                .into_keys()
                .collect(),
            None => self.others.volumes(image),
        }
    }

    fn has_path(&self, image: &str, path: &str) -> bool {
        let Some(content) = self.imported(image) else {
            return self.others.has_path(image, path);
        };
        let found = Tree::new(&content).and_then(|tree| tree.find(Path::new(path), Last::Follow));
        found.is_ok() || OF_DOCKER.iter().any(|(own, _)| *own == path)
    }

    fn copy_path(&self, image: &str, path: &str, to: &Path) -> io::Result<()> {
        let Some(content) = self.imported(image) else {
            return self.others.copy_path(image, path, to);
        };
        let tree = Tree::new(&content)?;
        let from = match tree.find(Path::new(path), Last::Follow) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found?.node,
        };
        let to = Node::open(to)?;
        if !from.is_directory() || !to.names()?.is_empty() {
            return Ok(());
        }
        copy::copy(&from, &to)
    }
}

fn not_stored(error: io::Error) -> Error {
    Error::system(format!("the image could not be stored: {error}"))
}

struct Hashing<R> {
    from: R,
    digest: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(to)?;
        self.digest.update(to.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::{ImageConfig, ImageStore, Import};
    use crate::runtime::{EmptyImages, Images as _};

    #[test]
    fn imported_content_is_found_again_after_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let open = || ImageStore::open(root.path(), Arc::new(EmptyImages)).unwrap();
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o644);
        tar.append_data(&mut header, "data/file", b"hi".as_slice())
            .unwrap();
        let asked = Import {
            reference: Some("own:latest".to_owned()),
            config: ImageConfig::of_changes(["VOLUME /data"].into_iter()).unwrap(),
            ..Import::default()
        };
        let tar = tar.into_inner().unwrap();
        let image = open().import(tar.as_slice(), asked).unwrap();
        assert!(
            open()
                .import(
                    b"no tar at all, and long enough to tell"
                        .repeat(20)
                        .as_slice(),
                    Import::default()
                )
                .is_err()
        );
        fs::create_dir(root.path().join("images/import-cut-short")).unwrap();

        let store = open();
        assert_eq!(fs::read_dir(root.path().join("images")).unwrap().count(), 1);
        assert_eq!(store.find("own").unwrap(), image);
        assert_eq!(store.find(&image.id[7..19]).unwrap(), image);
        assert_eq!(store.volumes("own"), ["/data"]);
        assert!(store.has_path("own", "/data/file") && !store.has_path("own", "/home"));
        let volume = root.path().join("volume");
        fs::create_dir(&volume).unwrap();
        store.copy_path("own", "/data", &volume).unwrap();
        assert_eq!(fs::read_to_string(volume.join("file")).unwrap(), "hi");
        fs::write(volume.join("file"), "changed").unwrap();
        store.copy_path("own", "/data", &volume).unwrap();
        let kept = fs::read_to_string(volume.join("file")).unwrap();
        assert_eq!(kept, "changed", "only an empty volume is filled");

        assert!(store.untag("own:latest").unwrap());
        store.remove(&image.id).unwrap();
        assert_eq!(open().find("own"), None);
        assert!(
            !Path::new(&root.path().join("images"))
                .join(&image.id[7..])
                .exists()
        );
    }
}
