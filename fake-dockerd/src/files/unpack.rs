//! A tar into a tree.
//!
//! Follows moby's `archive.Unpack` and `createTarFile`, its error texts included.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::makedev;
use tar::{Archive, Entry, EntryType};

use super::node::{Attributes, Kind, Owner};
use super::tree::{Found, Last, Tree};

/// How an archive is unpacked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// A directory is not replaced by anything else, nor the other way round.
    pub(crate) no_overwrite_dir_non_dir: bool,
    /// Who owns what is unpacked, instead of whom the archive says.
    pub(crate) owner: Option<Owner>,
}

/// Unpacks below a directory of the tree. Every name is walked as a container would, so that
/// neither links nor dots lead out of the tree.
pub(crate) fn unpack(
    tree: &Tree,
    into: &Path,
    from: impl Read,
    options: Options,
) -> io::Result<()> {
    let mut unpacking = Unpacking {
        tree,
        into,
        options,
        directories: Vec::new(),
    };
    for entry in Archive::new(from).entries()? {
        unpacking.add(entry?)?;
    }
    unpacking.finish()
}

struct Unpacking<'a> {
    tree: &'a Tree,
    into: &'a Path,
    options: Options,
    /// Directories that get their attributes at the end: until then they have to be writable, and
    /// every file in them changes their time.
    directories: Vec<(PathBuf, Attributes)>,
}

impl Unpacking<'_> {
    fn add<R: Read>(&mut self, mut entry: Entry<'_, R>) -> io::Result<()> {
        let name = self.inside(&entry.path()?)?;
        let kind = entry.header().entry_type();
        let is_directory = kind.is_dir();
        let Some(last) = name.file_name() else {
            // The directory itself, which is there.
            return Ok(());
        };
        let parent = self.into.join(name.parent().unwrap_or(Path::new("")));
        let parent = self.tree.make_directories(&parent)?;
        self.make_room(&parent, last, is_directory)?;
        let attributes = self.attributes(&entry)?;
        match kind {
            EntryType::Directory => {
                if !self.tree.is_mount(&parent.path.join(last)) {
                    parent.node.make_directory(last)?;
                    self.directories.push((parent.path.join(last), attributes));
                }
                return Ok(());
            }
            EntryType::Link => {
                let target = entry.link_name()?.ok_or(Errno::EINVAL)?;
                let target = self.into.join(self.inside(&target)?);
                let file = self.tree.find(&target, Last::Keep)?;
                return parent.node.make_hard_link(last, &file.node);
            }
            EntryType::Symlink => {
                let target = entry.link_name()?.ok_or(Errno::EINVAL)?;
                parent.node.make_link(last, &target)?;
            }
            EntryType::Fifo => parent.node.make_special(last, Kind::Fifo, 0)?,
            EntryType::Char | EntryType::Block => {
                let number =
                    |number: io::Result<Option<u32>>| number.map(Option::unwrap_or_default);
                let major = number(entry.header().device_major())?;
                let minor = number(entry.header().device_minor())?;
                let kind = if kind == EntryType::Char {
                    Kind::Character
                } else {
                    Kind::Block
                };
                let device = makedev(major.into(), minor.into());
                let made = parent.node.make_special(last, kind, device);
                if made.as_ref().is_err_and(not_permitted) {
                    // As dockerd in a user namespace.
                    return Ok(());
                }
                made?;
            }
            EntryType::XGlobalHeader => return Ok(()),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                io::copy(&mut entry, &mut parent.node.make_file(last)?)?;
            }
            other => {
                return Err(io::Error::other(format!(
                    "unhandled tar header type {}",
                    other.as_byte()
                )));
            }
        }
        parent.node.set(last, &attributes)
    }

    /// Removes what is in the way.
    fn make_room(&self, parent: &Found, name: &OsStr, directory: bool) -> io::Result<()> {
        let old = match self.tree.child(parent, name) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let was_directory = old.node.is_directory();
        if self.options.no_overwrite_dir_non_dir && was_directory != directory {
            let (path, name) = (old.path.display(), name.to_string_lossy());
            return Err(io::Error::other(if directory {
                format!("cannot overwrite non-directory \"{path}\" with directory \"{name}\"")
            } else {
                format!("cannot overwrite directory \"{path}\" with non-directory \"{name}\"")
            }));
        }
        if was_directory && directory {
            return Ok(());
        }
        if self.tree.is_mount(&old.path) {
            return Err(Errno::EBUSY.into());
        }
        parent.node.remove(name)
    }

    /// A name of the archive without its dots; one that leads out of the directory is refused.
    fn inside(&self, name: &Path) -> io::Result<PathBuf> {
        let mut inside = PathBuf::new();
        for part in name.components() {
            match part {
                Component::Normal(part) => inside.push(part),
                Component::ParentDir if !inside.pop() => {
                    return Err(io::Error::other(format!(
                        "\"{}\" is outside of \"{}\"",
                        name.display(),
                        self.into.display()
                    )));
                }
                _ => {}
            }
        }
        Ok(inside)
    }

    fn attributes<R: Read>(&self, entry: &Entry<'_, R>) -> io::Result<Attributes> {
        let header = entry.header();
        let fields = header.as_old();
        let id = |id: u64| u32::try_from(id).map_err(io::Error::other);
        let owner = match self.options.owner {
            Some(owner) => owner,
            None => Owner {
                uid: id(number(&fields.uid, header.uid())?)?,
                gid: id(number(&fields.gid, header.gid())?)?,
            },
        };
        let seconds = number(&fields.mtime, header.mtime())?;
        Ok(Attributes {
            owner,
            mode: number(&fields.mode, header.mode())?,
            modified: (i64::try_from(seconds).unwrap_or(i64::MAX), 0),
        })
    }

    fn finish(self) -> io::Result<()> {
        for (path, attributes) in self.directories.iter().rev() {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                continue;
            };
            let parent = self.tree.find(parent, Last::Follow)?;
            match parent.node.set(name, attributes) {
                // A later entry took its place.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                set => set?,
            }
        }
        Ok(())
    }
}

