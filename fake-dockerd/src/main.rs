//! The daemon's binary; see [`fake_dockerd::cli`].

use std::process::ExitCode;

use clap::Parser as _;
use fake_dockerd::cli::{Args, main as run};

fn main() -> ExitCode {
    run(Args::parse())
}
