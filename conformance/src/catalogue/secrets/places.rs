//! Where a secret must not come to light.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::trial::{Trial, keys, tell, trial, value};
use crate::suite::{Answer, CaseResult, Cx, Finding, Halt, ensure};

/// How long the plugin may take to print what it has to say of the last call.
const OUTPUT_DELAY: Duration = Duration::from_millis(150);

async fn trials(cx: &mut Cx) -> CaseResult<Vec<Trial>> {
    let mut trials = Vec::new();
    for key in keys(cx) {
        trials.push(trial(cx, &key).await?);
    }
    tell(cx, &trials);
    Ok(trials)
}

pub(super) async fn not_in_answers(cx: &mut Cx) -> CaseResult {
    for trial in trials(cx).await? {
        for answer in &trial.answers {
            ensure(!shows(answer, &trial.values), || {
                let how = if answer.is_ok() { "answer" } else { "failure" };
                Finding::new(
                    format!("the value of the option {} stands in no answer", trial.key),
                    format!(
                        "it stands in the {how} of {}: {}",
                        answer.endpoint(),
                        answer.describe()
                    ),
                )
            })?;
        }
    }
    Ok(())
}

fn shows(answer: &Answer, values: &[String]) -> bool {
    let Some(response) = answer.response() else {
        return false;
    };
    let body = response.text();
    let headers = response.headers.iter().map(|(_, value)| value);
    headers
        .chain([&body])
        .any(|text| values.iter().any(|value| text.contains(value)))
}

pub(super) async fn not_in_logs(cx: &mut Cx) -> CaseResult {
    let trials = trials(cx).await?;
    tokio::time::sleep(OUTPUT_DELAY).await;
    let output = cx.plugin()?.output();
    let output = String::from_utf8_lossy(&output);
    for trial in trials {
        let line = output
            .lines()
            .find(|line| trial.values.iter().any(|value| line.contains(value)));
        ensure(line.is_none(), || {
            let line: String = line.unwrap_or_default().chars().take(200).collect();
            Finding::new(
                format!("the value of the option {} is not printed", trial.key),
                format!("the plugin printed: {line}"),
            )
        })?;
    }
    Ok(())
}

pub(super) async fn not_in_argv(cx: &mut Cx) -> CaseResult {
    let mut taken = Vec::new();
    for key in keys(cx) {
        let (name, secret) = (cx.name(), value(cx));
        let opts = cx.opts_with(&name, &key, &secret);
        let watch = Watch::begin(&secret);
        let made = cx.create_with(&name, &opts).await?.is_ok();
        if made {
            let id = cx.id();
            if cx.mount(&name, &id).await?.is_ok() {
                cx.unmount(&name, &id).await?;
            }
            taken.push(key.clone());
        }
        let seen = watch.end().await;
        if made {
            cx.remove(&name).await?;
        }
        if let Some(place) = seen {
            return Err(Finding::new(
                format!("the value of the option {key} stands in no command line and no mount"),
                format!("it stood in {place}"),
            )
            .into());
        }
    }
    if taken.is_empty() {
        return Err(Halt::skip(
            "the plugin takes none of the usual secret options: name its own with --secret-opt",
        ));
    }
    cx.note(format!(
        "watched while volumes with {} were made and mounted",
        taken.join(", ")
    ));
    Ok(())
}

/// A thread that looks at all command lines and the mount table, again and again.
struct Watch {
    stop: Arc<AtomicBool>,
    seen: tokio::task::JoinHandle<Option<String>>,
}

impl Watch {
    fn begin(secret: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (secret, flag) = (secret.to_owned(), Arc::clone(&stop));
        let seen = tokio::task::spawn_blocking(move || {
            loop {
                // Once more after the end: a helper may outlive the call.
                let last = flag.load(Ordering::Relaxed);
                let place = in_command_lines(&secret).or_else(|| in_mount_table(&secret));
                if place.is_some() || last {
                    return place;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { stop, seen }
    }

    async fn end(mut self) -> Option<String> {
        self.stop.store(true, Ordering::Relaxed);
        (&mut self.seen).await.ok().flatten()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn in_command_lines(secret: &str) -> Option<String> {
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|process| {
            let line = std::fs::read(process.path().join("cmdline")).ok()?;
            let words = String::from_utf8_lossy(&line).replace('\0', " ");
            words
                .contains(secret)
                .then(|| format!("the command line of a process: {}", words.trim_end()))
        })
}

fn in_mount_table(secret: &str) -> Option<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = table.lines().find(|line| line.contains(secret))?;
    Some(format!("the mount table: {line}"))
}
