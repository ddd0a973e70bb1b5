//! Encoding: what the JSON looks like.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
