//! Talking to plugins as dockerd does.
//!
//! [`registry`] finds and activates a plugin, [`client`] sends one call and retries it, [`proxy`]
//! knows the nine calls, their bodies and time limits. Below them, [`http`] reads and writes the
//! bytes by hand, because no HTTP library lets order and case of headers, or a body that was lost
//! on a retry, be decided.

pub(crate) mod client;
mod connection;
mod endpoint;
pub(crate) mod errno;
mod gzip;
mod http;
mod pool;
pub(crate) mod proxy;
pub(crate) mod registry;
mod tls;
