//! Managed plugins: config.json and rootfs.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
