//! Remove: `/VolumeDriver.Remove`.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
