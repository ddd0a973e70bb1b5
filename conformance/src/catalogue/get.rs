//! Get: `/VolumeDriver.Get`.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
