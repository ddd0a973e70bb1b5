//! Writes a recording while it is made: the file is whole JSON after every write, so that a
//! recorder that is killed leaves what it has seen.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::conversation::{Seen, rounded};
use super::format::{RECORDED, Recording, Step};

/// How many calls and events a step holds: only the last step is written anew when one comes.
const STEP: usize = 64;

/// What ends the file.
const END: &[u8] = b"]}\n";

/// A recording that is being written.
#[derive(Debug)]
pub struct Journal {
    thread: JoinHandle<io::Result<u64>>,
    seen: Sender<Seen>,
}

impl Journal {
    /// Begins the file, which must not be there yet. It is readable by its owner only: there may be more in it than options that
    /// look like secrets.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(path: &Path, head: &Recording) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut writer = Writer::begin(file, head)?;
        let (seen, all) = channel();
        let thread = std::thread::spawn(move || writer.write_all(&all));
        Ok(Self { thread, seen })
    }

    /// Where to send what is seen.
    #[must_use]
    pub fn sender(&self) -> Sender<Seen> {
        self.seen.clone()
    }

    /// Waits until everything is in the file, and says how many calls there are. All other senders
    /// have to be gone.
    ///
    /// # Errors
    /// Why the file could not be written.
    pub fn finish(self) -> io::Result<u64> {
        drop(self.seen);
        let done = self.thread.join();
        done.map_err(|_| io::Error::other("the writer ended early"))?
    }
}

struct Writer {
    file: File,
    /// Where the step begins that is still growing.
    offset: u64,
    step: Step,
    calls: u64,
}

impl Writer {
    fn begin(file: File, head: &Recording) -> io::Result<Self> {
        let head = serde_json::to_string(&Recording {
            commands: Vec::new(),
            ..head.clone()
        })?;
        // The steps are its last member.
        let start = head.strip_suffix("]}").unwrap_or(&head);
        file.write_all_at(start.as_bytes(), 0)?;
        let mut writer = Self {
            offset: start.len() as u64,
            file,
            step: step(0.0),
            calls: 0,
        };
        writer.write()?;
        Ok(writer)
    }

    fn write_all(&mut self, all: &Receiver<Seen>) -> io::Result<u64> {
        while let Ok(first) = all.recv() {
            self.add(first)?;
            // All that has come meanwhile goes into the same write.
            while let Ok(seen) = all.try_recv() {
                self.add(seen)?;
            }
            self.write()?;
        }
        Ok(self.calls)
    }

    fn add(&mut self, seen: Seen) -> io::Result<()> {
        if self.step.calls.len() + self.step.wire_events.len() >= STEP {
            let written = self.write()?;
            self.offset += written - END.len() as u64;
            self.offset += self.file.write_at(b",\n", self.offset)? as u64;
            self.step = step(self.step.t_start + self.step.duration);
        }
        let begun = self.step.t_start;
        let mut end = begun;
        match seen {
            Seen::Call(mut call) => {
                self.calls += 1;
                end = call.t + call.took.unwrap_or_default();
                call.t = rounded(call.t - begun);
                self.step.calls.push(*call);
            }
            Seen::Event(mut event) => {
                if let Some(at) = event.get_mut("t")
                    && let Some(t) = at.as_f64()
                {
                    end = t;
                    *at = rounded(t - begun).into();
                }
                self.step.wire_events.push(event);
            }
        }
        self.step.duration = rounded(self.step.duration.max(end - begun));
        Ok(())
    }

    /// Writes the growing step and the end of the file, and says how long they are.
    fn write(&mut self) -> io::Result<u64> {
        let mut bytes = serde_json::to_vec(&self.step)?;
        bytes.extend_from_slice(END);
        self.file.write_all_at(&bytes, self.offset)?;
        Ok(bytes.len() as u64)
    }
}

fn step(t_start: f64) -> Step {
    Step {
        argv: vec![RECORDED.to_owned()],
        exit: Some(0),
        t_start: rounded(t_start),
        ..Step::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_file_is_a_recording_after_every_write_however_long_it_gets() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("r.json");
        let head = Recording {
            scenario: "s".to_owned(),
            notes: vec!["a note".to_owned()],
            ..Recording::default()
        };
        let file = File::create(&path).unwrap();
        let mut writer = Writer::begin(file, &head).unwrap();
        let read = || Recording::read(&path).unwrap();
        assert_eq!(read().notes, head.notes);
        for n in 0..STEP * 2 + 3 {
            writer
                .add(Seen::Event(json!({"ev": "x", "n": n, "t": n as f64})))
                .unwrap();
            writer.write().unwrap();
            let events: usize = read()
                .commands
                .iter()
                .map(|step| step.wire_events.len())
                .sum();
            assert_eq!(events, n + 1);
        }
        let steps = read().commands;
        assert_eq!(steps.len(), 3);
        assert_eq!(
            (steps[1].t_start, &steps[1].wire_events[0]["t"]),
            (63.0, &json!(1.0))
        );
    }
}
