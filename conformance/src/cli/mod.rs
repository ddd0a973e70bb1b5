//! The command line: what flags there are, and what each command does.

mod diff;
mod explain;
mod list;
mod output;
mod record;
mod replay;
mod run;
mod settings;

use clap::{Args, ColorChoice, Parser, Subcommand};

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
  1    at least one is broken (with --strict: or a SHOULD)
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

/// Does what the command line says.
#[must_use]
pub fn main(cli: Cli) -> Exit {
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
        Some(Command::Reference(args)) => return reference(&args),
    };
    done.unwrap_or_else(|why| {
        anstream::eprintln!("{} {why}", crate::report::error_label());
        Exit::Unable
    })
}

fn reference(args: &volplug_driver::cli::Args) -> Exit {
    match volplug_driver::cli::run(args) {
        std::process::ExitCode::SUCCESS => Exit::Ok,
        _ => Exit::Unable,
    }
}
