//! Where reports go: to standard output, or to files that are opened before the run begins.

use std::fs::File;
use std::io::{self, Write as _};
use std::str::FromStr;

use crate::report::{Report, human, json, junit};

/// A report format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For a person.
    Human,
    /// For scripts.
    Json,
    /// For CI servers.
    Junit,
}

impl Format {
    const ALL: [(&'static str, Self); 3] = [
        ("human", Self::Human),
        ("json", Self::Json),
        ("junit", Self::Junit),
    ];
}

/// `FORMAT` or `FORMAT=FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FormatArg {
    pub(super) format: Format,
    pub(super) file: Option<String>,
}

impl FromStr for FormatArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, file) = match text.split_once('=') {
            Some((_, "" | "-")) => (text.split('=').next().unwrap_or_default(), None),
            Some((name, file)) => (name, Some(file.to_owned())),
            None => (text, None),
        };
        let known = Format::ALL.iter().find(|(known, _)| *known == name);
        let (_, format) = known.ok_or_else(|| {
            let names: Vec<_> = Format::ALL.iter().map(|(name, _)| *name).collect();
            format!("there is no format `{name}`: it is {}", names.join(", "))
        })?;
        Ok(Self {
            format: *format,
            file,
        })
    }
}

/// An open place for a report.
#[derive(Debug)]
pub(super) struct Output {
    format: Format,
    file: Option<(String, File)>,
}

/// Opens every file now: a path that cannot be written is told before the run, and the run may
/// leave the file system that the paths are in.
pub(super) fn open(formats: &[FormatArg]) -> Result<Vec<Output>, String> {
    if formats.is_empty() {
        return Ok(vec![Output {
            format: Format::Human,
            file: None,
        }]);
    }
    if formats.iter().filter(|arg| arg.file.is_none()).count() > 1 {
        return Err(
            "two reports cannot both go to standard output: give --format FORMAT=FILE".to_owned(),
        );
    }
    let open = |arg: &FormatArg| {
        let file = match &arg.file {
            None => None,
            Some(path) => {
                let file = File::create(path)
                    .map_err(|e| format!("--format: cannot write {path}: {e}"))?;
                Some((path.clone(), file))
            }
        };
        Ok(Output {
            format: arg.format,
            file,
        })
    };
    formats.iter().map(open).collect()
}

impl Output {
    /// Writes the report.
    pub(super) fn write(self, report: &Report) -> Result<(), String> {
        let to_file = self.file.is_some();
        let text = match self.format {
            Format::Human => human(report, width(to_file)),
            Format::Json => json(report).map_err(|e| e.to_string())?,
            Format::Junit => junit(report)?,
        };
        let written = match self.file {
            None => {
                let mut stdout = anstream::stdout().lock();
                stdout
                    .write_all(text.as_bytes())
                    .and_then(|()| stdout.flush())
                    .map_err(|e| ("stdout".to_owned(), e))
            }
            Some((path, file)) => {
                // No colours in files.
                let mut file = anstream::StripStream::new(file);
                file.write_all(text.as_bytes()).map_err(|e| (path, e))
            }
        };
        match written {
            // A reader such as `head` that has seen enough is no failure.
            Err((_, error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err((path, error)) => Err(format!("cannot write the report to {path}: {error}")),
            Ok(()) => Ok(()),
        }
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
