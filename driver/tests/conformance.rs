//! The conformance suite, a test for each case: what any driver can have in its own `cargo test`.

use std::process::ExitCode;

use volplug_conformance::Suite;

fn main() -> ExitCode {
    let driver = env!("CARGO_BIN_EXE_volplug-driver");
    Suite::exec(&format!(
        "{driver} local --socket {{socket}} --data-root {{work}}/data"
    ))
    .option("mode", "0770")
    .flag("--strict")
    .main()
}
