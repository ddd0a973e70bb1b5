//! Discovery: how the daemon finds the plugin.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
