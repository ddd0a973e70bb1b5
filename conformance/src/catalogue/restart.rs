//! Restart and persistence: the plugin's process ends and comes back.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
