//! What a container printed, kept as dockerd's `json-file` driver keeps it.
//!
//! Follows moby's `daemon/logger/jsonfilelog` and `logger/copier.go`: one JSON object a line,
//! `{"log":"hi\n","stream":"stdout","time":"…"}`; a line of more than 16 KiB is cut into pieces.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::runtime::Output;

/// No piece of a line is longer.
const LONGEST: usize = 16 << 10;
/// How much is read at once while the last lines are looked for.
const BLOCK: u64 = 8 << 10;
/// How many lines are handed out at once.
const BATCH: usize = 256;

/// A line, or a piece of a long one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogEntry {
    /// The text, with the newline if the line ends with it.
    pub(crate) log: String,
    /// `stdout` or `stderr`.
    pub(crate) stream: String,
    pub(crate) time: Timestamp,
}

/// The log of a container.
#[derive(Debug)]
pub(crate) struct ContainerLog {
    path: PathBuf,
    writer: Mutex<Writer>,
    state: watch::Sender<LogState>,
}

/// How far a log has come.
#[derive(Debug, Clone, Copy, Default)]
struct LogState {
    /// In bytes.
    length: u64,
    /// Whether a process may still write.
    is_open: bool,
}

#[derive(Debug, Default)]
struct Writer {
    /// Opened with the first line: most containers print nothing.
    file: Option<File>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl ContainerLog {
    /// The log at `path`, which need not exist.
    pub(crate) fn new(path: PathBuf) -> Self {
        let length = fs::metadata(&path).map_or(0, |meta| meta.len());
        Self {
            path,
            writer: Mutex::default(),
            state: watch::Sender::new(LogState {
                length,
                is_open: false,
            }),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A process may write from now on.
    pub(crate) fn begin(&self) {
        self.state.send_modify(|state| state.is_open = true);
    }

    /// Takes what a process wrote; whole lines are kept at once.
    pub(crate) fn write(&self, output: Output, bytes: &[u8]) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let (stream, pending) = writer.pending(output);
        let mut text = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            pending.extend_from_slice(part);
            while pending.len() > LONGEST {
                let rest = pending.split_off(LONGEST);
                encode(&mut text, stream, pending);
                *pending = rest;
            }
            if pending.ends_with(b"\n") {
                encode(&mut text, stream, pending);
                pending.clear();
            }
        }
        self.append(&mut writer, &text);
    }

    /// Keeps what is left of the last lines; those who follow are told that it is over.
    pub(crate) fn end(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = Vec::new();
        for output in [Output::Stdout, Output::Stderr] {
            let (stream, pending) = writer.pending(output);
            if !pending.is_empty() {
                encode(&mut text, stream, pending);
                pending.clear();
            }
        }
        self.append(&mut writer, &text);
        writer.file = None;
        drop(writer);
        self.state.send_modify(|state| state.is_open = false);
    }

    fn append(&self, writer: &mut Writer, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        match writer.append(&self.path, text) {
            Ok(length) => self.state.send_modify(|state| state.length = length),
            Err(error) => tracing::error!("{}: {error}", self.path.display()),
        }
    }

    /// Reads from the beginning, or the last `tail` lines; unless it `follows`, up to what there is
    /// now.
    pub(crate) fn read(&self, tail: Option<u64>, follows: bool) -> io::Result<LogReader> {
        let state = self.state.subscribe();
        let length = state.borrow().length;
        let file = match File::open(&self.path) {
            Ok(mut file) => {
                let start = tail.map_or(Ok(0), |lines| start_of(&mut file, length, lines))?;
                file.seek(SeekFrom::Start(start))?;
                Some((BufReader::new(file), start))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(LogReader {
            path: self.path.clone(),
            file,
            state,
            end: (!follows).then_some(length),
        })
    }
}

impl Writer {
    fn pending(&mut self, output: Output) -> (&'static str, &mut Vec<u8>) {
        match output {
            Output::Stdout => ("stdout", &mut self.stdout),
            Output::Stderr => ("stderr", &mut self.stderr),
        }
    }

    /// The length behind what was appended.
    fn append(&mut self, path: &Path, text: &[u8]) -> io::Result<u64> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(path)?),
        };
        file.write_all(text)?;
        file.stream_position()
    }
}

/// Opens a log behind its last line, of which a daemon that was killed may have left a part only.
fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).read(true).open(path)?;
    if file.seek(SeekFrom::End(0))? > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

