//! One scenario: its commands against a fresh engine, and what was recorded meanwhile.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tokio::net::UnixListener;
use tokio::sync::oneshot;
use volplug_conformance::recording::{Call, Mask, Proxy, Recording, Seen, Step, bind};
use volplug_conformance::wire::Address;

use super::engine::{Engine, Images};
use super::plugin::{NAME, Plugin};

/// Where dockerd looks for the plugin.
const SOCKET: &str = "/run/docker/plugins/recvol.sock";

/// What an engine does in the background belongs to the command before, if it does it within this.
const SETTLE: Duration = Duration::from_millis(300);

/// Steps that can be made.
const STEPS: [&str; 12] = [
    "docker",
    "@api",
    "@dockerd-stop",
    "@dockerd-start",
    "@plugin-fault",
    "@plugin-faults-clear",
    "@plugin-set",
    "@plugin-oob-create",
    "@plugin-oob-delete",
    "@parallel",
    "@sleep",
    "@end",
];

/// Why a scenario cannot be made.
pub(crate) fn unfit(recording: &Recording) -> Option<String> {
    let other = recording.calls().find(|(_, call)| call.plugin != NAME);
    if let Some((_, call)) = other {
        return Some(format!("it has another plugin, {}", call.plugin));
    }
    // Scenarios in which the plugin is absent, or listens elsewhere, do not say so by a step.
    if recording.scenario.starts_with("discovery-") {
        return Some("the plugin listens elsewhere".to_owned());
    }
    let first = |step: &Step| step.argv.first().cloned().unwrap_or_default();
    let steps = recording.commands.iter().map(first);
    steps
        .into_iter()
        .find(|step| !STEPS.contains(&step.as_str()))
        .map(|step| format!("it has the step {step}"))
}

/// Whether it may come to something else each time: commands run at once, or the engine walks through
/// several volumes, in the order of a Go map, until one of them fails.
pub(crate) fn varies(recording: &Recording) -> bool {
    recording.commands.iter().any(|step| {
        let volumes: BTreeSet<String> = step.calls.iter().filter_map(Call::volume).collect();
        !step.parallel.is_empty() || volumes.len() > 1
    })
}

/// Makes the recording of a scenario anew.
pub(crate) fn make(recorded: &Recording, images: &Images) -> Result<Recording, String> {
    let mut engine = Engine::start(images)?;
    // Before anything is done to it: there are answers of plugins of which dockerd dies.
    let (version, cli) = engine.versions()?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let (seen, all) = channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let begun = Instant::now();
    let plugin = Plugin::new(engine.path("volumes"));
    let files = engine.path("files");
    std::fs::create_dir_all(&files).map_err(|error| error.to_string())?;
    std::fs::write(files.join("in1"), "in1\n").map_err(|error| error.to_string())?;
    let upstream = engine.path("plugin.sock");
    let serving = {
        let _entered = runtime.enter();
        let listener = UnixListener::bind(&upstream).map_err(|error| error.to_string())?;
        runtime.spawn(plugin.clone().serve(listener));
        let listener = bind(Path::new(SOCKET), None)?;
        let proxy = Proxy::new(NAME, Address::Unix(upstream), Mask::default(), seen);
        runtime.spawn(async move {
            let end = async {
                let _ = stopped.await;
            };
            proxy.serve(&listener, end).await
        })
    };
    let mut run = Run {
        engine: &mut engine,
        plugin: &plugin,
        begun,
    };
    let played = run.play(recorded);
    engine.stop();
    let _ = stop.send(());
    let served = runtime.block_on(serving);
    let _ = std::fs::remove_file(SOCKET);
    runtime.shutdown_background();
    served
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    Ok(Recording {
        engine: version,
        cli,
        scenario: recorded.scenario.clone(),
        notes: recorded.notes.clone(),
        commands: filed(played?, all.into_iter()),
        ..Recording::default()
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

struct Run<'a> {
    engine: &'a mut Engine,
    plugin: &'a Plugin,
    begun: Instant,
}

impl Run<'_> {
    fn play(&mut self, recorded: &Recording) -> Result<Vec<Step>, String> {
        let mut steps: Vec<Step> = Vec::new();
        for step in &recorded.commands {
            let step = self.step(&renamed(step, recorded.commands.iter().zip(&steps)))?;
            steps.push(step);
        }
        Ok(steps)
    }

    fn step(&mut self, recorded: &Step) -> Result<Step, String> {
        let begun = self.begun.elapsed();
        let mut step = Step {
            argv: recorded.argv.clone(),
            exit: Some(0),
            t_start: begun.as_secs_f64(),
            ..Step::default()
        };
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
            ["@plugin-fault", _, fault, ..] => self.plugin.fault(fault),
            ["@plugin-faults-clear", ..] => self.plugin.clear_faults(),
            ["@plugin-set", _, key, value, ..] => self.plugin.set(key, value),
            ["@plugin-oob-create", _, name, ..] => self.plugin.create(name),
            ["@plugin-oob-delete", _, name, ..] => _ = self.plugin.remove(name),
            ["@sleep", seconds, ..] => {
                std::thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap_or(0.0)));
            }
            _ => {}
        }
        step.duration = (self.begun.elapsed() - begun).as_secs_f64();
        let asked = ["docker", "@api", "@parallel", "@dockerd-start"];
        if words.first().is_some_and(|word| asked.contains(word)) {
            std::thread::sleep(SETTLE);
        }
        Ok(step)
    }

    fn docker(&self, arguments: &[&str]) -> Command {
        let files = self.engine.path("files").display().to_string();
        let there: Vec<String> = arguments
            .iter()
            .map(|word| {
                let rest = ["/files/", "/tmp/"]
                    .iter()
                    .find_map(|directory| word.strip_prefix(directory));
                rest.map_or_else(|| (*word).to_owned(), |rest| format!("{files}/{rest}"))
            })
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
fn filed(mut steps: Vec<Step>, seen: impl Iterator<Item = Seen>) -> Vec<Step> {
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
        step.calls.sort_by_key(|call| call.seq);
    }
    steps
}
