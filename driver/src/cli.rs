//! The command line, for the binary and for programs that offer it as a subcommand of theirs.
//!
//! Every option can also be given in the environment, which is how a managed plugin is configured
//! (`docker plugin set`).

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand, ValueEnum, builder::FalseyValueParser};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    StartError,
    local::{LocalConfig, LocalDriver},
    logging::{self, LogFormat, LogLevel},
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
    run(&Args::parse())
}

/// Runs a driver until SIGTERM or SIGINT. Logs and errors go to stderr.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let Command::Local(args) = &args.command;
    logging::start(args.log_format, args.log_level);
    match serve(&args.into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("volplug-driver: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &LocalConfig) -> Result<(), StartError> {
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
        let driver = LocalDriver::bind(config)?;
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
