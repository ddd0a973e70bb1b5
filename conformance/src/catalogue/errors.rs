//! Errors: how failure is told.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
