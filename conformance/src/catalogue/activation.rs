//! Activation: the `/Plugin.Activate` handshake.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
