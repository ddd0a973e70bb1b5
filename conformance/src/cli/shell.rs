//! What shells and `man` want to know of the command line.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use crate::exit::Exit;

pub(super) fn completions(shell: Shell) -> Result<Exit, String> {
    let mut text = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut text);
    super::run::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}

/// A page for the program, and one for each command.
pub(super) fn man(directory: &Path) -> Result<Exit, String> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), directory))
        .map_err(|why| format!("{}: {why}", directory.display()))?;
    Ok(Exit::Ok)
}
