//! One scenario: its commands against a fresh engine, and what was recorded meanwhile.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use volplug_conformance::recording::{Call, Recording, Seen, Step};

use super::engine::{Engine, Images};
use super::files::Files;
use super::place::certified;
use super::plugins::Plugins;

/// What an engine does in the background belongs to the command before, until it has called nobody
/// for so long.
const SETTLE: Duration = Duration::from_millis(300);

/// Whether it may come to something else each time: commands run at once, the engine calls of its own
/// accord while nobody commands anything, or it walks through several volumes, in the order of a Go
/// map, until one of them fails.
pub(crate) fn varies(recording: &Recording) -> bool {
    recording.commands.iter().any(|step| {
        let volumes: BTreeSet<String> = step.calls.iter().filter_map(Call::volume).collect();
        let slept = step.argv.first().is_some_and(|word| word == "@sleep");
        !step.parallel.is_empty() || volumes.len() > 1 || slept && !step.calls.is_empty()
    })
}

/// Makes the recording of a scenario anew.
pub(crate) fn make(recorded: &Recording, images: &Images) -> Result<Recording, String> {
    let engine = Engine::start(images, recorded)?;
    // Before anything is done to it: there are answers of plugins of which dockerd dies.
    let (version, cli) = engine.versions()?;
    let (certificate, tls) = certified().map_err(|error| error.to_string())?;
    let mut files = Files::new(engine.path("files"), certificate)?;
    let plugins = Plugins::start(recorded, &engine, &mut files, &tls)?;
    let mut run = Run {
        engine,
        plugins,
        files,
    };
    run.engine.complaints();
    let played = run.play(recorded);
    let plugin_final_state = run.plugins.known();
    run.engine.stop();
    let seen = run.plugins.end()?;
    Ok(Recording {
        engine: version,
        cli,
        scenario: recorded.scenario.clone(),
        notes: recorded.notes.clone(),
        commands: filed(played?, seen),
        plugin_final_state,
    })
}

/// A step of which the words that are IDs the engine drew, and told in a step before, are those of
/// this time.
fn renamed<'a>(step: &Step, before: impl Iterator<Item = (&'a Step, &'a Step)>) -> Step {
    let is_id = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut step = step.clone();
    for (recorded, made) in before {
        let (recorded, made) = (recorded.stdout.trim(), made.stdout.trim());
        if is_id(recorded) && is_id(made) {
            for word in step.argv.iter_mut().filter(|word| *word == recorded) {
                made.clone_into(word);
            }
        }
    }
    step
}

struct Run {
    engine: Engine,
    plugins: Plugins,
    files: Files,
}

impl Run {
    fn play(&mut self, recorded: &Recording) -> Result<Vec<Step>, String> {
        let mut steps: Vec<Step> = Vec::new();
        for step in &recorded.commands {
            let step = self.step(&renamed(step, recorded.commands.iter().zip(&steps)))?;
            steps.push(step);
        }
        Ok(steps)
    }

