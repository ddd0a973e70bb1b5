//! Runs the docker commands of a case, and looks at everything after each of them.

use std::fs::File;

use super::engine::Docker;
use super::look::Look;
use super::script::{LIVE_RESTORE, Line, Names, Step};
use crate::catalogue;
use crate::catalogue::unmount::keep_busy;
use crate::protocol::Endpoint;
use crate::suite::{CaseResult, Cx, EngineCall, Halt};

/// Runs the case that `cx` belongs to.
pub(in crate::catalogue) async fn play(cx: &mut Cx) -> CaseResult {
    let case = catalogue::find(cx.case());
    let template = case.map(|case| case.docker).unwrap_or_default();
    let names = Names {
        plugin: cx.target().driver.clone(),
        volume: cx.name(),
        other: cx.name(),
    };
    let mut lines = Vec::new();
    for line in crate::report::created_first(template, cx.target())
        .iter()
        .map(String::as_str)
        .chain(template.iter().copied())
    {
        let unclear = |why| Halt::Harness(format!("{}: {why}", cx.case()));
        lines.push(Line::parse(line, &names).map_err(unclear)?);
    }
    suits(cx, &lines)?;
    for (placeholder, name) in [("{volume}", &names.volume), ("{other}", &names.other)] {
        if template.iter().any(|line| line.contains(placeholder)) {
            cx.prepare(name).await?;
        }
    }
    let live_restore = template.iter().any(|line| line.contains(LIVE_RESTORE));
    Play::run(cx, &lines, live_restore).await
}

/// Whether the plugin can be given volumes without a name, where the commands ask for that.
fn suits(cx: &mut Cx, lines: &[Line]) -> CaseResult {
    let anonymous = lines.iter().flat_map(|line| &line.steps).any(|(_, step)| {
        let Step::Create { asked, .. } = step else {
            return false;
        };
        let unnamed = asked.mounts.iter().any(|mount| mount.source.is_empty());
        unnamed || !asked.volumes.is_empty()
    });
    if !anonymous {
        return Ok(());
    }
    let name = cx.id();
    let target = cx.target();
    if !target.opts.is_empty() || target.prepare.is_some() {
        return Err(Halt::skip(
            "Docker itself names the volume here: options and --prepare cannot be given to it",
        ));
    }
    if !cx.spells(&name) {
        return Err(Halt::skip(
            "Docker itself names the volume here, and --name-chars says that the plugin would refuse it",
        ));
    }
    Ok(())
}

/// How far a case has come.
#[derive(Debug, Default)]
pub(super) struct Play {
    look: Look,
    /// A file of the volume that is kept open.
    open: Option<File>,
}

impl Play {
    /// Runs lines with an engine of their own.
    pub(super) async fn run(cx: &mut Cx, lines: &[Line], live_restore: bool) -> CaseResult {
        let mut docker = Docker::start(cx, live_restore).await?;
        let played = Self::default().all(cx, &mut docker, lines).await;
        docker.end().await;
        docker.take_calls(cx);
        played
    }

    async fn all(mut self, cx: &mut Cx, docker: &mut Docker, lines: &[Line]) -> CaseResult {
        for line in lines {
            if !line.shown.starts_with('#') {
                cx.step(line.shown.as_str());
            }
            self.line(cx, docker, line).await?;
            self.look.check(cx, docker).await?;
            self.look.remember(&line.shown);
        }
        let listed = self.look.check_removed(docker).await;
        docker.take_calls(cx);
        listed
    }

    async fn line(&mut self, cx: &mut Cx, docker: &mut Docker, line: &Line) -> CaseResult {
        for (typed, step) in &line.steps {
            self.expect(docker, step);
            let done = docker.command(cx, step).await;
            let calls = docker.take_calls(cx);
            if let (Err(failure), false) = (&done, line.fails) {
                return Err(self.look.failed(docker, typed, failure, &calls));
            }
            self.look.note(cx, calls.clone()).await?;
            self.beside(cx, docker, step, &calls).await?;
            if let (Step::VolumeRemove(name), Ok(())) = (step, &done) {
                self.look.removed.push(name.clone());
            }
            if done.is_err() {
                return Ok(());
            }
        }
        if line.fails {
            return Err(self.look.succeeded(&line.shown));
        }
        Ok(())
    }

    /// What a step makes uncertain.
    fn expect(&mut self, docker: &Docker, step: &Step) {
        let running = docker.containers.running();
        match step {
            // dockerd forgets that it mounted, and sends no Unmount.
            Step::DaemonCrash if !running.is_empty() && !docker.live_restores() => {
                self.look.may_stay = true;
            }
            Step::PluginRestart if !running.is_empty() => {
                self.look.may_stay = true;
                self.look
                    .unsure
                    .extend(running.into_iter().map(|(id, _)| id));
            }
            _ => {}
        }
    }

    /// What is not Docker's to do.
    async fn beside(
        &mut self,
        cx: &mut Cx,
        docker: &Docker,
        step: &Step,
        calls: &[EngineCall],
    ) -> CaseResult {
        match step {
            Step::PluginRestart => {
                cx.kill_plugin().await?;
                cx.start_plugin_only().await?;
            }
            Step::RemovedBehind(name) => {
                let removed = cx.remove(name).await?;
                removed.step("Remove of an unused volume succeeds")?;
            }
            Step::KeepOpen => {
                let running = docker.containers.running();
                let mounts = running.iter().flat_map(|(_, process)| &process.mounts);
                let path = mounts.filter_map(|mount| mount.real.clone()).next();
                let path = path.ok_or_else(|| {
                    Halt::skip("its mountpoints are plain directories, not mounts in the kernel")
                })?;
                self.open = Some(keep_busy(cx, &path).await?);
            }
            Step::Close => {
                self.open = None;
                cx.step("closed that file");
            }
            _ if self.open.is_some() => {
                let mut unmounts = calls
                    .iter()
                    .filter(|call| call.endpoint == Endpoint::Unmount);
                if unmounts.any(|call| call.answer.is_ok()) {
                    return Err(Halt::skip(
                        "Unmount cannot be made to fail: it succeeds for a busy volume, too",
                    ));
                }
                // The hold stays, and the next start adds one, or not.
                self.look.may_stay = true;
            }
            _ => {}
        }
        Ok(())
    }
}
