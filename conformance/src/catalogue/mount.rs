//! Mount: `/VolumeDriver.Mount`.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
