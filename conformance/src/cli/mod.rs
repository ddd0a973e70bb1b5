//! The command line: what flags there are, and what each command does.

mod diff;
mod docs;
mod explain;
mod list;
mod output;
mod record;
mod replay;
mod report;
mod run;
mod settings;
mod settings_file;
mod setup;
mod shell;
mod work;
mod workflow;

use std::ffi::OsString;

use clap::{Args, ColorChoice, CommandFactory as _, Parser, Subcommand};

use crate::exit::Exit;

pub(crate) use run::{judge_all, plan};
pub use settings::RunArgs;

/// Judge a Docker volume plugin over its socket.
///
/// Plays what Docker engines send, and what networks and crashes add to it, and says which rules
/// of the protocol the plugin breaks, what its users will suffer, and how to see it again.
#[derive(Debug, Parser)]
#[command(
    name = "volplug-conformance",
    version,
    args_conflicts_with_subcommands = true
)]
#[command(after_help = "EXAMPLES:
  volplug-conformance --socket /run/docker/plugins/mine.sock
  volplug-conformance --exec 'mine --listen {socket}' --opt path=/srv/{volume}
  volplug-conformance --plugin mine --only ref --only mount
  volplug-conformance --reference --format json=report.json
  volplug-conformance replay found.jsonl --socket /run/docker/plugins/mine.sock

EXIT STATUS:
  0    every applicable MUST holds
  1    at least one is broken (with --strict: or a SHOULD) that is not in --expected-failures,
       or one that is there holds
  2    the run could not be made: usage, plugin not reachable, not a volume plugin
  130  interrupted; what the run had made was removed")]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge a plugin (the default).
    Run(Box<RunArgs>),
    /// List the cases: id, level and rule.
    List(ListArgs),
    /// Play a recording and compare the answers, or sequences that broke something before.
    Replay(Box<replay::ReplayArgs>),
    /// Compare two recordings, or two JSON reports.
    Diff(diff::DiffArgs),
    /// Write down what an engine and a plugin say to each other, without altering it.
    Record(record::RecordArgs),
    /// Explain a case: the rule, why it matters, where it comes from.
    Explain {
        /// The case's id, such as ref.same-id-twice.
        id: String,
    },
    /// Reports written as JSON: merge, render, compare.
    Report {
        /// What to do with them.
        #[command(subcommand)]
        command: report::ReportCommand,
    },
    /// Make a CI workflow: plugins × backends × engines, split over several machines.
    Workflow(workflow::WorkflowArgs),
    /// Write the catalogue as a book, in the form that mdBook takes.
    Docs {
        /// Where to write it.
        #[arg(value_name = "DIR")]
        directory: std::path::PathBuf,
        /// JSON reports whose findings are shown as examples; repeatable.
        #[arg(long, value_name = "REPORT.json")]
        report: Vec<std::path::PathBuf>,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write manual pages.
    Man {
        /// Where to write them.
        #[arg(value_name = "DIR")]
        directory: std::path::PathBuf,
    },
    /// The embedded reference driver, which --reference starts.
    #[command(hide = true, name = "reference-driver")]
    Reference(volplug_driver::cli::Args),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only these ids, sections or globs.
    #[arg(long, value_name = "GLOB")]
    only: Vec<String>,
    /// As text, or as JSON for tools.
    #[arg(long, value_enum, default_value_t = list::ListFormat::Text)]
    format: list::ListFormat,
}

/// Does what the words of a command line say, the program's name among them.
#[must_use]
pub fn main(words: impl IntoIterator<Item = OsString>) -> Exit {
    let words: Vec<OsString> = words.into_iter().collect();
    // Both what clap says of a wrong command line and its help go where they belong.
    let given = Cli::command()
        .try_get_matches_from(&words)
        .unwrap_or_else(|error| error.exit());
    let run = match given.subcommand() {
        None => Some(&given),
        Some(("run" | "replay", run)) => Some(run),
        Some(_) => None,
    };
    match run.map_or(Ok(Vec::new()), settings_file::words) {
        Err(why) => unable(&why),
        Ok(more) => main_parsed(Cli::parse_from(words.into_iter().chain(more))),
    }
}

fn unable(why: &str) -> Exit {
    anstream::eprintln!("{} {why}", crate::report::error_label());
    Exit::Unable
}

fn main_parsed(cli: Cli) -> Exit {
    let choice = match cli.color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    let done = match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Replay(args)) => replay::replay(*args),
        Some(Command::Diff(args)) => diff::diff(&args),
        Some(Command::List(args)) => list::list(&args.only, args.format),
        Some(Command::Record(args)) => record::record(&args),
        Some(Command::Explain { id }) => explain::explain(&id),
        Some(Command::Report { command }) => report::report(&command),
        Some(Command::Workflow(args)) => workflow::workflow(&args),
        Some(Command::Docs { directory, report }) => docs::docs(&directory, &report),
        Some(Command::Completions { shell }) => shell::completions(shell),
        Some(Command::Man { directory }) => shell::man(&directory),
        Some(Command::Reference(args)) => return reference(&args),
    };
    done.unwrap_or_else(|why| unable(&why))
}

fn reference(args: &volplug_driver::cli::Args) -> Exit {
    match volplug_driver::cli::run(args) {
        std::process::ExitCode::SUCCESS => Exit::Ok,
        _ => Exit::Unable,
    }
}
