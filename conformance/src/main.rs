//! The runner's binary: see the library for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    volplug_conformance::cli::main(std::env::args_os()).into()
}
