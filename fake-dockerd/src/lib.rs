//! The Docker engine's side of the volume plugin protocol.
//!
//! So far this holds [`discovery`]: how dockerd finds a plugin by its name. The engine that calls
//! plugins as dockerd does, and serves the Engine API, grows here.

pub mod discovery;