fn encode(text: &mut Vec<u8>, stream: &str, line: &[u8]) {
    let entry = LogEntry {
        log: String::from_utf8_lossy(line).into_owned(),
        stream: stream.to_owned(),
        time: Timestamp::now(),
    };
    if serde_json::to_writer(&mut *text, &entry).is_ok() {
        text.push(b'\n');
    }
}

/// Where the last `lines` lines of the first `length` bytes begin.
fn start_of(file: &mut File, length: u64, lines: u64) -> io::Result<u64> {
    let mut block = Vec::new();
    let mut end = length;
    // The newline at the end of the last line does not begin another one.
    let mut found = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        block.clear();
        file.seek(SeekFrom::Start(start))?;
        (&mut *file).take(end - start).read_to_end(&mut block)?;
        for (position, byte) in block.iter().enumerate().rev() {
            if *byte != b'\n' {
                continue;
            }
            if found == lines {
                return Ok(start + position as u64 + 1);
            }
            found += 1;
        }
        end = start;
    }
    Ok(0)
}

/// Reads a log, and waits for more of it.
#[derive(Debug)]
pub(crate) struct LogReader {
    path: PathBuf,
    /// The file with the position that is read next, once there is one.
    file: Option<(BufReader<File>, u64)>,
    state: watch::Receiver<LogState>,
    /// Where to stop.
    end: Option<u64>,
}

impl LogReader {
    /// The next lines, as far as there are any. Blocks on the disk only.
    pub(crate) fn next(&mut self) -> io::Result<Vec<LogEntry>> {
        let length = self.state.borrow_and_update().length;
        let length = self.end.map_or(length, |end| end.min(length));
        if self.file.is_none() && length > 0 {
            self.file = Some((BufReader::new(File::open(&self.path)?), 0));
        }
        let mut entries = Vec::new();
        let Some((file, position)) = &mut self.file else {
            return Ok(entries);
        };
        let mut line = Vec::new();
        while *position < length && entries.len() < BATCH {
            line.clear();
            *position += file.read_until(b'\n', &mut line)? as u64;
            if line.is_empty() {
                break;
            }
            // What a daemon that was killed left half written says nothing.
            entries.extend(serde_json::from_slice::<LogEntry>(&line));
        }
        Ok(entries)
    }

    /// Waits for more; `false` if there will be none.
    pub(crate) async fn has_more(&mut self) -> bool {
        if self.end.is_some() {
            return false;
        }
        let position = self.file.as_ref().map_or(0, |(_, position)| *position);
        let more = self
            .state
            .wait_for(|state| state.length > position || !state.is_open);
        more.await.is_ok_and(|state| state.length > position)
    }
}

#[cfg(test)]
mod tests {
    use super::{ContainerLog, Output};

    fn lines(log: &ContainerLog, tail: Option<u64>) -> Vec<String> {
        let mut reader = log.read(tail, false).unwrap();
        let entries = reader.next().unwrap();
        entries.into_iter().map(|entry| entry.log).collect()
    }

    #[test]
    fn lines_are_put_together_and_outlive_the_daemon() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b.log");
        let log = ContainerLog::new(path.clone());
        assert!(lines(&log, None).is_empty());
        log.write(Output::Stdout, b"one\ntw");
        log.write(Output::Stderr, b"no");
        log.write(Output::Stdout, b"o\n");
        assert_eq!(lines(&log, None), ["one\n", "two\n"]);
        log.end();
        drop(log);
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"{\"log\":"))
            .unwrap();
        let log = ContainerLog::new(path);
        log.write(Output::Stdout, b"three\n");
        assert_eq!(lines(&log, None), ["one\n", "two\n", "no", "three\n"]);
        assert_eq!(lines(&log, Some(1)), ["three\n"]);
        assert!(lines(&log, Some(0)).is_empty());
        assert_eq!(lines(&log, Some(99)).len(), 4);
    }

    #[test]
    fn long_lines_come_in_pieces() {
        let root = tempfile::tempdir().unwrap();
        let log = ContainerLog::new(root.path().join("log"));
        log.write(Output::Stdout, &[b'x'; 40_000]);
        log.write(Output::Stdout, b"\n");
        let lengths: Vec<_> = lines(&log, None).iter().map(String::len).collect();
        assert_eq!(lengths, [16384, 16384, 7233]);
    }
}
