//! Capabilities: `/VolumeDriver.Capabilities`.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
