//! Discovery: how the daemon finds the plugin, and what the plugin leaves for it to find.
//!
//! dockerd looks for a plugin in fixed directories, sockets first. [`definition`] judges the files
//! that it finds there, [`process`] what becomes of the socket when the plugin stops, dies and
//! starts again.

mod definition;
mod process;

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[
    definition::REACHABLE,
    definition::ONE_DEFINITION,
    definition::REAL_SOCKET,
    definition::PATH_LENGTH,
    definition::NAME,
    definition::SPEC_FILE,
    definition::TLS,
    process::CLEANUP,
    process::REBIND,
    process::SOCKET_ACTIVATION,
    definition::SOCKET_MODE,
    process::EARLY,
];
