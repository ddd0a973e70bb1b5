//! The command line, for the binary and for programs that offer it as a subcommand of theirs.
//!
//! Every option can also be given in the environment, which is how a managed plugin is configured
//! (`docker plugin set`).

use std::{env, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::{
    CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    builder::FalseyValueParser,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    StartError,
    backend::{
        Backend,
        cifs::{Cifs, CifsArgs},
        efs::{Efs, EfsArgs},
        moosefs::{self, MooseFs, MooseFsArgs},
        nfs::{Nfs, NfsArgs},
        quobyte::{Quobyte, QuobyteArgs},
        s3::{S3, S3Args},
    },
    local::{LocalConfig, LocalDriver, StorageDriver},
    logging::{self, LogFormat, LogLevel},
    root::DataRoot,
    server::{Limits, raise_open_files_limit},
    types::Scope,
};

/// A Docker volume plugin. Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start, 2 bad
/// usage.
#[derive(Debug, Clone, Parser)]
#[command(name = "volplug-driver", version)]
#[non_exhaustive]
pub struct Args {
    /// The kind of storage.
    #[command(subcommand)]
    pub command: Command,
}

/// The kinds of storage.
#[derive(Debug, Clone, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Keep volumes as directories of this host.
    Local(LocalArgs),
    /// Keep volumes in S3 buckets, mounted with s3fs.
    S3(StorageArgs<S3Args>),
    /// Keep volumes on NFS servers.
    Nfs(StorageArgs<NfsArgs>),
    /// Keep volumes on Amazon EFS.
    Efs(StorageArgs<EfsArgs>),
    /// Keep volumes on Windows or Samba servers.
    Cifs(StorageArgs<CifsArgs>),
    /// Keep volumes on MooseFS.
    Moosefs(StorageArgs<MooseFsArgs>),
    /// Keep volumes on Quobyte.
    Quobyte(StorageArgs<QuobyteArgs>),
}

/// The options of a kind of storage, beside those that all have.
#[derive(Debug, Clone, clap::Args)]
#[non_exhaustive]
pub struct StorageArgs<T: clap::Args> {
    /// What all kinds of storage have.
    #[command(flatten)]
    pub common: LocalArgs,
    /// What this one has.
    #[command(flatten)]
    pub storage: T,
}

/// `volplug-driver local`
#[derive(Debug, Clone, clap::Args)]
#[non_exhaustive]
pub struct LocalArgs {
    /// The unix socket to listen on; Docker knows the plugin by its file name
    /// [default: /run/docker/plugins/volplug.sock, unless --tcp is given]
    #[arg(long, value_name = "PATH", env = "VOLPLUG_SOCKET")]
    pub socket: Option<PathBuf>,

    /// Listen on this TCP address; a loopback address, unless --allow-plain-tcp is given
    #[arg(long, value_name = "ADDR", env = "VOLPLUG_TCP")]
    pub tcp: Option<SocketAddr>,

    /// Serve TCP on any address, without encryption or passwords: whoever can connect can mount
    /// and delete volumes
    #[arg(long, env = "VOLPLUG_ALLOW_PLAIN_TCP", value_parser = FalseyValueParser::new())]
    pub allow_plain_tcp: bool,

    /// Where volumes and state are kept
    #[arg(
        long,
        value_name = "DIR",
        env = "VOLPLUG_DATA_ROOT",
        default_value = "/var/lib/volplug"
    )]
    pub data_root: PathBuf,

    /// Who sees the volumes, as told to Docker
    #[arg(long, env = "VOLPLUG_SCOPE", default_value = "local")]
    pub scope: ScopeArg,

    /// The shape of log lines
    #[arg(long, env = "VOLPLUG_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// How much is logged
    #[arg(long, env = "VOLPLUG_LOG_LEVEL", default_value = "info")]
    pub log_level: LogLevel,

    /// Answer every call within this time [default: 110 for Create and Mount, 55 for the others]
    #[arg(long, value_name = "SECS", env = "VOLPLUG_REQUEST_TIMEOUT", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub request_timeout: Option<u64>,

    /// Start with no volume mounted, whatever was recorded. The way out when a crash of the engine
    /// left volumes mounted by containers that are gone; only right while no container runs
    #[arg(long, env = "VOLPLUG_FORGET_HOLDS", value_parser = FalseyValueParser::new())]
    pub forget_holds: bool,

    /// Stands in for the kernel's boot ID; for tests
    #[arg(long, value_name = "ID", env = "VOLPLUG_BOOT_ID", hide = true)]
    pub boot_id: Option<String>,
}

/// `--scope`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum ScopeArg {
    /// This host alone.
    Local,
    /// Every host of the cluster that runs the driver.
    Global,
}

