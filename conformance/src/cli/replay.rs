//! `replay`: a recording, or the sequences of a file of regressions, against a plugin.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::run::{self, interrupt, print, with_plugin};
use super::settings::RunArgs;
use crate::exit::Exit;
use crate::recording::{Recording, Replay, Replayed, SentResponse, replay as play};
use crate::report::Format;

/// The schema of the JSON that `replay` of a recording prints.
const SCHEMA: &str = "volplug-conformance/replay@1";

/// The flags of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  volplug-conformance replay mine.json --socket /run/docker/plugins/mine.sock
  volplug-conformance replay mine.json --exec 'mine --listen {socket}' --strict
  volplug-conformance replay found.jsonl --socket /run/docker/plugins/mine.sock

EXIT STATUS:
  0  every answer is like the recorded one
  1  some differ: a success is a failure, a volume is missing, a scope is another …
     (with --strict: also the wording of failures, and members that no engine needs)
  2  it could not be played")]
pub(super) struct ReplayArgs {
    /// What to play: a recording as `record` writes it, or a file as --regressions does.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Which plugin of the recording, where it has several.
    #[arg(long, value_name = "NAME")]
    recorded_plugin: Option<String>,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn replay(args: ReplayArgs) -> Result<Exit, String> {
    let text = std::fs::read_to_string(&args.file).unwrap_or_default();
    if !Recording::is_one(&text) {
        return run::run(&args.run.replaying(args.file)?);
    }
    let recording = Recording::read(&args.file)?;
    let plugin = plugin_of(&recording, args.recorded_plugin.as_deref(), &args.file)?;
    let format = match args.run.format.as_slice() {
        [] => Format::Human,
        [arg] if arg.file.is_none() && matches!(arg.format, Format::Human | Format::Json) => {
            arg.format
        }
        _ => {
            return Err(
                "--format: a replay is told as human or json, on standard output".to_owned(),
            );
        }
    };
    let done = with_plugin(&args.run, async |target| {
        play(
            &target,
            &recording,
            &plugin,
            interrupt(Arc::clone(&target))?,
        )
        .await
    })?;
    let strict = args.run.strict;
    match format {
        Format::Json => print(&json(&done, strict))?,
        _ => print(&human(&done, strict))?,
    }
    Ok(if done.interrupted {
        Exit::Interrupted
    } else if done.differing(strict).next().is_some() {
        Exit::Violation
    } else {
        Exit::Ok
    })
}

/// The plugin whose calls are played: the only one, or the one that the user names.
fn plugin_of(recording: &Recording, wanted: Option<&str>, file: &Path) -> Result<String, String> {
    let mut plugins: Vec<&str> = recording
        .calls()
        .map(|(_, call)| call.plugin.as_str())
        .collect();
    plugins.sort_unstable();
    plugins.dedup();
    let shown = file.display();
    match (wanted, plugins.as_slice()) {
        (_, []) => Err(format!("{shown} holds no call")),
        (None, [only]) => Ok((*only).to_owned()),
        (Some(wanted), all) if all.contains(&wanted) => Ok(wanted.to_owned()),
        (_, all) => Err(format!(
            "{shown} holds calls to {}: give --recorded-plugin with one of them",
            all.join(", ")
        )),
    }
}

fn json(done: &Replay, strict: bool) -> String {
    let differ: Vec<u64> = done.differing(strict).map(|call| call.seq).collect();
    let whole = json!({"schema": SCHEMA, "strict": strict, "differing": differ, "replay": done});
    format!("{whole:#}\n")
}

fn human(done: &Replay, strict: bool) -> String {
    let mut text = String::new();
    for call in done.differing(strict) {
        text += &finding(call, strict);
    }
    for note in &done.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let differ = done.differing(strict).count();
    let remarks = done
        .calls
        .iter()
        .filter(|call| !call.found.remarks.is_empty())
        .count();
    let _ = write!(
        text,
        "{} calls played: {} answered alike, {differ} not",
        done.calls.len(),
        done.calls.len() - differ
    );
    if remarks > 0 && !strict {
        let _ = write!(
            text,
            "; {remarks} worded or shown otherwise (--strict tells)"
        );
    }
    if done.left_out > 0 {
        let _ = write!(
            text,
            "; {} left out, since the recorded plugin was told what to answer",
            done.left_out
        );
    }
    text + "\n"
}

/// A call whose answer differs: sent, recorded, got.
fn finding(call: &Replayed, strict: bool) -> String {
    let mut text = format!(
        "{} call {}  {}\n",
        crate::report::cross(),
        call.seq,
        call.path
    );
    let mut line = |what: &str, shown: &str| {
        let _ = writeln!(text, "  {what:<9} {}", shown.trim_end());
    };
    if !call.step.is_empty() {
        line("during", &call.step);
    }
    line("sent", &call.sent);
    line("recorded", &answer(&call.recorded));
    line("got", &answer(&call.got));
    for difference in &call.found.differences {
        line("differs", difference);
    }
    for remark in call.found.remarks.iter().filter(|_| strict) {
        line("differs", remark);
    }
    text + "\n"
}

fn answer(response: &SentResponse) -> String {
    match response.status {
        Some(status) => format!("{status} {}", response.body.as_deref().unwrap_or_default()),
        None if response.hang => "no answer in time".to_owned(),
        None => "the connection was closed".to_owned(),
    }
}
