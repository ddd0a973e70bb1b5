//! What the user of containers sees after each command: their data, their mounts, nothing left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::engine::{Docker, Failure};
use crate::catalogue::compared::{Release, released};
use crate::catalogue::volume_steps::kernel_mount;
use crate::protocol::Endpoint;
use crate::suite::{CaseResult, Cx, EngineCall, Finding, Halt, Harm};

/// Rules on who holds a volume: where one of them is broken, containers lose theirs.
const HOLDING: [&str; 8] = [
    "ref.same-id-twice",
    "ref.same-volume-twice",
    "unmount.not-last",
    "ref.floor",
    "ref.balanced",
    "ref.failed-not-counted",
    "unmount.stray",
    "mount.data-persists",
];

/// Rules on letting go: where one of them is broken, mounts and volumes stay.
const LETTING_GO: [&str; 8] = [
    "unmount.works",
    "unmount.last",
    "ref.balanced",
    "ref.same-id-twice",
    "ref.same-volume-twice",
    "ref.failed-not-counted",
    "mount.fail-clean",
    "remove.works",
];

/// Rules on what calls answer and how they are taken: where one of them is broken, anything may fail.
const ANSWERING: [&str; 12] = [
    "get.unknown",
    "get.same-name",
    "get.read-only",
    "mount.usable",
    "mount.visible",
    "mount.own-path",
    "mount.writable",
    "http.keep-alive",
    "http.parallel-connections",
    "sequence.first-use",
    "conc.mount-unmount",
    "conc.linearizable",
];

/// Names of cases that may explain a finding: the special ones first.
fn suspecting(special: &[&str]) -> Vec<String> {
    let all = special.iter().chain(&ANSWERING);
    all.map(|id| (*id).to_owned()).collect()
}

/// The call that made a command fail, and its place: the last one that failed, but for lookups of
/// volumes that were created then.
fn culprit(calls: &[EngineCall]) -> Option<(usize, &EngineCall)> {
    let created = |name: &str| {
        calls.iter().any(|call| {
            call.endpoint == Endpoint::Create && call.name == name && call.answer.is_ok()
        })
    };
    let harmless = |call: &EngineCall| call.endpoint == Endpoint::Get && created(&call.name);
    let failed = |(_, call): &(usize, &EngineCall)| !call.answer.is_ok() && !harmless(call);
    calls.iter().enumerate().rev().find(failed)
}

/// What is known of the volumes so far.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Every kernel mount that the plugin made.
    mounts: BTreeSet<PathBuf>,
    /// How often each volume is held under each ID, as the engine has asked.
    holds: BTreeMap<(String, String), usize>,
    /// Volumes that the user removed.
    pub(super) removed: Vec<String>,
    /// Containers that a plugin was restarted under: whether mounts outlive that has a case of its
    /// own.
    pub(super) unsure: BTreeSet<String>,
    /// Nobody can say any more whether the plugin should have released what it has mounted.
    pub(super) may_stay: bool,
    /// The calls of the last command that led to any.
    recent: Vec<EngineCall>,
    /// What was done so far, in the words of the user.
    history: Vec<String>,
}

impl Look {
    /// Takes note of what the engine called.
    pub(super) async fn note(&mut self, cx: &Cx, calls: Vec<EngineCall>) -> CaseResult {
        for call in calls.iter().filter(|call| call.answer.is_ok()) {
            let hold = (call.name.clone(), call.id.clone());
            match call.endpoint {
                Endpoint::Mount => {
                    *self.holds.entry(hold).or_default() += 1;
                    let path = Path::new(call.answer.mountpoint());
                    if path.is_absolute() {
                        self.mounts.extend(kernel_mount(cx, path).await?);
                    }
                }
                // Removed, and made again.
                Endpoint::Create => self.removed.retain(|name| *name != call.name),
                Endpoint::Unmount => {
                    let count = self.holds.entry(hold).or_default();
                    *count = count.saturating_sub(1);
                }
                _ => {}
            }
        }
        if !calls.is_empty() {
            self.recent = calls;
        }
        Ok(())
    }

    /// Takes note of what the user did.
    pub(super) fn remember(&mut self, line: &str) {
        self.history.push(line.to_owned());
    }

