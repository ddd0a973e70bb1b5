//! Names and security: hostile names and values.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
