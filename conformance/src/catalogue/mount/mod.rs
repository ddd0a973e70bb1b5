//! `/VolumeDriver.Mount`: a directory that a container can use, for as long as somebody holds it.
//!
//! [`place`] judges the directory, [`call`] the call and its IDs, [`failing`] what a Mount leaves
//! behind that failed, and [`lasting`] what becomes of the data.

mod call;
mod failing;
mod lasting;
mod place;

use super::without_storage;
use crate::suite::Case;

pub(super) const CASES: &[Case] = &[
    place::USABLE,
    place::VISIBLE,
    place::WRITABLE,
    place::OUTSIDE_DOCKER_ROOT,
    place::OWN_PATH,
    call::UNKNOWN,
    call::ID_OPAQUE,
    failing::FAIL_CLEAN,
    without_storage::MOUNT,
    failing::SIBLING_FAILURE,
    failing::LATE_CLIENT,
    lasting::DATA_PERSISTS,
    lasting::HEALS,
];
