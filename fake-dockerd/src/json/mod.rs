//! JSON as Go's `encoding/json` writes and reads it.
//!
//! What dockerd sends is escaped in Go's way, and what it makes of a strange answer follows Go's
//! decoder: keys match without regard to case, bytes behind the first value are ignored, `null`
//! leaves a field as it is, and a wrong type has an error text that users see.

mod decode;
mod encode;
mod fields;

pub(crate) use decode::{Completeness, Json, decode, decode_whole};
pub(crate) use encode::string;
pub(crate) use fields::{Reader, Target};
