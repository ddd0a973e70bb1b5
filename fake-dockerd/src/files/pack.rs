//! A tree as tar, with names as dockerd writes them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read as _, Write};
use std::os::unix::ffi::OsStrExt as _;

use nix::sys::stat::{FileStat, major, minor};
use tar::{Builder, EntryType, Header};

use super::node::{Attributes, Kind};
use super::tree::{Found, Tree};

/// The longest name that a header has room for.
const SHORT: usize = 100;
/// The name of GNU's entries that hold a longer one.
const LONG_LINK: &[u8] = b"././@LongLink";

/// Writes a file, with all that is below it if it is a directory, under `name`.
///
/// The tar crate tidies names up; the docker CLI wants them as dockerd sends them: `./x` below
/// `DIRECTORY/.`, `/x` below `/` (moby's `archive.TarResourceRebaseOpts`).
pub(crate) fn pack(tree: &Tree, found: &Found, name: &str, to: impl Write) -> io::Result<()> {
    let mut packing = Packing {
        tree,
        tar: Builder::new(to),
        seen: HashMap::new(),
    };
    packing.add(found, name.as_bytes())?;
    packing.tar.finish()
}

struct Packing<'a, W: Write> {
    tree: &'a Tree,
    tar: Builder<W>,
    /// The first name of each file that has more than one.
    seen: HashMap<(u64, u64), Vec<u8>>,
}

impl<W: Write> Packing<'_, W> {
    fn add(&mut self, found: &Found, name: &[u8]) -> io::Result<()> {
        let stat = found.node.stat()?;
        match found.node.kind()? {
            Kind::Directory => self.add_directory(found, &stat, name),
            Kind::Regular => self.add_file(found, &stat, name),
            Kind::Link => {
                let target = found.node.read_link()?;
                let target = target.as_os_str().as_bytes();
                self.append(header(&stat, EntryType::Symlink), name, target, io::empty())
            }
            Kind::Fifo => self.append(header(&stat, EntryType::Fifo), name, b"", io::empty()),
            Kind::Character => self.append(device(&stat, EntryType::Char)?, name, b"", io::empty()),
            Kind::Block => self.append(device(&stat, EntryType::Block)?, name, b"", io::empty()),
            // There is no place for a socket in a tar.
            Kind::Socket => Ok(()),
        }
    }

    fn add_directory(&mut self, found: &Found, stat: &FileStat, name: &[u8]) -> io::Result<()> {
        let mut below = name.to_vec();
        if !below.ends_with(b"/") {
            below.push(b'/');
        }
        self.append(header(stat, EntryType::Directory), &below, b"", io::empty())?;
        for child in found.node.names()? {
            let name = [&below, child.as_bytes()].concat();
            match self.tree.child(found, OsStr::from_bytes(child.as_bytes())) {
                Ok(child) => self.add(&child, &name)?,
                // Removed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn add_file(&mut self, found: &Found, stat: &FileStat, name: &[u8]) -> io::Result<()> {
        if stat.st_nlink > 1 {
            let file = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.seen.get(&file).cloned() {
                return self.append(header(stat, EntryType::Link), name, &first, io::empty());
            }
            self.seen.insert(file, name.to_vec());
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut header = header(stat, EntryType::Regular);
        header.set_size(size);
        // A file that changes while it is read has the size that was said all the same.
        let content = found.node.read()?.take(size);
        self.append(header, name, b"", content.chain(io::repeat(0)).take(size))
    }

    fn append(
        &mut self,
        mut header: Header,
        name: &[u8],
        link: &[u8],
        content: impl io::Read,
    ) -> io::Result<()> {
        self.long(name, EntryType::GNULongName)?;
        self.long(link, EntryType::GNULongLink)?;
        let fields = header.as_old_mut();
        put(&mut fields.name, name);
        put(&mut fields.linkname, link);
        header.set_cksum();
        self.tar.append(&header, content)
    }

    /// Writes a name that is too long for a header in front of it.
    fn long(&mut self, name: &[u8], kind: EntryType) -> io::Result<()> {
        if name.len() <= SHORT {
            return Ok(());
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(name.len() as u64 + 1);
        put(&mut header.as_old_mut().name, LONG_LINK);
        header.set_cksum();
        self.tar.append(&header, name.chain([0].as_slice()))
    }
}

fn header(stat: &FileStat, kind: EntryType) -> Header {
    let attributes = Attributes::from(stat);
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(attributes.mode);
    header.set_uid(attributes.owner.uid.into());
    header.set_gid(attributes.owner.gid.into());
    header.set_mtime(u64::try_from(attributes.modified.0).unwrap_or(0));
    header.set_size(0);
    header
}

fn device(stat: &FileStat, kind: EntryType) -> io::Result<Header> {
    let mut header = header(stat, kind);
    let number = |number: u64| u32::try_from(number).unwrap_or(0);
    header.set_device_major(number(major(stat.st_rdev)))?;
    header.set_device_minor(number(minor(stat.st_rdev)))?;
    Ok(header)
}

fn put(field: &mut [u8; SHORT], text: &[u8]) {
    field.fill(0);
    for (to, from) in field.iter_mut().zip(text) {
        *to = *from;
    }
}
