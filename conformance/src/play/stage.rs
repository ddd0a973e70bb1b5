//! One play of one sequence on the plugin: each step is made, and judged by the model.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::sequence::{IDS, Options, Sequence, Spelling, Step};
use super::storage::Storage;
use crate::model::{Call, Habits, Id, Invariant, Model, Name, Reply, Violation};
use crate::suite::{Answer, Cx, Halt, Ledger, Token};

/// The option that no plugin knows.
const BOGUS: &str = "volplug-bogus";

/// How long a plugin may take to end on SIGTERM before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(10);

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
    purpose: &str,
    sequence: &Sequence,
    manner: Manner,
) -> Result<Played, Halt> {
    cx.enter(Arc::clone(ledger), purpose);
    let mut stage = Stage::new(cx, sequence, manner);
    let broken = match stage.all(sequence, manner.to_the_end).await {
        Ok(()) => None,
        Err(Stop::Broken(violation)) => Some(violation),
        Err(Stop::Halted(halt)) => return Err(halt),
    };
    let unanswered = ledger.first_trouble().is_some();
    Ok(Played {
        steps: stage.steps,
        calls: stage.calls,
        ids: stage.ids,
        habits: *stage.model.habits(),
        prompt: stage.prompt,
        broken,
        unanswered,
    })
}

/// A volume as it is called in this play.
#[derive(Debug)]
struct Role {
    name: Name,
    /// The ordinary name that options and `--prepare` are given.
    stand_in: String,
    strange: bool,
}

struct Stage<'a> {
    cx: &'a mut Cx,
    model: Model,
    storage: Storage,
    roles: Vec<Role>,
    ids: Vec<Id>,
    steps: Vec<Step>,
    calls: u64,
    prompt: Option<bool>,
}

impl<'a> Stage<'a> {
    fn new(cx: &'a mut Cx, sequence: &Sequence, manner: Manner) -> Self {
        let roles = roles(cx, sequence);
        let ids = ids(cx);
        Self {
            model: Model::new(manner.habits),
            storage: Storage::new(cx.target(), manner.patience),
            cx,
            roles,
            ids,
            steps: Vec::new(),
            calls: 0,
            prompt: manner.prompt,
        }
    }

    async fn all(&mut self, sequence: &Sequence, to_the_end: bool) -> Result<(), Stop> {
        for step in &sequence.steps {
            self.step(*step).await?;
        }
        if to_the_end {
            self.ending().await?;
        }
        Ok(())
    }

