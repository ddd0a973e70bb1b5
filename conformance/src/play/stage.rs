//! One play of one sequence on the plugin: each step is made, and judged by the model.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cast::Cast;
use super::interrupt::Pace;
use super::sequence::{Sequence, Step};
use super::storage::Storage;
use crate::catalogue::ANY_MOMENT;
use crate::model::{Call, Habits, Id, Invariant, Model, Possible, Reply, Violation};
use crate::suite::{Answer, Cx, Halt, Ledger, Token};
use crate::target::{Canary, Target};

/// How a sequence is played.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// What is known of the plugin's decisions.
    pub habits: Habits,
    /// Whether the plugin releases volumes at once, where that is known.
    pub prompt: Option<bool>,
    /// Whether everything is looked at once more at the end, and taken down step by step.
    pub to_the_end: bool,
    /// How long a volume that nobody holds may stay mounted.
    pub patience: Duration,
    /// How long calls take.
    pub pace: Pace,
}

/// What became of a play.
#[derive(Debug)]
pub(super) struct Played {
    /// The steps that were made, the last one last.
    pub steps: Vec<Step>,
    /// How many calls that took.
    pub calls: u64,
    /// What broke, if something did: at the last step.
    pub broken: Option<Violation>,
    /// What was learnt of the plugin's decisions.
    pub habits: Habits,
    /// Whether the plugin released volumes at once.
    pub prompt: Option<bool>,
    /// The mount IDs that were used.
    pub ids: Vec<Id>,
    /// Whether a call went unanswered.
    pub unanswered: bool,
    /// How long calls took.
    pub pace: Pace,
}

/// Why a step was the last one.
#[derive(Debug)]
pub(super) enum Stop {
    /// It broke an invariant.
    Broken(Violation),
    /// Nothing can be said.
    Halted(Halt),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

/// Plays `sequence`, with names that `purpose` makes its own; `ledger` keeps what was done.
pub(super) async fn play(
    cx: &mut Cx,
    ledger: &Arc<Ledger>,
    canary: Option<&Canary>,
    purpose: &str,
    sequence: &Sequence,
    manner: Manner,
) -> Result<Played, Halt> {
    cx.enter(Arc::clone(ledger), purpose);
    let mut stage = Stage::new(cx, canary, sequence, manner);
    let broken = match stage.all(sequence, manner.to_the_end).await {
        Ok(()) => None,
        Err(Stop::Broken(violation)) => Some(violation),
        Err(Stop::Halted(halt)) => return Err(halt),
    };
    let unanswered = ledger.first_trouble().is_some();
    Ok(Played {
        steps: stage.steps,
        calls: stage.calls,
        ids: stage.cast.ids().to_vec(),
        habits: stage.model.habits(),
        prompt: stage.prompt,
        pace: stage.pace,
        broken,
        unanswered,
    })
}

pub(super) struct Stage<'a> {
    pub(super) cx: &'a mut Cx,
    pub(super) model: Possible,
    pub(super) storage: Storage,
    cast: Cast,
    steps: Vec<Step>,
    calls: u64,
    prompt: Option<bool>,
    pub(super) pace: Pace,
    pub(super) canary: Option<&'a Canary>,
}

impl<'a> Stage<'a> {
    fn new(
        cx: &'a mut Cx,
        canary: Option<&'a Canary>,
        sequence: &Sequence,
        manner: Manner,
    ) -> Self {
        Self {
            cast: Cast::of(sequence, cx, canary.map(Canary::dir)),
            canary,
            model: Model::new(manner.habits).into(),
            storage: Storage::new(cx.target(), manner.patience),
            cx,
            steps: Vec::new(),
            calls: 0,
            prompt: manner.prompt,
            pace: manner.pace,
        }
    }

    async fn all(&mut self, sequence: &Sequence, to_the_end: bool) -> Result<(), Stop> {
        for step in &sequence.steps {
            self.step(*step).await?;
        }
        if to_the_end {
            self.ending().await?;
        }
        self.outside().await
    }

    /// Looks at everything once more, and lets go of it hold by hold.
    async fn ending(&mut self) -> Result<(), Stop> {
        self.step(Step::List).await?;
        for volume in (0_u8..).take(self.cast.volumes()) {
            self.step(Step::Get { volume }).await?;
            let name = self.cast.name(volume).unwrap_or_default();
            if !self.model.may_exist(&name) {
                continue;
            }
            let held = self.model.may_hold(&name);
            if !held.is_empty() {
                self.step(Step::Path { volume }).await?;
                self.step(Step::Read { volume }).await?;
            }
            for id in held {
                let id = self.cast.number_of(&id).unwrap_or(0);
                self.step(Step::Unmount { volume, id }).await?;
            }
            self.step(Step::Remove { volume }).await?;
        }
        self.step(Step::List).await
    }

