//! The runner's binary: see the library for what it does.

use std::process::ExitCode;

use clap::Parser as _;
use volplug_conformance::cli::{Cli, main as run};

fn main() -> ExitCode {
    run(Cli::parse()).into()
}
