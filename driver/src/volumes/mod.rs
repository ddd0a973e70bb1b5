//! What a volume is: names, holders, options, and which request changes what.
//!
//! All of it is plain synchronous code without any I/O. [`rules`] decides a request from the
//! volume's [`Record`] alone; [`crate::keeper`] carries the decision out on a backend and in the
//! store. Tests and models can drive the same rules with a map in memory.

mod holds;
mod key;
mod record;
pub mod rules;
pub mod sharing;

pub use holds::Holds;
pub use key::Key;
pub use record::Record;
