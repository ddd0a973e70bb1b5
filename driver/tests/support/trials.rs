//! Tests that need something which is not everywhere: root, a program, a server. What is missing
//! is found out by the test itself, which is then reported as ignored, with the reason.

use std::{panic, process::ExitCode, thread};

use libtest_mimic::{Arguments, Completion, Trial};

/// Why a test cannot be made here.
#[derive(Debug)]
pub struct Skip(pub String);

/// What a test returns, unless it fails by panicking.
pub type Tried = Result<(), Skip>;

/// A test and its name.
pub type Test = (&'static str, fn() -> Tried);

/// The body of `main`. Each test has a thread of its own, which can have a mount namespace of its
/// own.
pub fn run(tests: &[Test]) -> ExitCode {
    let trials = tests.iter().map(|&(name, test)| {
        // The module below the test binary's own.
        let name = name.split_once("::").map_or(name, |(_, rest)| rest);
        Trial::ignorable_test(name, move || match thread::spawn(test).join() {
            Ok(Ok(())) => Ok(Completion::Completed),
            Ok(Err(Skip(reason))) => Ok(Completion::ignored_with(reason)),
            Err(panic) => panic::resume_unwind(panic),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// The tests of a module, each under the name of its function.
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        &[$((
            concat!(module_path!(), "::", stringify!($name)),
            $name as fn() -> $crate::support::trials::Tried,
        )),+]
    };
}
pub(crate) use tests;

/// Whether a program can be started here.
pub fn is_installed(program: &str) -> bool {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    std::env::split_paths(&path).any(|directory| directory.join(program).exists())
}

/// Skips where a program is missing.
pub fn need(programs: &[&str]) -> Tried {
    match programs.iter().find(|program| !is_installed(program)) {
        Some(program) => Err(Skip(format!("{program} is not installed"))),
        None => Ok(()),
    }
}
