//! Secrets: secret option values stay secret.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
