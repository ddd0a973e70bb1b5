//! Transport: HTTP/1.1 as dockerd speaks it, and what networks and crashes add to it.
//!
//! [`requests`] varies what stands around a call, [`connections`] how connections are used,
//! [`bodies`] sends bodies that are none, and [`bounds`] more than anybody should take.

mod bodies;
mod bounds;
mod connections;
mod disconnect;
mod malformed;
mod requests;

use crate::suite::Case;

pub(super) const CASES: &[Case] = &[
    requests::POST,
    requests::NO_CONTENT_TYPE,
    requests::ANY_CONTENT_TYPE,
    requests::ACCEPT,
    requests::HOST,
    connections::KEEP_ALIVE,
    connections::IDLE,
    connections::PARALLEL_CONNECTIONS,
    connections::IDLE_CONNECTIONS,
    bodies::EMPTY_BODY,
    malformed::MALFORMED,
    disconnect::DISCONNECT,
    requests::NO_REDIRECT,
    bounds::LIMITS,
    bounds::STALLED_HEAD,
    bounds::LARGE_LIST_CASE,
];
