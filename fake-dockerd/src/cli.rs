//! The command line of the daemon.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::api::{self, Host, Listener};
use crate::daemon::{Config, Daemon};
use crate::discovery::Directories;
use crate::profile::Engine;
use crate::runtime::{HostRuntime, Runtime, Simulated};

/// A fake Docker engine that finds and calls volume plugins exactly as dockerd does, and that the
/// docker CLI can talk to. Images are only names; what runs in a container is the host's.
///
/// Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start, 2 bad usage.
#[derive(Debug, Clone, Parser)]
#[command(name = "fake-dockerd", version, args_conflicts_with_subcommands = true)]
#[non_exhaustive]
pub struct Args {
    /// What is made of the command line instead of running.
    #[command(subcommand)]
    pub command: Option<ShellCommand>,

    /// Where to listen: unix:///PATH or tcp://127.0.0.1:PORT; may be given more than once
    /// [default: /run/docker.sock; without root docker.sock in the user's runtime directory]
    #[arg(long = "host", short = 'H', value_name = "URL")]
    pub hosts: Vec<Host>,

    /// Where plugins' sockets are looked for [default: /run/docker/plugins; without root
    /// docker/plugins in the user's runtime directory]
    #[arg(long, value_name = "DIR")]
    pub sockets_dir: Vec<PathBuf>,

    /// Where plugins' .spec and .json files are looked for
    /// [default: /etc/docker/plugins and /usr/lib/docker/plugins]
    #[arg(long, value_name = "DIR")]
    pub specs_dir: Vec<PathBuf>,

    /// Where volumes and containers are kept [default: /var/lib/fake-dockerd; without root
    /// fake-dockerd in the user's runtime directory]
    #[arg(long, value_name = "DIR")]
    pub data_root: Option<PathBuf>,

    /// Append every call to a plugin to this file, one JSON object a line
    #[arg(long, value_name = "FILE.jsonl")]
    pub trace: Option<PathBuf>,

    /// The Docker engine that is played: 20.10, 26.1 or 28.5
    #[arg(long, default_value_t, value_parser = str::parse::<Engine>)]
    pub engine: Engine,

    /// What runs in containers: the host's commands in mount namespaces of their own (host), or
    /// nothing (off) [default: host where bubblewrap is installed and may be used]
    #[arg(long, value_name = "HOW")]
    pub run: Option<Run>,

    /// Leave containers running when the engine ends, however it does, and take them over when it
    /// starts again with the same --data-root. With --run host, a container with a terminal (-t)
    /// still ends with the engine, and so does what is typed into one (-i); what a process printed
    /// last is lost if it ends while no engine is there
    #[arg(long)]
    pub live_restore: bool,

    /// How much is logged to standard error
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,
}

/// What shells and `man` want to know of the command line.
#[derive(Debug, Clone, Subcommand)]
#[non_exhaustive]
pub enum ShellCommand {
    /// Print completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual page
    Man {
        /// Where to write it
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

impl ShellCommand {
    fn make(&self) -> std::io::Result<()> {
        let mut command = Args::command();
        match self {
            Self::Completions { shell } => {
                let name = command.get_name().to_owned();
                let mut text = Vec::new();
                clap_complete::generate(*shell, &mut command, name, &mut text);
                std::io::stdout().lock().write_all(&text)
            }
            Self::Man { directory } => {
                std::fs::create_dir_all(directory)?;
                clap_mangen::generate_to(command, directory)
            }
        }
    }
}

/// What runs in containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Run {
    /// Commands of the host.
    Host,
    /// Nothing.
    Off,
}

impl Run {
    /// The runtime, or why there is none.
    fn runtime(how: Option<Self>) -> Result<Arc<dyn Runtime>, String> {
        let off = || Simulated::default();
        if how == Some(Self::Off) {
            let warning = "containers only pretend to run (--run off)";
            return Ok(Arc::new(off().warning(warning)));
        }
        match HostRuntime::probe() {
            Ok(runtime) => Ok(Arc::new(runtime)),
            Err(why) if how == Some(Self::Host) => Err(format!("--run host: {why}")),
            Err(why) => {
                let warning = format!("containers only pretend to run: {why}");
                tracing::warn!("{warning}");
                Ok(Arc::new(off().warning(warning)))
            }
        }
    }
}

/// A log level, as dockerd names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What happens.
    Info,
    /// What is odd.
    Warn,
    /// What failed.
    Error,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Info => Self::INFO,
            LogLevel::Warn => Self::WARN,
            LogLevel::Error => Self::ERROR,
        }
    }
}

