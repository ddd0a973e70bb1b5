//! The reference driver as a program; see [`volplug_driver::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    volplug_driver::cli::main()
}
