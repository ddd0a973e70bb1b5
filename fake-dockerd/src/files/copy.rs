//! A directory into another, with everything that is said of the files beside their content.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;

use super::node::{Attributes, Kind, Node};

/// Copies what is in `from` into `to` (continuity's `fs.CopyDir`, which dockerd uses), the
/// attributes of the directory itself included.
pub(crate) fn copy(from: &Node, to: &Node) -> io::Result<()> {
    Copying::default().directory(from, to)?;
    to.set(OsStr::new("."), &Attributes::from(&from.stat()?))
}

#[derive(Default)]
struct Copying {
    /// The copy of each file that has more than one name.
    seen: HashMap<(u64, u64), Node>,
}

impl Copying {
    fn directory(&mut self, from: &Node, to: &Node) -> io::Result<()> {
        for name in from.names()? {
            self.one(&from.child(&name)?, to, &name)?;
        }
        Ok(())
    }

    fn one(&mut self, from: &Node, to: &Node, name: &OsStr) -> io::Result<()> {
        let stat = from.stat()?;
        match from.kind()? {
            Kind::Directory => {
                let made = to.make_directory(name)?;
                self.directory(from, &made)?;
            }
            Kind::Regular => {
                let file = (stat.st_dev, stat.st_ino);
                if let Some(copied) = self.seen.get(&file) {
                    return to.make_hard_link(name, copied);
                }
                io::copy(&mut from.read()?, &mut to.make_file(name)?)?;
                if stat.st_nlink > 1 {
                    self.seen.insert(file, to.child(name)?);
                }
            }
            Kind::Link => to.make_link(name, &from.read_link()?)?,
            kind @ (Kind::Fifo | Kind::Character | Kind::Block) => {
                to.make_special(name, kind, stat.st_rdev)?;
            }
            Kind::Socket => return Ok(()),
        }
        to.set(name, &Attributes::from(&stat))
    }
}
