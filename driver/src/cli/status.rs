//! `volplug-driver status`

use std::io::{self, Write as _};

use clap::ValueEnum;

use super::ProcessArgs;
use crate::monitor::{self, StatusAddress};

/// Where the packaged units let a driver serve its status.
const DEFAULT_ADDRESS: &str = "/run/volplug/status.sock";

/// `volplug-driver status`, which asks the driver at --status-listen
/// [/run/volplug/status.sock, unless given].
#[derive(Debug, Clone, clap::Args)]
#[non_exhaustive]
pub struct StatusArgs {
    /// For people, or as JSON for programs
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub output: StatusFormat,
}

/// `--output`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum StatusFormat {
    /// A few lines for people.
    Human,
    /// One JSON object.
    Json,
}

pub(super) fn show(args: &StatusArgs, process: &ProcessArgs) -> Result<(), String> {
    let given = process.status_listen.as_deref().unwrap_or(DEFAULT_ADDRESS);
    let address: StatusAddress = given
        .parse()
        .map_err(|reason| format!("cannot ask {given}: {reason}"))?;
    let (json, report) = monitor::fetch(&address)
        .map_err(|reason| format!("cannot ask for the status: {reason}"))?;
    let written = match args.output {
        StatusFormat::Human => write!(io::stdout(), "{report}"),
        StatusFormat::Json => write!(io::stdout(), "{json}"),
    };
    match written {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write the status: {error}"))
        }
        _ => Ok(()),
    }
}