    fn step(&mut self, recorded: &Step) -> Result<Step, String> {
        let begun = self.plugins.begun().elapsed();
        let mut step = Step {
            argv: recorded.argv.clone(),
            exit: Some(0),
            t_start: begun.as_secs_f64(),
            ..Step::default()
        };
        self.plugins.appear(recorded)?;
        let words: Vec<&str> = recorded.argv.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["docker", arguments @ ..] => {
                let done = self.docker(arguments).output();
                take(&mut step, done);
            }
            ["@api", method, path, body] => {
                let (status, answer) = self.engine.request(method, path, body)?;
                step.exit = Some(i32::from(status >= 400));
                step.stdout = answer;
            }
            ["@dockerd-stop", signal] => self.engine.end(signal),
            ["@dockerd-start", arguments @ ..] => self.engine.run(arguments)?,
            ["@parallel", ..] => self.parallel(recorded, &mut step),
            ["@plugin-fault", of, fault, ..] => self.plugins.get(of)?.fault(fault),
            ["@plugin-faults-clear", of, ..] => self.plugins.get(of)?.clear_faults(),
            ["@plugin-set", of, key, value, ..] => self.plugins.get(of)?.set(key, value),
            ["@plugin-oob-create", of, name, ..] => self.plugins.get(of)?.create(name, Value::Null),
            ["@plugin-oob-delete", of, name, ..] => _ = self.plugins.get(of)?.remove(name),
            ["@plugin-kill", of, how] => self.plugins.kill(of, *how == "socket-unlinked")?,
            ["@plugin-start", of, ..] => self.plugins.appear_after(of, Duration::ZERO)?,
            ["@write-file", path, content] => self.files.write(path, content)?,
            ["@symlink", link, target] => self.files.link(link, target)?,
            ["@stale-socket", path] => {
                // A remark may follow.
                let path = path.split(' ').next().unwrap_or(path);
                self.files.stale_socket(path)?;
            }
            ["@sleep", seconds, ..] => {
                std::thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap_or(0.0)));
            }
            ["@end"] => {}
            other => return Err(format!("{other:?} is no step that is known")),
        }
        step.duration = (self.plugins.begun().elapsed() - begun).as_secs_f64();
        let asked = ["docker", "@api", "@parallel", "@dockerd-start"];
        if words.first().is_some_and(|word| asked.contains(word)) {
            self.settle();
        }
        step.daemon_log = self.engine.complaints();
        Ok(step)
    }

    fn settle(&self) {
        let done = Instant::now();
        loop {
            let quiet = self
                .plugins
                .called()
                .map_or(done, |called| called.max(done));
            let left = SETTLE.saturating_sub(quiet.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left);
        }
    }

    fn docker(&self, arguments: &[&str]) -> Command {
        let there: Vec<String> = arguments
            .iter()
            .map(|word| self.files.played(word))
            .collect();
        let there: Vec<&str> = there.iter().map(String::as_str).collect();
        self.engine.docker(&there)
    }

    fn parallel(&self, recorded: &Step, step: &mut Step) {
        let running: Vec<_> = recorded
            .parallel
            .iter()
            .map(|command| {
                let words: Vec<&str> = command.argv.iter().skip(1).map(String::as_str).collect();
                let mut docker = self.docker(&words);
                docker
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped());
                (command, docker.spawn())
            })
            .collect();
        for (command, child) in running {
            let mut done = Step {
                argv: command.argv.clone(),
                ..Step::default()
            };
            take(
                &mut done,
                child.and_then(std::process::Child::wait_with_output),
            );
            step.parallel.push(done);
        }
        // One that fails fails them all.
        step.exit = step.parallel.iter().filter_map(|done| done.exit).max();
    }
}

/// Keeps what a command came to.
fn take(step: &mut Step, done: std::io::Result<Output>) {
    match done {
        Ok(output) => {
            step.exit = output.status.code();
            step.stdout = String::from_utf8_lossy(&output.stdout).into_owned();
            step.stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        }
        Err(error) => step.stderr = error.to_string(),
    }
}

/// Files what was seen under the step during which it arrived. What came after the last one is the
/// taking down of the engine.
fn filed(mut steps: Vec<Step>, seen: Vec<Seen>) -> Vec<Step> {
    let end = steps.last().map_or(0.0, |step| step.t_start);
    let file = |steps: &mut Vec<Step>, t: f64| {
        steps
            .iter()
            .rposition(|step| step.t_start <= t)
            .unwrap_or(0)
    };
    for seen in seen {
        match seen {
            Seen::Call(call) if call.t < end => {
                let at = file(&mut steps, call.t);
                if let Some(step) = steps.get_mut(at) {
                    let t = call.t - step.t_start;
                    step.calls.push(Call { t, ..*call });
                }
            }
            Seen::Event(mut event) => {
                let t = event["t"].as_f64().unwrap_or_default();
                let at = file(&mut steps, t);
                if let Some(step) = steps.get_mut(at).filter(|_| t < end) {
                    event["t"] = (t - step.t_start).into();
                    step.wire_events.push(event);
                }
            }
            Seen::Call(_) => {}
        }
    }
    for step in &mut steps {
        // Each plugin's are counted for themselves.
        step.calls.sort_by(|one, other| one.t.total_cmp(&other.t));
    }
    steps
}