/// Runs the daemon until a signal ends it.
#[must_use]
pub fn main(args: Args) -> ExitCode {
    if let Some(command) = &args.command {
        return ended(command.make().map_err(|error| error.to_string()));
    }
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from(args.log_level))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(args)),
        Err(error) => Err(error.to_string()),
    };
    ended(result)
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fake-dockerd: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where things are, after the defaults.
#[derive(Debug)]
struct Places {
    hosts: Vec<Host>,
    directories: Directories,
    data_root: PathBuf,
}

impl Places {
    /// Docker's own directories; what a user without root cannot have there is in the runtime
    /// directory, and is said, since plugins have to be put there.
    fn of(args: &Args) -> Self {
        let root = nix::unistd::geteuid().is_root();
        let own = |docker: &str, own: &str| {
            if root {
                PathBuf::from(docker)
            } else {
                runtime_directory().join(own)
            }
        };
        let or = |given: &[PathBuf], default: Vec<PathBuf>| {
            if given.is_empty() {
                default
            } else {
                given.to_vec()
            }
        };
        let sockets = vec![own("/run/docker/plugins", "docker/plugins")];
        let directories = Directories {
            sockets: or(&args.sockets_dir, sockets),
            specs: or(&args.specs_dir, Directories::default().specs),
        };
        let hosts = if args.hosts.is_empty() {
            vec![Host::Unix(own("/run/docker.sock", "docker.sock"))]
        } else {
            args.hosts.clone()
        };
        let data_root = args
            .data_root
            .clone()
            .unwrap_or_else(|| own("/var/lib/fake-dockerd", "fake-dockerd"));
        let places = Self {
            hosts,
            directories,
            data_root,
        };
        if !root {
            places.say_where(args);
        }
        places
    }

    fn say_where(&self, args: &Args) {
        let say = |what: &str, path: &Path| {
            eprintln!("fake-dockerd: not root: {what} {}", path.display());
        };
        if args.data_root.is_none() {
            say("state is in", &self.data_root);
        }
        if args.sockets_dir.is_empty() {
            for directory in &self.directories.sockets {
                say("plugins' sockets are looked for in", directory);
            }
        }
        if args.hosts.is_empty()
            && let Some(Host::Unix(socket)) = self.hosts.first()
        {
            say("listening on", socket);
        }
    }
}

/// `$XDG_RUNTIME_DIR`, or a directory of the user's own in the temporary one.
fn runtime_directory() -> PathBuf {
    let given = std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty());
    given.map_or_else(
        || std::env::temp_dir().join(format!("fake-dockerd-{}", nix::unistd::geteuid())),
        PathBuf::from,
    )
}

async fn run(args: Args) -> Result<(), String> {
    let places = Places::of(&args);
    let cannot = |what: &Path| {
        let what = what.display().to_string();
        move |error: std::io::Error| format!("{what}: {error}")
    };
    std::fs::create_dir_all(&places.data_root).map_err(cannot(&places.data_root))?;
    for host in &places.hosts {
        if let Host::Unix(socket) = host
            && let Some(directory) = socket.parent()
        {
            std::fs::create_dir_all(directory).map_err(cannot(directory))?;
        }
    }
    // Bound before anything else: a second engine must not touch the first one's state.
    let mut listeners = Vec::new();
    for host in &places.hosts {
        let bound = Listener::bind(host).await;
        listeners.push(bound.map_err(|error| format!("cannot listen on {host}: {error}"))?);
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let mut config = Config::new(&places.data_root)
        .engine(args.engine)
        .directories(places.directories)
        .live_restore(args.live_restore)
        .runtime(Run::runtime(args.run)?);
    if let Some(file) = &args.trace {
        config = config.trace(file);
    }
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(stop);
    let starting = Daemon::start(config);
    let daemon = tokio::select! {
        daemon = starting => daemon.map_err(|error| format!("cannot start: {error}"))?,
        // A plugin that is not there holds the start up.
        () = &mut stop => return Ok(()),
    };
    for listener in &listeners {
        tracing::info!("API listen on {}", listener.host());
    }
    api::serve(daemon, &places.data_root, listeners, stop).await;
    Ok(())
}