    /// A command that should have worked.
    pub(super) fn failed(
        &self,
        docker: &Docker,
        command: &str,
        failure: &Failure,
        calls: &[EngineCall],
    ) -> Halt {
        let told = match failure {
            Failure::Told(text) => text.as_str(),
            Failure::Hung => "it did not come back",
        };
        let finding = match docker.containers.take_shadow() {
            Some(path) => Finding::new(
                self.after(format!(
                    "the container of `{command}` has the plugin's volume at {path}"
                )),
                "Docker made an empty volume of that name with its own driver `local`",
            ),
            None => Finding::new(self.after(format!("`{command}` succeeds")), told),
        };
        if docker.containers.take_unusable() {
            let finding = finding.because_any(suspecting(&[]));
            return Halt::Setup(Endpoint::Mount, Box::new(finding));
        }
        // A container that does not run failed to start in the command before.
        let calls = if told.ends_with("is not running") && calls.is_empty() {
            &self.recent
        } else {
            calls
        };
        let Some((at, call)) = culprit(calls) else {
            return finding.because_any(suspecting(&HOLDING)).into();
        };
        let special = self.suspects(call, calls.get(..at).unwrap_or_default());
        let finding = finding.because_any(suspecting(special));
        if special.is_empty() {
            return Halt::Setup(call.endpoint, Box::new(finding));
        }
        finding.into()
    }

    /// What explains that a call failed, other than that no such call works.
    fn suspects(&self, call: &EngineCall, before: &[EngineCall]) -> &'static [&'static str] {
        let held = |id: Option<&str>| {
            let earlier = self.holds.iter().any(|((name, other), count)| {
                *count > 0 && *name == call.name && id.is_none_or(|id| id == other)
            });
            let now = before.iter().any(|other| {
                other.endpoint == Endpoint::Mount
                    && other.answer.is_ok()
                    && other.name == call.name
                    && id.is_none_or(|id| id == other.id)
            });
            earlier || now
        };
        match call.endpoint {
            Endpoint::Mount if held(Some(&call.id)) => {
                &["ref.same-id-twice", "ref.after-daemon-crash"]
            }
            Endpoint::Mount if held(None) => &["ref.same-volume-twice"],
            Endpoint::Remove => &LETTING_GO,
            _ => &[],
        }
    }

    /// A command that should have been refused.
    pub(super) fn succeeded(&self, line: &str) -> Halt {
        let expected = self.after(format!("`{line}`"));
        Finding::new(expected, "it succeeded")
            .because_any(suspecting(&[]))
            .into()
    }

    /// Sees to it that every container has what it should have, and that what no container uses is
    /// released.
    pub(super) async fn check(&mut self, cx: &mut Cx, docker: &Docker) -> CaseResult {
        let mut used = BTreeSet::new();
        for (id, process) in docker.containers.running() {
            for mount in &process.mounts {
                used.extend(mount.real.clone());
                if self.unsure.contains(&id) {
                    continue;
                }
                let expected = || {
                    let (name, at) = (docker.name_of(&id), &mount.destination);
                    self.after(format!(
                        "container {name} has its volume at {at}, with its data, as long as it runs"
                    ))
                };
                let lost = |actual: String| {
                    Finding::new(expected(), actual).because_any(suspecting(&HOLDING))
                };
                if let Some(real) = &mount.real
                    && !cx.is_mounted(real)?
                {
                    let actual = format!("nothing is mounted at {} any more", real.display());
                    return Err(lost(actual).into());
                }
                for file in mount.files() {
                    if let Err(actual) = docker.containers.seen.check(file).await {
                        return Err(lost(actual).into());
                    }
                }
            }
        }
        let unused: BTreeSet<_> = self.mounts.difference(&used).cloned().collect();
        if self.may_stay || unused.is_empty() {
            return Ok(());
        }
        match released(cx, &unused).await? {
            Release::Done => self.mounts = used,
            Release::Late => self.may_stay = true,
            Release::Leak { left, took } => return Err(self.leak(&left, took)),
        }
        Ok(())
    }

    fn leak(&self, left: &Path, took: std::time::Duration) -> Halt {
        let expected = self.after("a volume is unmounted when no container uses it".to_owned());
        let actual = format!(
            "{} is still mounted; another volume, mounted once and later, was released within {} ms",
            left.display(),
            took.as_millis()
        );
        Finding::new(expected, actual)
            .then(
                "the mount stays for ever: the volume cannot be removed, nor its storage detached, \
                 until the plugin or the host is restarted",
            )
            .harming(Harm::Leak)
            .because_any(suspecting(&LETTING_GO))
            .into()
    }

    /// Sees to it that what the user removed is gone.
    pub(super) async fn check_removed(&self, docker: &Docker) -> CaseResult {
        if self.removed.is_empty() {
            return Ok(());
        }
        let listed = docker.volumes().await;
        match self.removed.iter().find(|name| listed.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let expected = self.after("a removed volume is no longer listed".to_owned());
                let actual = format!("`docker volume ls` shows {name}");
                let finding = Finding::new(expected, actual)
                    .harming(Harm::Leak)
                    .because_any(suspecting(&[]));
                Err(Halt::Setup(Endpoint::Remove, Box::new(finding)))
            }
        }
    }

    fn after(&self, what: String) -> String {
        match self.history.last() {
            Some(line) => format!("{what}, after `{line}`"),
            None => what,
        }
    }
}