/// A number of a header; Go takes an empty field for 0.
fn number<T: Default>(field: &[u8], parsed: io::Result<T>) -> io::Result<T> {
    if field.iter().all(|byte| matches!(byte, 0 | b' ')) {
        Ok(T::default())
    } else {
        parsed
    }
}

fn not_permitted(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EPERM as i32)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::path::Path;

    use tar::{EntryType, Header};

    use super::{Options, Tree, unpack};
    use crate::files::pack::pack;
    use crate::files::tree::Last;

    /// A tar of entries whose names nobody tidied up.
    fn tar(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            let fields = header.as_old_mut();
            fields.name[..name.len()].copy_from_slice(name.as_bytes());
            let data = match kind {
                EntryType::Regular => content.as_bytes(),
                _ => {
                    fields.linkname[..content.len()].copy_from_slice(content.as_bytes());
                    b""
                }
            };
            header.set_size(data.len() as u64);
            header.set_cksum();
            tar.append(&header, data).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn unpacked(root: &Path, entries: &[(&str, EntryType, &str)]) -> std::io::Result<()> {
        let tree = Tree::new(&root.join("root")).unwrap();
        let options = Options {
            no_overwrite_dir_non_dir: true,
            owner: None,
        };
        unpack(&tree, Path::new("/into"), tar(entries).as_slice(), options)
    }

    #[test]
    fn an_archive_cannot_write_outside() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("root/into");
        fs::create_dir_all(&own).unwrap();
        fs::create_dir(root.path().join("outside")).unwrap();
        symlink(root.path().join("outside"), own.join("away")).unwrap();
        let file = EntryType::Regular;
        let refused = unpacked(root.path(), &[("../x", file, "x")]).unwrap_err();
        assert_eq!(refused.to_string(), r#""../x" is outside of "/into""#);
        let link = EntryType::Symlink;
        unpacked(
            root.path(),
            &[
                ("away/x", file, "x"),
                ("up", link, "../../../.."),
                ("up/y", file, "y"),
                ("/z", file, "z"),
            ],
        )
        .unwrap();
        let hard = EntryType::Link;
        assert!(unpacked(root.path(), &[("h", hard, "../../outside")]).is_err());
        assert_eq!(
            fs::read_dir(root.path().join("outside")).unwrap().count(),
            0
        );
        assert!(root.path().join("root/y").exists() && own.join("z").exists());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }

    #[test]
    fn directories_and_files_do_not_replace_each_other() {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join("root/into");
        fs::create_dir_all(own.join("directory")).unwrap();
        fs::write(own.join("file"), "").unwrap();
        let error = |entry| unpacked(root.path(), &[entry]).unwrap_err().to_string();
        assert_eq!(
            error(("directory", EntryType::Regular, "x")),
            r#"cannot overwrite directory "/into/directory" with non-directory "directory""#
        );
        assert_eq!(
            error(("file", EntryType::Directory, "")),
            r#"cannot overwrite non-directory "/into/file" with directory "file""#
        );
    }

    #[test]
    fn what_was_packed_comes_out_the_same() {
        let root = tempfile::tempdir().unwrap();
        let from = root.path().join("from");
        let long = "long".repeat(40);
        fs::create_dir_all(from.join(&long)).unwrap();
        fs::write(from.join(&long).join("file"), "content").unwrap();
        fs::hard_link(from.join(&long).join("file"), from.join("same")).unwrap();
        symlink(&long, from.join("link")).unwrap();
        let read_only = fs::Permissions::from_mode(0o555);
        fs::set_permissions(from.join(&long), read_only).unwrap();
        let tree = Tree::new(&from).unwrap();
        let mut packed = Vec::new();
        let found = tree.find(Path::new("/"), Last::Follow).unwrap();
        pack(&tree, &found, ".", &mut packed).unwrap();
        let to = root.path().join("root");
        fs::create_dir(&to).unwrap();
        let tree = Tree::new(&to).unwrap();
        let options = Options::default();
        unpack(&tree, Path::new("/"), packed.as_slice(), options).unwrap();
        assert_eq!(fs::read_to_string(to.join("link/file")).unwrap(), "content");
        let inode = |path: &Path| path.metadata().unwrap().ino();
        assert_eq!(inode(&to.join("same")), inode(&to.join("link/file")));
        let mode = to.join(&long).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o555);
        let mut again = Vec::new();
        let found = tree.find(Path::new("/"), Last::Follow).unwrap();
        pack(&tree, &found, ".", &mut again).unwrap();
        assert!(packed.starts_with(b"./\0"));
        assert_eq!(packed.len(), again.len());
    }
}
