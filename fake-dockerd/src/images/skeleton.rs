//! What is in a container whatever its image.

use std::io;
use std::path::Path;

use crate::files::node::Attributes;
use crate::files::tree::Tree;

/// A file of the skeleton.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Made {
    /// A directory with its mode.
    Directory(u32),
    File,
    Link(&'static str),
}

use Made::{Directory, File, Link};

/// What Docker puts into every container (moby's `initlayer.Setup`).
pub(crate) const OF_DOCKER: [(&str, Made); 10] = [
    ("/dev", Directory(0o755)),
    ("/dev/pts", Directory(0o755)),
    ("/dev/shm", Directory(0o1777)),
    ("/etc", Directory(0o755)),
    ("/etc/hosts", File),
    ("/etc/hostname", File),
    ("/etc/resolv.conf", File),
    ("/etc/mtab", Link("/proc/mounts")),
    ("/proc", Directory(0o755)),
    ("/sys", Directory(0o755)),
];

/// What a small image has.
pub(crate) const OF_AN_IMAGE: [(&str, Made); 7] = [
    ("/bin", Directory(0o755)),
    ("/home", Directory(0o755)),
    ("/root", Directory(0o700)),
    ("/tmp", Directory(0o1777)),
    ("/usr", Directory(0o755)),
    ("/usr/bin", Directory(0o755)),
    ("/var", Directory(0o755)),
];

/// Makes what is missing of a skeleton. What an image has instead of a directory, a link for one,
/// is taken as the container would take it.
pub(crate) fn make(tree: &Tree, skeleton: &[(&str, Made)]) -> io::Result<()> {
    for (path, made) in skeleton {
        let path = Path::new(path);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            continue;
        };
        let parent = tree.make_directories(parent)?;
        if tree.child(&parent, name).is_ok() {
            continue;
        }
        match made {
            Directory(mode) => {
                parent.node.make_directory(name)?;
                parent.node.set(name, &Attributes::new(*mode))?;
            }
            File => {
                drop(parent.node.make_file(name)?);
                parent.node.set(name, &Attributes::new(0o644))?;
            }
            Link(target) => parent.node.make_link(name, Path::new(target))?,
        }
    }
    Ok(())
}
