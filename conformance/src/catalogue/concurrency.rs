//! Concurrency: calls at the same time.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
