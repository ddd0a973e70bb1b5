//! Recordings: what an engine and a plugin said to each other, kept in a file.
//!
//! The format is that of `fixtures/recordings` ([`Recording`]). A [`Proxy`] between the two passes
//! bytes on and hands a copy to a [`Conversation`], which finds the calls in it; a [`Mask`] takes
//! the secrets out, and a [`Journal`] writes. With [`Swap`] the proxy takes the place of a plugin
//! that an engine knows already. [`replay()`] plays a recording against a plugin, and [`diff()`]
//! compares two.

mod answers;
mod conversation;
mod diff;
mod format;
mod journal;
mod mask;
mod matching;
mod message;
mod proxy;
mod replay;
mod swap;

pub use answers::Differences;
pub use conversation::{Conversation, Seen};
pub(crate) use diff::answers;
pub use diff::{AnswerDifference, Difference, EndpointDifference, diff};
pub use format::{Call, RECORDED, Recording, SentRequest, SentResponse, Step};
pub use journal::Journal;
pub use mask::Mask;
pub use proxy::{Proxy, bind};
pub use replay::{Replay, Replayed, replay};
pub use swap::{Swap, repair};