impl From<&LocalArgs> for LocalConfig {
    fn from(args: &LocalArgs) -> Self {
        let socket = args
            .socket
            .clone()
            .unwrap_or_else(|| "/run/docker/plugins/volplug.sock".into());
        let mut config = Self::new(socket, &args.data_root);
        if args.tcp.is_some() && args.socket.is_none() {
            config.socket = None;
        }
        config.tcp = args.tcp;
        config.allow_plain_tcp = args.allow_plain_tcp;
        config.scope = match args.scope {
            ScopeArg::Local => Scope::Local,
            ScopeArg::Global => Scope::Global,
        };
        if let Some(seconds) = args.request_timeout {
            config.limits = Limits::default().with_request_timeout(Duration::from_secs(seconds));
        }
        config.forget_holds = args.forget_holds;
        config.boot_id.clone_from(&args.boot_id);
        config
    }
}

/// Reads the command line of this process and runs it to the end.
#[must_use]
pub fn main() -> ExitCode {
    let matches = command(|name| env::var_os(name).is_some()).get_matches();
    match Args::from_arg_matches(&matches) {
        Ok(args) => run(&args),
        Err(error) => error.exit(),
    }
}

/// The command line, with the names that MooseFS's own plugin has in the environment where ours
/// are not set.
fn command(is_set: impl Fn(&str) -> bool) -> clap::Command {
    let log_level = ("log_level", "LOG_LEVEL");
    let plain = moosefs::PLAIN_NAMES.into_iter().chain([log_level]);
    Args::command().mut_subcommand("moosefs", |mut command| {
        for (option, name) in plain {
            if !is_set(&format!("VOLPLUG_{name}")) {
                command = command.mut_arg(option, |argument| argument.env(name));
            }
        }
        command
    })
}

/// Runs a driver until SIGTERM or SIGINT. Logs and errors go to stderr.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let common = args.command.common();
    logging::start(common.log_format, common.log_level);
    let config = LocalConfig::from(common);
    let served = match &args.command {
        Command::Local(_) => serve(|| LocalDriver::bind(&config)),
        Command::S3(args) => serve(|| bind(&config, |root| Ok(S3::start(&args.storage, root)))),
        Command::Nfs(args) => serve(|| bind(&config, |root| Ok(Nfs::start(&args.storage, root)))),
        Command::Efs(args) => serve(|| bind(&config, |root| Ok(Efs::start(&args.storage, root)))),
        Command::Cifs(args) => serve(|| bind(&config, |root| Ok(Cifs::start(&args.storage, root)))),
        Command::Moosefs(args) => {
            serve(|| bind(&config, |root| Ok(MooseFs::start(&args.storage, root))))
        }
        Command::Quobyte(args) => {
            serve(|| bind(&config, |root| Quobyte::start(&args.storage, root)))
        }
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("volplug-driver: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bind<B: Backend>(
    config: &LocalConfig,
    start: impl FnOnce(&DataRoot) -> Result<B, StartError>,
) -> Result<StorageDriver<B>, StartError> {
    StorageDriver::bind_with(config, start)
}

impl Command {
    /// The options that all kinds of storage have.
    fn common(&self) -> &LocalArgs {
        match self {
            Self::Local(args) => args,
            Self::S3(args) => &args.common,
            Self::Nfs(args) => &args.common,
            Self::Efs(args) => &args.common,
            Self::Cifs(args) => &args.common,
            Self::Moosefs(args) => &args.common,
            Self::Quobyte(args) => &args.common,
        }
    }
}

fn serve<B: Backend>(
    bind: impl FnOnce() -> Result<StorageDriver<B>, StartError>,
) -> Result<(), StartError> {
    raise_open_files_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        // Before anything is listened on: a signal must not leave a socket behind.
        let (mut terminate, mut interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let driver = bind()?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        driver.run(shutdown).await
    });
    // A call that outlived the time for stopping must not hold up the end of the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command(|_| false).debug_assert();
        command(|_| true).debug_assert();
    }

    #[test]
    fn moosefs_has_the_names_of_its_own_plugin_where_ours_are_not_set() {
        let name_of = |option: &str, ours_is_set: bool| {
            let command = command(|_| ours_is_set);
            let moosefs = command.find_subcommand("moosefs").unwrap();
            let argument = moosefs
                .get_arguments()
                .find(|argument| argument.get_id() == option);
            let name = argument.unwrap().get_env().unwrap();
            name.to_str().unwrap().to_owned()
        };
        assert_eq!(name_of("host", false), "HOST");
        assert_eq!(name_of("log_level", false), "LOG_LEVEL");
        assert_eq!(name_of("remote_path", true), "VOLPLUG_REMOTE_PATH");
    }
}
