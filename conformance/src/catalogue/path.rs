//! Path: `/VolumeDriver.Path`.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