    async fn step(&mut self, step: Step) -> Result<(), Stop> {
        let target = self.cx.shared_target();
        if step.is_restart() && target.plugin.is_none() {
            return Ok(());
        }
        self.steps.push(step);
        let name = step.volume().and_then(|number| self.cast.name(number));
        let name = name.unwrap_or_default();
        match step {
            Step::Write { .. } => {
                let token = Token {
                    file: PathBuf::from(format!("volplug-{}", self.cx.hex(8))),
                    content: self.cx.hex(32),
                };
                let (storage, model) = (&mut self.storage, &self.model);
                if let Some(path) = storage.write(&target, model, &name, token).await? {
                    self.cx.step(format!("wrote a file into {name}"));
                    self.link(&target, path).await;
                }
            }
            Step::Read { .. } => {
                self.storage.read(&target, &self.model, &name).await?;
            }
            Step::Kill => {
                self.cx.kill_plugin().await?;
                self.start_again().await?;
            }
            Step::KillDuring { percent, .. } => {
                let call = step.interrupted();
                if let Some(call) = call.and_then(|call| self.cast.call(self.cx, call)) {
                    let ended = self.kill_during(&call, percent).await;
                    // Also where the answer was a finding: nothing that comes next meets a dead plugin.
                    let started = self.start_again().await;
                    ended.and(started)?;
                }
            }
            Step::Restart => {
                self.cx.stop_plugin().await?;
                self.start_again().await?;
            }
            Step::Activate
            | Step::List
            | Step::Create { .. }
            | Step::Get { .. }
            | Step::Path { .. }
            | Step::Mount { .. }
            | Step::Unmount { .. }
            | Step::Remove { .. } => {
                if let Some(call) = self.cast.call(self.cx, step) {
                    self.make(&call, &target).await?;
                }
            }
        }
        Ok(())
    }

    /// Makes a call, judges the answer, and looks at what it did to the volume.
    async fn make(&mut self, call: &Call, target: &Target) -> Result<(), Stop> {
        let paths = match call {
            Call::Unmount(name, _) => self.model.may_be_mounted_at(name),
            _ => Vec::new(),
        };
        let answer = self.send(call).await?;
        let reply = self.judge(call, &answer)?;
        let (storage, model) = (&mut self.storage, &self.model);
        match (call, reply) {
            (Call::Mount(name, _), Reply::Mountpoint(path)) => {
                storage.mounted(target, model, name, &path).await?;
                storage.held_stay(model, Some(name))?;
            }
            (Call::Unmount(name, _), _) => {
                storage.held_stay(model, Some(name))?;
                storage
                    .released(model, name, &paths, &mut self.prompt)
                    .await?;
            }
            (Call::Remove(name), reply) => {
                if !reply.is_refusal() {
                    storage.removed(name);
                }
                storage.held_stay(model, Some(name))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Sends a call.
    pub(super) async fn send(&mut self, call: &Call) -> Result<Answer, Stop> {
        self.calls += 1;
        let begun = Instant::now();
        let answer = match call {
            Call::Create { name, opts, .. } => {
                let stand_in = self.cast.stand_in(name);
                self.cx.create_for(name, stand_in, opts).await?
            }
            other => self.cx.make(other).await?,
        };
        if answer.wire_error().is_none() {
            self.pace.took(call.endpoint(), begun.elapsed());
        }
        Ok(answer)
    }

    /// Judges an answer: its form first, then what it says.
    pub(super) fn judge(&mut self, call: &Call, answer: &Answer) -> Result<Reply, Stop> {
        let Some(reply) = Reply::of(answer) else {
            return Err(Violation::new(
                Invariant::WellFormed,
                format!("{} is answered", answer.endpoint()),
                answer.describe(),
            )
            .because("err.answers")
            .because("err.survive")
            .into());
        };
        let form = answer.misread().or_else(|| {
            let has_null = answer.reading().volumes.iter().any(Option::is_none);
            has_null.then_some("enc.no-null-volume")
        });
        if let Some(rule) = form {
            return Err(Violation::new(
                Invariant::WellFormed,
                format!(
                    "{} is answered in a form that dockerd can use",
                    answer.endpoint()
                ),
                answer.describe(),
            )
            .because(rule)
            .into());
        }
        self.model.step(call, &reply).map_err(|mut broken| {
            broken.actual = format!("{} ({})", broken.actual, answer.describe());
            broken
        })?;
        Ok(reply)
    }

    async fn start_again(&mut self) -> Result<(), Stop> {
        if let Err(halt) = self.cx.start_plugin().await {
            return Err(match halt {
                Halt::Finding(finding) | Halt::Setup(_, finding) => {
                    Violation::new(Invariant::Durable, finding.expected, finding.actual)
                        .because(ANY_MOMENT)
                        .because("disc.rebind")
                        .into()
                }
                other => other.into(),
            });
        }
        self.model.restart();
        self.storage.restarted();
        Ok(())
    }
}

/// Lets go of whatever a plugin that has lost count may still hold, so that the volumes can be
/// removed.
pub(super) async fn let_go(cx: &mut Cx, ledger: &Ledger, ids: &[Id]) -> Result<(), Halt> {
    /// More holds than a sequence is likely to leave under one ID.
    const MOST: usize = 4;
    cx.enter(Arc::default(), "letting go");
    for volume in ledger.left().iter().filter(|volume| volume.exists) {
        if cx.remove(&volume.name).await?.is_ok() {
            ledger.removed(&volume.name);
            continue;
        }
        for id in ids {
            for _ in 0..MOST {
                if !cx.unmount(&volume.name, id).await?.is_ok() {
                    break;
                }
            }
        }
        if cx.remove(&volume.name).await?.is_ok() {
            ledger.removed(&volume.name);
        }
    }
    Ok(())
}
