//! The command line, for the binary and for programs that offer it as a subcommand of theirs.
//!
//! Every option can also be given in the environment, which is how a managed plugin is configured
//! (`docker plugin set`).

mod serve;
mod shell;
mod status;

use std::{env, path::PathBuf, process::ExitCode};

use clap::{
    Arg, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand,
    builder::Resettable, error::ErrorKind, parser::ValueSource,
};

use crate::{
    backend::moosefs,
    logging::{LogFormat, LogLevel},
    plugin::PluginConfig,
};
pub use shell::ShellCommand;
pub use status::{StatusArgs, StatusFormat};

/// A Docker volume plugin. Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start, 2 bad
/// usage. SIGHUP reads the configuration file and the certificates again.
#[derive(Debug, Clone, Parser)]
#[command(name = "volplug-driver", version)]
#[non_exhaustive]
pub struct Args {
    /// The kind of storage, or what else to do.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// What concerns the whole process.
    #[command(flatten, next_help_heading = "Process")]
    pub process: ProcessArgs,
}

/// The kinds of storage, and what can be asked of a driver that runs.
#[derive(Debug, Clone, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// One kind of storage each.
    #[command(flatten)]
    Serve(Box<PluginConfig>),
    /// Show what a running driver does: volumes, holders, health, calls
    Status(StatusArgs),
    /// What shells and `man` want to know.
    #[command(flatten)]
    Shell(ShellCommand),
}

/// What concerns the whole process, however many plugins it runs.
#[derive(Debug, Clone, clap::Args)]
#[non_exhaustive]
pub struct ProcessArgs {
    /// Run the plugins of this file, beside the one of the command line if there is one
    #[arg(long, value_name = "FILE", env = "VOLPLUG_CONFIG", global = true)]
    pub config: Option<PathBuf>,

    /// Serve /status and /metrics here: a unix socket's path, or a loopback address such as
    /// 127.0.0.1:9101
    #[arg(
        long,
        value_name = "PATH|ADDR",
        env = "VOLPLUG_STATUS_LISTEN",
        global = true
    )]
    pub status_listen: Option<String>,

    /// The shape of log lines
    #[arg(
        long,
        env = "VOLPLUG_LOG_FORMAT",
        default_value = "text",
        global = true
    )]
    pub log_format: LogFormat,

    /// How much is logged
    #[arg(long, env = "VOLPLUG_LOG_LEVEL", default_value = "info", global = true)]
    pub log_level: LogLevel,
}

/// Reads the command line of this process and runs it to the end.
#[must_use]
pub fn main() -> ExitCode {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let command = without_empty_variables(with_plain_names(Args::command(), is_set));
    let mut matches = command.clone().get_matches();
    if takes_plain_log_level(&matches) {
        let command = command.mut_arg(LOG_LEVEL, |arg| arg.env(moosefs::PLAIN_LOG_LEVEL));
        matches = without_empty_variables(command).get_matches();
    }
    match Args::from_arg_matches(&matches) {
        Ok(args) => run(&args),
        Err(error) => error.exit(),
    }
}

/// `docker plugin set NAME VARIABLE=` can empty a variable of a managed plugin, but not take it
/// away: an empty one counts as not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let reset = |arg: Arg| {
        let variable = arg.get_env().and_then(env::var_os);
        if variable.is_some_and(|value| value.is_empty()) {
            arg.env(Resettable::Reset)
        } else {
            arg
        }
    };
    command
        .mut_args(reset)
        .mut_subcommands(without_empty_variables)
}

const LOG_LEVEL: &str = "log_level";

/// Gives the options of MooseFS the names that MooseFS's own plugin has in the environment, where
/// ours are not set.
fn with_plain_names(command: clap::Command, is_set: impl Fn(&str) -> bool) -> clap::Command {
    command.mut_subcommand("moosefs", |mut command| {
        for (option, name) in moosefs::PLAIN_NAMES {
            if !is_set(&format!("VOLPLUG_{name}")) {
                command = command.mut_arg(option, |arg| arg.env(name));
            }
        }
        command
    })
}

/// The level is an option of the process whatever the storage, so it is known only after reading
/// the command line whether MooseFS's name for it counts.
fn takes_plain_log_level(matches: &ArgMatches) -> bool {
    matches
        .subcommand_matches("moosefs")
        .is_some_and(|moosefs| moosefs.value_source(LOG_LEVEL) == Some(ValueSource::DefaultValue))
}

/// Does what the command line says. Logs and errors go to stderr.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let done = match &args.command {
        Some(Command::Shell(command)) => command.make().map_err(|error| error.to_string()),
        Some(Command::Status(status)) => status::show(status, &args.process),
        Some(Command::Serve(plugin)) => serve::serve(Some(plugin), &args.process),
        None if args.process.config.is_some() => serve::serve(None, &args.process),
        None => {
            let message = "a kind of storage or --config FILE is needed";
            let error = Args::command().error(ErrorKind::MissingSubcommand, message);
            let _ = error.print();
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("volplug-driver: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        for is_set in [true, false] {
            with_plain_names(Args::command(), |_| is_set).debug_assert();
        }
    }

    #[test]
    fn moosefs_has_the_names_of_its_own_plugin_where_ours_are_not_set() {
        let name_of = |option: &str, ours_is_set: bool| {
            let command = with_plain_names(Args::command(), |_| ours_is_set);
            let moosefs = command.find_subcommand("moosefs").unwrap();
            let arg = moosefs.get_arguments().find(|arg| arg.get_id() == option);
            let name = arg.unwrap().get_env().unwrap();
            name.to_str().unwrap().to_owned()
        };
        assert_eq!(name_of("host", false), "HOST");
        assert_eq!(name_of("remote_path", true), "VOLPLUG_REMOTE_PATH");
    }

    #[test]
    fn only_moosefs_has_another_name_for_the_log_level() {
        for (line, taken) in [
            ("volplug-driver moosefs", true),
            ("volplug-driver moosefs --log-level debug", false),
            ("volplug-driver --log-level debug moosefs", false),
            ("volplug-driver nfs", false),
        ] {
            let command = Args::command().mut_arg(LOG_LEVEL, |arg| arg.env(Resettable::Reset));
            let matches = command.get_matches_from(line.split(' '));
            assert_eq!(takes_plain_log_level(&matches), taken, "{line}");
        }
    }
}
