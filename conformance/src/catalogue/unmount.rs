//! Unmount: `/VolumeDriver.Unmount`.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
