//! File trees that nobody who writes in them can lead out of.
//!
//! [`node`] is one file by its descriptor, [`tree`] a root with other directories mounted in it, as
//! a container sees them; [`pack`] and [`unpack`] are `docker cp` and `docker import`, [`copy`] is
//! the copy-up. Paths are walked one name at a time from descriptor to descriptor and links are
//! followed by hand, so that a link that is swapped in the middle of a walk changes nothing: what
//! the kernel is asked for is always one name in a directory that is already open.

pub(crate) mod compression;
pub(crate) mod copy;
pub(crate) mod node;
pub(crate) mod pack;
pub(crate) mod tree;
pub(crate) mod unpack;
