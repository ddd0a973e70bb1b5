//! A line that tells how far the run is, on a terminal only.

use std::io::{IsTerminal as _, Write as _};

use super::Summary;
use super::style::{BAD, DIM, WARN, styled};
use crate::runner::{Event, Reporter};

/// Writes progress to standard error: one line that renews itself on a terminal, and only notices
/// elsewhere.
#[derive(Debug)]
pub struct Progress {
    live: bool,
    total: usize,
    counts: Summary,
    running: Vec<String>,
    /// How far the running case is, where it says.
    detail: String,
}

impl Progress {
    /// Progress on standard error; silent but for notices when that is no terminal.
    #[must_use]
    pub fn new() -> Self {
        let live = std::io::stderr().is_terminal();
        Self {
            live,
            total: 0,
            counts: Summary::default(),
            running: Vec::new(),
            detail: String::new(),
        }
    }

    fn draw(&self) {
        if !self.live {
            return;
        }
        let Summary {
            passed,
            failed,
            warned,
            skipped,
            ..
        } = self.counts;
        let done = passed + failed + warned + skipped;
        let mut line = format!("{done}/{}", self.total);
        if failed > 0 {
            line += &styled(BAD, format_args!("  {failed} failed"));
        }
        if warned > 0 {
            line += &styled(WARN, format_args!("  {warned} warned"));
        }
        if let Some(id) = self.running.last() {
            line += &styled(DIM, format_args!("  {id}  {}", self.detail));
        }
        self.write(&format!("\r\x1b[2K{line}"));
    }

    #[expect(clippy::unused_self, reason = "only a progress writes progress")]
    fn write(&self, text: &str) {
        // Nobody is helped when a run ends because its progress could not be shown.
        let mut stderr = anstream::stderr().lock();
        let _ = stderr
            .write_all(text.as_bytes())
            .and_then(|()| stderr.flush());
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Reporter for Progress {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { cases } => self.total = *cases,
            Event::CaseStarted { id } => self.running.push((*id).to_owned()),
            Event::CaseProgress { text } => (*text).clone_into(&mut self.detail),
            Event::CaseFinished(case) => {
                self.detail.clear();
                self.running.retain(|id| *id != case.id);
                self.counts.add(case.verdict);
            }
            Event::Notice(text) => {
                let clear = if self.live { "\r\x1b[2K" } else { "" };
                self.write(&format!("{clear}note: {text}\n"));
            }
            Event::Finished(_) => {
                if self.live {
                    self.write("\r\x1b[2K");
                }
                return;
            }
        }
        self.draw();
    }
}
