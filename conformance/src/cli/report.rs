//! `report`: what is done with reports that have been written as JSON.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::output::{self, FormatArg};
use crate::exit::Exit;
use crate::report::{self, Matrix, Report};

/// What to do with them.
#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// Join the reports of a run that was split with --partition.
    Merge(MergeArgs),
    /// Write a report in another format.
    Render(RenderArgs),
    /// Set the reports of several plugins side by side: cases × plugins.
    Compare(CompareArgs),
}

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The reports of all parts, as --format json=FILE writes them.
    #[arg(value_name = "REPORT.json", required = true)]
    reports: Vec<PathBuf>,
    /// As of a run; repeatable [default: human].
    #[arg(long, value_name = "FORMAT[=FILE]")]
    format: Vec<FormatArg>,
}

#[derive(Debug, Args)]
pub(super) struct RenderArgs {
    /// The report, as --format json=FILE writes it.
    #[arg(value_name = "REPORT.json")]
    report: PathBuf,
    /// As of a run; repeatable [default: human].
    #[arg(long, value_name = "FORMAT[=FILE]")]
    format: Vec<FormatArg>,
}

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// One report a plugin; with a name before it where the plugin's own does not tell.
    #[arg(value_name = "[NAME=]REPORT.json", required = true, num_args = 2..)]
    reports: Vec<String>,
    /// html or markdown; repeatable [default: markdown].
    #[arg(long, value_name = "FORMAT[=FILE]")]
    format: Vec<MatrixFormatArg>,
}

/// A format of the matrix, and the file that it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MatrixFormatArg {
    html: bool,
    file: Option<String>,
}

impl FromStr for MatrixFormatArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = output::split(text);
        let html = match name {
            "html" => true,
            "markdown" => false,
            _ => {
                return Err(format!(
                    "there is no format `{name}` of it; there are html, markdown"
                ));
            }
        };
        Ok(Self { html, file })
    }
}

pub(super) fn report(command: &ReportCommand) -> Result<Exit, String> {
    match command {
        ReportCommand::Merge(args) => {
            let reports = args.reports.iter().map(|path| report::read(path));
            let merged = report::merge(reports.collect::<Result<Vec<_>, _>>()?)?;
            output::open(&args.format)?.write(&merged)?;
            Ok(Exit::of(&merged))
        }
        ReportCommand::Render(args) => {
            let report = report::read(&args.report)?;
            output::open(&args.format)?.write(&report)?;
            Ok(Exit::Ok)
        }
        ReportCommand::Compare(args) => compare(args),
    }
}

fn compare(args: &CompareArgs) -> Result<Exit, String> {
    let reports: Vec<(String, Report)> = args
        .reports
        .iter()
        .map(|given| named(given))
        .collect::<Result<_, _>>()?;
    let matrix = Matrix::new(&reports)?;
    if args.format.is_empty() {
        output::write(None, &matrix.markdown())?;
    }
    for format in &args.format {
        let text = if format.html {
            matrix.html()
        } else {
            matrix.markdown()
        };
        let open = |path: &String| {
            let file = std::fs::File::create(path);
            let file = file.map_err(|e| format!("--format: cannot write {path}: {e}"))?;
            Ok::<_, String>((path.clone(), file))
        };
        output::write(format.file.as_ref().map(open).transpose()?, &text)?;
    }
    Ok(Exit::Ok)
}

/// A report, and what it is called: the name given, or the plugin's.
fn named(given: &str) -> Result<(String, Report), String> {
    match given.split_once('=') {
        Some((name, path)) if !name.is_empty() && !Path::new(given).exists() => {
            Ok((name.to_owned(), report::read(Path::new(path))?))
        }
        _ => {
            let report = report::read(Path::new(given))?;
            Ok((report.target.plugin.clone(), report))
        }
    }
}
