//! Judges any Docker volume plugin over its socket.
//!
//! A volume plugin is an HTTP server on a socket that answers nine calls. This crate plays what
//! Docker engines send, and what networks and crashes add to it, and says which rules of the
//! protocol the plugin breaks, what its users will suffer from it, and how to see it again.
//!
//! The parts, from the outside in: [`cli`] reads flags, [`runner`] runs the cases of the
//! [`catalogue`] against a [`target`], cases are made of the pieces in [`suite`], which speak the
//! [`protocol`] over raw connections of [`wire`], and [`report`] tells what was found. What nobody
//! thought of is found by [`play`], and by histories of concurrent calls ([`linear`]), both judged by
//! the same reference [`model`]. What is known to be broken stands in a file ([`expected`]).

pub mod bench;
pub mod catalogue;
pub mod cli;
pub mod embed;
pub mod exit;
pub mod expected;
pub mod linear;
pub mod model;
pub mod play;
pub mod protocol;
pub mod recording;
pub mod report;
pub mod runner;
pub mod snapshot;
mod suggest;
pub mod suite;
pub mod target;
mod toml_source;
pub mod wire;

pub use embed::Suite;
