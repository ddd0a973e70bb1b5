//! Where reports go: to standard output, or to files that are opened before the run begins.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::str::FromStr;

use crate::report::{self, Format, Report};

/// What GitHub Actions calls the file of a job's summary.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// `FORMAT` or `FORMAT=FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FormatArg {
    pub(super) format: Format,
    pub(super) file: Option<String>,
}

impl FromStr for FormatArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = split(text);
        Ok(Self {
            format: name.parse()?,
            file,
        })
    }
}

/// The name and, where it is not standard output, the file of `NAME=FILE`.
pub(super) fn split(text: &str) -> (&str, Option<String>) {
    match text.split_once('=') {
        Some((name, "" | "-")) => (name, None),
        Some((name, file)) => (name, Some(file.to_owned())),
        None => (text, None),
    }
}

/// An open place for a report.
#[derive(Debug)]
pub(super) struct Output {
    format: Format,
    file: Option<(String, File)>,
    /// Where the job's summary goes.
    summary: Option<File>,
}

/// All open places.
#[derive(Debug)]
pub(super) struct Outputs(Vec<Output>);

/// Opens every file now: a path that cannot be written is told before the run, and the run may
/// leave the file system that the paths are in.
pub(super) fn open(formats: &[FormatArg]) -> Result<Outputs, String> {
    let human = FormatArg {
        format: Format::Human,
        file: None,
    };
    let formats = if formats.is_empty() {
        std::slice::from_ref(&human)
    } else {
        formats
    };
    let printed: Vec<Format> = formats
        .iter()
        .filter(|arg| arg.file.is_none())
        .map(|arg| arg.format)
        .collect();
    // Annotations are lines that may stand beneath what a person reads.
    let together = |format: &Format| matches!(format, Format::Human | Format::Github);
    if printed.len() > 2 || (printed.len() == 2 && !printed.iter().all(together)) {
        return Err(
            "two reports cannot both go to standard output: give --format FORMAT=FILE".to_owned(),
        );
    }
    for (at, arg) in formats.iter().enumerate() {
        if let Some(file) = arg.file.as_ref().filter(|file| {
            let before = formats.iter().take(at);
            before
                .into_iter()
                .any(|other| other.file.as_ref() == Some(file))
        }) {
            return Err(format!("--format: two reports cannot both go to {file}"));
        }
    }
    formats
        .iter()
        .map(Output::open)
        .collect::<Result<_, _>>()
        .map(Outputs)
}

impl Outputs {
    /// Writes the report to each place.
    pub(super) fn write(self, report: &Report) -> Result<(), String> {
        let printed = |output: &&Output| output.file.is_none();
        let beside = self.0.iter().filter(printed).count() > 1;
        let (last, first): (Vec<_>, Vec<_>) = self
            .0
            .into_iter()
            .partition(|output| output.format == Format::Github);
        for output in first.into_iter().chain(last) {
            output.write(report, beside)?;
        }
        Ok(())
    }
}

impl Output {
    fn open(arg: &FormatArg) -> Result<Self, String> {
        let told = |path: &str, e| format!("--format: cannot write {path}: {e}");
        let open = |path: &String| {
            let file = File::create(path).map_err(|e| told(path, e))?;
            Ok::<_, String>((path.clone(), file))
        };
        let summary = std::env::var(SUMMARY).ok();
        let summary = summary.filter(|path| arg.format == Format::Github && !path.is_empty());
        let append = |path: String| {
            let opened = OpenOptions::new().create(true).append(true).open(&path);
            opened.map_err(|e| told(&path, e))
        };
        Ok(Self {
            format: arg.format,
            file: arg.file.as_ref().map(open).transpose()?,
            summary: summary.map(append).transpose()?,
        })
    }

    /// Writes the report, `beside` another one on standard output or not.
    fn write(mut self, report: &Report, beside: bool) -> Result<(), String> {
        if let Some(summary) = &mut self.summary {
            let text = report::job_summary(report);
            let written = summary.write_all(text.as_bytes());
            written.map_err(|e| format!("cannot write the job's summary: {e}"))?;
        }
        let mut text = self.format.render(report, width(self.file.is_some()))?;
        if beside && self.file.is_none() && self.format == Format::Human {
            // What plugins say must not be taken for a command of the CI's.
            text = report::inert(&text, &format!("volplug-{:016x}", rand::random::<u64>()));
        }
        write(self.file, &text)
    }
}

/// Writes text to a file, or to standard output.
pub(super) fn write(file: Option<(String, File)>, text: &str) -> Result<(), String> {
    let Some((path, file)) = file else {
        return super::run::print(text);
    };
    // No colours in files.
    let mut file = anstream::StripStream::new(file);
    match file.write_all(text.as_bytes()) {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write the report to {path}: {error}"))
        }
        _ => Ok(()),
    }
}

/// Columns to write for: the terminal's, `COLUMNS`, or 100.
fn width(to_file: bool) -> usize {
    let terminal = if to_file {
        None
    } else {
        terminal_size::terminal_size().map(|(w, _)| usize::from(w.0))
    };
    let told = || {
        std::env::var("COLUMNS")
            .ok()
            .and_then(|text| text.parse().ok())
    };
    terminal.or_else(told).unwrap_or(100).clamp(40, 200)
}