    /// Looks at everything once more, and lets go of it hold by hold.
    async fn ending(&mut self) -> Result<(), Stop> {
        self.step(Step::List).await?;
        for volume in (0_u8..).take(self.roles.len()) {
            self.step(Step::Get { volume }).await?;
            let role = self.role(volume);
            let known = role.and_then(|role| self.model.volume(&role.name));
            let held = known.map(|known| known.holders().cloned().collect::<Vec<_>>());
            let Some(held) = held else { continue };
            if !held.is_empty() {
                self.step(Step::Path { volume }).await?;
                self.step(Step::Read { volume }).await?;
            }
            for id in held {
                let number = self.ids.iter().position(|known| *known == id);
                let id = number.and_then(|at| u8::try_from(at).ok()).unwrap_or(0);
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
        let name = step
            .volume()
            .and_then(|number| self.role(number))
            .map(|role| Name::clone(&role.name))
            .unwrap_or_default();
        let id = step
            .id()
            .and_then(|id| self.ids.get(usize::from(id)).cloned());
        let id = id.unwrap_or_default();
        match step {
            Step::Activate => drop(self.call(&Call::Activate).await?),
            Step::List => drop(self.call(&Call::List).await?),
            Step::Get { .. } => drop(self.call(&Call::Get(name)).await?),
            Step::Path { .. } => drop(self.call(&Call::Path(name)).await?),
            Step::Create { volume, options } => self.create(volume, options).await?,
            Step::Mount { .. } => {
                let answer = self.call(&Call::Mount(Name::clone(&name), id)).await?;
                if answer.is_ok() {
                    let path = answer.mountpoint();
                    let (storage, model) = (&mut self.storage, &self.model);
                    storage.mounted(&target, model, &name, path).await?;
                    storage.held_stay(model, Some(&name))?;
                }
            }
            Step::Unmount { .. } => {
                let paths = self.mountpoints(&name);
                self.call(&Call::Unmount(Name::clone(&name), id)).await?;
                self.storage.held_stay(&self.model, Some(&name))?;
                let (storage, model) = (&mut self.storage, &self.model);
                storage
                    .released(model, &name, &paths, &mut self.prompt)
                    .await?;
            }
            Step::Remove { .. } => {
                let answer = self.call(&Call::Remove(Name::clone(&name))).await?;
                if answer.is_ok() {
                    self.storage.removed(&name);
                }
                self.storage.held_stay(&self.model, Some(&name))?;
            }
            Step::Write { .. } => {
                let token = Token {
                    file: PathBuf::from(format!("volplug-{}", self.cx.hex(8))),
                    content: self.cx.hex(32),
                };
                let (storage, model) = (&mut self.storage, &self.model);
                if storage.write(&target, model, &name, token).await? {
                    self.cx.step(format!("wrote a file into {name}"));
                }
            }
            Step::Read { .. } => {
                self.storage.read(&target, &self.model, &name).await?;
            }
            Step::Kill => {
                self.cx.kill_plugin().await?;
                self.start_again().await?;
            }
            Step::Restart => {
                self.cx.step("SIGTERM to the plugin");
                self.cx.hang_up();
                self.cx.plugin()?.terminate(STOP_LIMIT).await;
                self.start_again().await?;
            }
        }
        Ok(())
    }

    /// Makes a call and judges the answer: its form first, then what it says.
    async fn call(&mut self, call: &Call) -> Result<Answer, Stop> {
        self.calls += 1;
        let answer = match call {
            Call::Create { name, opts, .. } => {
                let role = self.roles.iter().find(|role| role.name == *name);
                let stand_in = role.map_or("", |role| role.stand_in.as_str());
                self.cx.create_for(name, stand_in, opts).await?
            }
            other => self.cx.make(other).await?,
        };
        let Some(reply) = Reply::of(&answer) else {
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
        self.model.advance(call, &reply).map_err(|mut broken| {
            broken.actual = format!("{} ({})", broken.actual, answer.describe());
            broken
        })?;
        Ok(answer)
    }

    async fn create(&mut self, number: u8, options: Options) -> Result<(), Stop> {
        let Some(role) = self.role(number) else {
            return Ok(());
        };
        let usual = self.cx.opts_for(&role.stand_in);
        let opts = match options {
            Options::Usual => usual,
            Options::Empty => Some(usual.unwrap_or_default()),
            Options::Bogus => self.cx.opts_with(&role.stand_in, BOGUS, "1"),
        };
        let call = Call::Create {
            name: Name::clone(&role.name),
            sound: !role.strange && options != Options::Bogus,
            opts,
        };
        self.call(&call).await?;
        Ok(())
    }

    async fn start_again(&mut self) -> Result<(), Stop> {
        if let Err(halt) = self.cx.start_plugin().await {
            return Err(match halt {
                Halt::Finding(finding) | Halt::Setup(_, finding) => {
                    Violation::new(Invariant::Durable, finding.expected, finding.actual)
                        .because("restart.any-moment")
                        .because("disc.rebind")
                        .into()
                }
                other => other.into(),
            });
        }
        self.model = std::mem::take(&mut self.model).restart();
        self.storage.restarted();
        Ok(())
    }

    fn role(&self, number: u8) -> Option<&Role> {
        self.roles.get(usize::from(number))
    }

    fn mountpoints(&self, name: &str) -> Vec<String> {
        let volume = self.model.volume(name);
        volume
            .into_iter()
            .flat_map(|volume| volume.mountpoints().map(str::to_owned))
            .collect()
    }
}

/// What the volumes are called this time.
fn roles(cx: &mut Cx, sequence: &Sequence) -> Vec<Role> {
    let mut first = cx.name();
    // What a slash is most likely taken for.
    let underscored = first.replace('-', "_");
    if sequence.names.contains(&Spelling::Slashes) && cx.is_ordinary(&underscored) {
        first = underscored;
    }
    let mut roles = Vec::new();
    for number in (0_u8..).take(sequence.names.len()) {
        let stand_in = if number == 0 {
            first.clone()
        } else {
            cx.name()
        };
        let spelling = sequence.spelling(number);
        let hostile = cx.target().hostile;
        let spelt = spell(&first, spelling)
            .filter(|_| number > 0)
            .filter(|name| hostile || (!spelling.is_strange() && cx.is_ordinary(name)))
            .filter(|name| roles.iter().all(|role: &Role| *role.name != **name));
        let strange = spelt.as_ref().is_some_and(|name| !cx.is_ordinary(name));
        roles.push(Role {
            name: spelt.as_deref().unwrap_or(&stand_in).into(),
            stand_in,
            strange,
        });
    }
    roles
}

/// A name that is like `first` and not the same.
fn spell(first: &str, spelling: Spelling) -> Option<String> {
    let name = match spelling {
        Spelling::Plain => return None,
        Spelling::Longer => format!("{first}{}", first.chars().last().unwrap_or('x')),
        Spelling::Capitals => first.to_uppercase(),
        Spelling::Slashes => first.replace('_', "/"),
        Spelling::Accent => format!("{first}\u{301}"),
        Spelling::Blank => format!("{first} "),
    };
    (name != first).then_some(name)
}

/// The mount IDs of this play. The second one differs from the first in its last digit only.
fn ids(cx: &mut Cx) -> Vec<Id> {
    let first = cx.id();
    let (start, last) = first.split_at(first.len().saturating_sub(1));
    let twin = format!("{start}{}", if last == "0" { "1" } else { "0" });
    let mut ids = vec![Id::from(first.as_str()), Id::from(twin)];
    ids.extend((2..IDS).map(|_| Id::from(cx.id())));
    ids
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
