//! Transport: HTTP/1.1 over the socket.

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[];
