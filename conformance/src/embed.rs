//! The suite in a driver's own `cargo test`: a test for each case.
//!
//! Put this in `tests/conformance.rs`, and `harness = false` for that test in `Cargo.toml`:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use volplug_conformance::Suite;
//!
//! fn main() -> ExitCode {
//!     // In a test of yours: env!("CARGO_BIN_EXE_my-driver")
//!     let driver = "target/debug/my-driver";
//!     Suite::exec(&format!("{driver} --socket {{socket}} --root {{work}}/data"))
//!         .option("path", "/srv/{volume}")
//!         .main()
//! }
//! ```
//!
//! `cargo test --test conformance -- mount` then runs the cases whose ids hold `mount`, `--list`
//! lists them, and cases that cannot be judged are ignored, with the reason.

use std::process::ExitCode;

use clap::Parser;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::cli::{RunArgs, judge_all, plan};
use crate::report::{CaseReport, Report, Verdict};

/// A run of the suite as tests. What is not set is as on the command line.
#[derive(Debug, Clone)]
pub struct Suite {
    words: Vec<String>,
}

/// The words of a command line.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    run: RunArgs,
}

impl Suite {
    /// Judges the plugin that this command starts; `{socket}` becomes the socket to listen on,
    /// `{work}` a directory of its own.
    #[must_use]
    pub fn exec(command: &str) -> Self {
        Self { words: Vec::new() }.flag("--exec").flag(command)
    }

    /// Judges a plugin that runs already.
    #[must_use]
    pub fn socket(address: &str) -> Self {
        Self { words: Vec::new() }.flag("--socket").flag(address)
    }

    /// An option of every Create; `{volume}` in the value becomes the volume's name.
    #[must_use]
    pub fn option(self, key: &str, value: &str) -> Self {
        self.flag("--opt").flag(&format!("{key}={value}"))
    }

    /// Leaves out an id, a section or a glob.
    #[must_use]
    pub fn skip(self, pattern: &str) -> Self {
        self.flag("--skip").flag(pattern)
    }

    /// Any word of the command line of `volplug-conformance run`.
    #[must_use]
    pub fn flag(mut self, word: &str) -> Self {
        self.words.push(word.to_owned());
        self
    }

    /// Runs the cases that the test's own command line selects, each as a test.
    ///
    /// All run together before the first is told: they share one plugin, as on the command line.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let arguments = Arguments::from_args();
        match self.trials(&arguments) {
            Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
            Err(why) => {
                anstream::eprintln!("{} {why}", crate::report::error_label());
                ExitCode::from(2)
            }
        }
    }

    fn trials(&self, arguments: &Arguments) -> Result<Vec<Trial>, String> {
        let words =
            std::iter::once("volplug-conformance").chain(self.words.iter().map(String::as_str));
        let mut line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        let all: Vec<&'static str> = plan(&line.run)?.cases.iter().map(|case| case.id).collect();
        let wanted: Vec<&str> = all
            .iter()
            .copied()
            .filter(|id| is_wanted(arguments, id))
            .collect();
        let report = if arguments.list || wanted.is_empty() {
            None
        } else {
            if wanted.len() < all.len() {
                line.run.only = wanted.iter().map(|&id| id.to_owned()).collect();
            }
            Some(judge_all(&line.run, &plan(&line.run)?)?)
        };
        let strict = line.run.strict;
        Ok(all
            .into_iter()
            .map(|id| trial(id, report.as_ref(), strict))
            .collect())
    }
}

/// As libtest filters names.
fn is_wanted(arguments: &Arguments, id: &str) -> bool {
    let fits = |filter: &String| {
        if arguments.exact {
            id == filter
        } else {
            id.contains(filter.as_str())
        }
    };
    arguments.filter.as_ref().is_none_or(fits) && !arguments.skip.iter().any(fits)
}

fn trial(id: &'static str, report: Option<&Report>, strict: bool) -> Trial {
    let case = report.and_then(|report| report.cases.iter().find(|case| case.id == id));
    let Some(case) = case else {
        return Trial::test(id, || Ok(()));
    };
    if case.verdict == Verdict::Skipped {
        let why = case.reason.clone().unwrap_or_default();
        return Trial::test(id, || Ok(()))
            .with_kind(why)
            .with_ignored_flag(true);
    }
    let failed = case.verdict == Verdict::Failed || (strict && case.verdict == Verdict::Warned);
    let told = failed.then(|| told(case));
    Trial::test(id, move || {
        told.map_or(Ok(()), |told| Err(Failed::from(told)))
    })
}

/// A finding as the output of a failed test.
fn told(case: &CaseReport) -> String {
    let mut lines = vec![format!("{}: {}", case.level, case.title)];
    lines.extend(case.reason.clone());
    lines.push(format!("Docker: {}", case.why));
    lines.extend(
        case.explained_by
            .as_ref()
            .map(|by| format!("explained by {by}")),
    );
    lines.extend(
        case.reproduce
            .docker
            .iter()
            .chain(&case.reproduce.curl)
            .map(|line| format!("  {line}")),
    );
    lines.join("\n")
}
