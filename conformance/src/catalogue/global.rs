//! Global scope: one storage, several hosts.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
