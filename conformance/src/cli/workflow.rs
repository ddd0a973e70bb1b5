//! `workflow`: one file for the CI server that is there, which judges plugins × backends × engines
//! on several machines, joins the reports and sets them side by side.

use std::path::Path;

use clap::{Args, ValueEnum};
use fake_dockerd::Engine;

use crate::exit::Exit;

/// What stays the same in each.
const GITHUB: &str = include_str!("workflow/github.yml");
const GITLAB: &str = include_str!("workflow/gitlab.yml");

#[derive(Debug, Args)]
pub(super) struct WorkflowArgs {
    /// The CI server.
    #[arg(value_enum)]
    server: Server,
    /// A settings file for each plugin with each of its backends; repeatable.
    #[arg(long, value_name = "FILE", required = true)]
    settings: Vec<String>,
    /// The engines whose commands are played; repeatable [default: 28.5].
    #[arg(long, value_name = "VERSION", value_parser = str::parse::<Engine>)]
    engine: Vec<Engine>,
    /// Over how many machines each run is split.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    partitions: u16,
    /// Where the action is, such as OWNER/volplug/ci@v0.1.0, or the project and version on GitLab.
    #[arg(long, value_name = "PLACE")]
    from: String,
}

/// A CI server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Server {
    /// GitHub Actions.
    Github,
    /// GitLab CI.
    Gitlab,
}

pub(super) fn workflow(args: &WorkflowArgs) -> Result<Exit, String> {
    super::run::print(&written(args)?)?;
    Ok(Exit::Ok)
}

/// The file. Names go into it as JSON strings, which are strings of YAML, too.
fn written(args: &WorkflowArgs) -> Result<String, String> {
    let mut names: Vec<String> = Vec::new();
    for file in &args.settings {
        let name = name(file)?;
        if names.contains(&name) {
            return Err(format!(
                "--settings: two files are called `{name}`: rename one"
            ));
        }
        names.push(name);
    }
    let engines = if args.engine.is_empty() {
        vec![Engine::default()]
    } else {
        args.engine.clone()
    };
    let engines: Vec<&str> = engines.iter().map(|engine| engine.name()).collect();
    let numbers: Vec<u16> = (1..=args.partitions).collect();
    let (text, indent) = match args.server {
        Server::Github => (GITHUB, "          - "),
        Server::Gitlab => (GITLAB, "      - "),
    };
    let runs: Vec<String> = names
        .iter()
        .zip(&args.settings)
        .map(|(name, file)| match args.server {
            Server::Github => format!("{indent}{{ name: {}, settings: {} }}", json(name), json(file)),
            Server::Gitlab => format!(
                "{indent}VOLPLUG_NAME: {}\n        VOLPLUG_SETTINGS: {}\n        VOLPLUG_ENGINE: {}\n        VOLPLUG_PART: {}",
                json(name),
                json(file),
                json(&engines),
                json(numbers.iter().map(|n| format!("{n}/{}", args.partitions)).collect::<Vec<_>>())
            ),
        })
        .collect();
    Ok(text
        .replace("@RUNS@", &runs.join("\n"))
        .replace("@ENGINES@", &json(&engines))
        .replace("@NUMBERS@", &json(&numbers))
        .replace("@PARTS@", &args.partitions.to_string())
        .replace("@FROM@", &json(&args.from)))
}

/// What a run is called: its settings file without the ending. It becomes part of file names.
fn name(file: &str) -> Result<String, String> {
    let stem = Path::new(file)
        .file_stem()
        .and_then(std::ffi::OsStr::to_str);
    let plain = |name: &&str| {
        name.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    stem.filter(plain).map(str::to_owned).ok_or_else(|| {
        format!("--settings {file}: its name should be made of letters, digits, `-`, `_` and `.`")
    })
}

fn json(value: impl serde::Serialize) -> String {
    serde_json::to_string(&value).unwrap_or_default()
}
