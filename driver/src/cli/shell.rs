//! What shells and `man` want to know of the command line.

use std::{io::Write as _, path::PathBuf};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Args;

/// What is made of the command line.
#[derive(Debug, Clone, clap::Subcommand)]
#[non_exhaustive]
pub enum ShellCommand {
    /// Print completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write manual pages: one for the program, and one for each command
    Man {
        /// Where to write them
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

impl ShellCommand {
    /// Makes it.
    pub(super) fn make(&self) -> std::io::Result<()> {
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
