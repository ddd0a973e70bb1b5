//! List: `/VolumeDriver.List`.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
