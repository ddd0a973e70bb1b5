//! A raw HTTP/1.1 client: requests are bytes, and every byte is the caller's to choose.
//!
//! Judging a plugin means sending what dockerd sends, header by header, and also what no
//! well-behaved engine would: empty bodies, wrong lengths, half-closed connections. A client
//! library forbids just that, so [`Request`] renders itself and [`Connection`] writes what it
//! is given. Answers are parsed strictly, with httparse for the head.

mod connection;
mod request;
mod response;
mod stream;

pub use connection::{Connection, Sent};
pub use request::Request;
pub use response::{Response, WireError};
pub use stream::{Address, TlsFiles};
