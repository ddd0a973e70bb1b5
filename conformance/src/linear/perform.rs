//! Rounds made on the plugin, and what was called and answered when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::rounds::{CLIENTS, IDS, Round, VOLUMES};
use super::{Operation, Outcome, STATES, check, of_volume};
use crate::model::{Call, Habits, Id, Model, Name, Question, Reply};
use crate::play::sequence::Step;
use crate::protocol::Endpoint;
use crate::suite::{Answer, CaseResult, Cx, Halt, Ledger, ensure};
use crate::wire::{Connection, Request};

/// Clients with a connection each.
#[derive(Debug)]
pub(crate) struct Clients {
    all: Vec<Cx>,
}

/// What became of a round.
#[derive(Debug)]
pub(crate) struct Performed {
    /// What the volumes were called.
    pub names: Vec<Name>,
    /// All calls and answers.
    pub history: Vec<Operation>,
    /// The first call that was not answered.
    pub unanswered: Option<Answer>,
    /// The memory of the round.
    pub ledger: Arc<Ledger>,
}

/// What all clients of a round share.
#[derive(Debug, Clone)]
struct Cast {
    names: Vec<Name>,
    ids: Vec<Id>,
    begun: Instant,
}

impl Clients {
    /// Opens the connections. A plugin that serves one at a time leaves the others waiting.
    ///
    /// # Errors
    /// A finding of `http.parallel-connections`.
    pub(crate) async fn connect(cx: &Cx) -> CaseResult<Self> {
        let mut all = Vec::new();
        for number in 0..CLIENTS {
            let mut client = cx.fork(&format!("histories client {number}"));
            let answer = client.list().await?;
            ensure(answer.response().is_some(), || {
                answer
                    .finding("a call on another connection is answered while the first stays open")
                    .because("http.parallel-connections")
            })?;
            all.push(client);
        }
        Ok(Self { all })
    }

    /// Makes a round, with names that `purpose` makes its own, and takes down in the end what is left
    /// of it, all in the history. With known `habits`, what is held is also seen by asking to remove it.
    ///
    /// # Errors
    /// [`Halt::Skip`] where a call is known to hang, [`Halt::Harness`] where `--prepare` fails.
    pub(crate) async fn perform(
        &mut self,
        cx: &mut Cx,
        purpose: &str,
        round: &Round,
        habits: Option<Habits>,
    ) -> CaseResult<Performed> {
        let ledger = Arc::new(Ledger::default());
        cx.memory().accompany(Arc::clone(&ledger));
        for (number, client) in self.all.iter_mut().enumerate() {
            client.enter(Arc::clone(&ledger), &format!("{purpose} client {number}"));
        }
        let Some(first) = self.all.first_mut() else {
            return Err(Halt::Harness("no clients".to_owned()));
        };
        let cast = Cast {
            names: (0..VOLUMES).map(|_| Name::from(first.name())).collect(),
            ids: (0..IDS).map(|_| Id::from(first.id())).collect(),
            begun: Instant::now(),
        };
        for name in &cast.names {
            first.prepare(name).await?;
        }
        let mut done = Done::default();
        done.add(make(first, 0, &cast, &round.before).await?);
        if done.unanswered.is_none() {
            let stalled = match round.stalled {
                true => Stalled::begin(first).await,
                false => None,
            };
            self.together(round, &cast, &mut done).await?;
            let Some(first) = self.all.first_mut() else {
                return Err(Halt::Harness("the clients are gone".to_owned()));
            };
            if let Some(stalled) = stalled {
                stalled.end(first).await;
            }
            if let (Some(habits), None) = (habits, &done.unanswered) {
                let guarded = habits.refuses(Question::RemoveHeld) == Some(true);
                let ending = ending(&done.history, &cast, guarded);
                done.add(make(first, 0, &cast, &ending).await?);
            }
        }
        Ok(Performed {
            names: cast.names,
            history: done.history,
            unanswered: done.unanswered,
            ledger,
        })
    }

    /// What the clients do at the same time.
    async fn together(&mut self, round: &Round, cast: &Cast, done: &mut Done) -> CaseResult {
        let mut calling = JoinSet::new();
        let barrier = Arc::new(Barrier::new(round.clients.len()));
        for (number, steps) in round.clients.iter().enumerate() {
            // Taken out for as long as it is on its own, and put back.
            let Some(mut client) = self.all.pop() else {
                break;
            };
            let (cast, steps, barrier) = (cast.clone(), steps.clone(), Arc::clone(&barrier));
            let pause = round.pauses.get(number).copied().unwrap_or(0);
            calling.spawn(async move {
                barrier.wait().await;
                if pause > 0 {
                    tokio::time::sleep(Duration::from_micros(pause)).await;
                }
                let made = make(&mut client, number + 1, &cast, &steps).await;
                (client, made)
            });
        }
        let mut failed = Ok(());
        while let Some(joined) = calling.join_next().await {
            let (client, made) = joined.map_err(|join| Halt::Harness(join.to_string()))?;
            self.all.push(client);
            match made {
                Ok(made) => done.add(made),
                Err(halt) => failed = Err(halt),
            }
        }
        failed
    }
}

/// What was done so far.
#[derive(Debug, Default)]
struct Done {
    history: Vec<Operation>,
    unanswered: Option<Answer>,
}

impl Done {
    fn add(&mut self, more: Self) {
        self.history.extend(more.history);
        self.unanswered = self.unanswered.take().or(more.unanswered);
    }
}

/// Makes calls one after the other, until one is not answered.
async fn make(client: &mut Cx, number: usize, cast: &Cast, steps: &[Step]) -> CaseResult<Done> {
    let mut done = Done::default();
    for step in steps {
        let Some(call) = call(client, cast, *step) else {
            continue;
        };
        let begun = since(cast.begun);
        let answer = client.make(&call).await?;
        let ended = since(cast.begun);
        let reply = Reply::of(&answer);
        let is_last = reply.is_none();
        done.history.push(Operation {
            client: number,
            call,
            begun,
            answer: reply.map(|reply| (ended, reply)),
        });
        if is_last {
            done.unanswered = Some(answer);
            break;
        }
    }
    Ok(done)
}

fn since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// A step as a call; `None` for one that is none.
fn call(cx: &Cx, cast: &Cast, step: Step) -> Option<Call> {
    let name = || {
        let volume = usize::from(step.volume()?);
        cast.names.get(volume).cloned()
    };
    let id = || cast.ids.get(usize::from(step.id()?)).cloned();
    Some(match step {
        Step::Create { .. } => {
            let name = name()?;
            Call::Create {
                opts: cx.opts_for(&name),
                name,
                sound: true,
            }
        }
        Step::Get { .. } => Call::Get(name()?),
        Step::List => Call::List,
        Step::Path { .. } => Call::Path(name()?),
        Step::Mount { .. } => Call::Mount(name()?, id()?),
        Step::Unmount { .. } => Call::Unmount(name()?, id()?),
        Step::Remove { .. } => Call::Remove(name()?),
        Step::Activate
        | Step::Write { .. }
        | Step::Read { .. }
        | Step::Kill
        | Step::KillDuring { .. }
        | Step::Restart => return None,
    })
}

/// What shows in the end who holds what, as far as the answers tell, and takes everything down.
fn ending(history: &[Operation], cast: &Cast, guarded: bool) -> Vec<Step> {
    let mut steps = vec![Step::List];
    for (volume, name) in (0_u8..).zip(&cast.names) {
        let mut holds: BTreeMap<u8, i32> = BTreeMap::new();
        let mut created = false;
        for operation in history.iter().filter(|o| o.call.volume() == Some(name)) {
            created |= matches!(operation.call, Call::Create { .. });
            let (id, change) = match &operation.call {
                Call::Mount(_, id) => (id, 1),
                Call::Unmount(_, id) => (id, -1),
                _ => continue,
            };
            let number = cast.ids.iter().position(|known| known == id);
            let number = number.and_then(|number| u8::try_from(number).ok());
            if let (Some(number), false) = (number, operation.is_refused()) {
                let count = holds.entry(number).or_default();
                *count = (*count + change).max(0);
            }
        }
        if !created {
            continue;
        }
        steps.push(Step::Get { volume });
        if holds.values().any(|count| *count > 0) {
            steps.push(Step::Path { volume });
            if guarded {
                steps.push(Step::Remove { volume });
            }
        }
        for (id, count) in holds {
            steps.extend((0..count).map(|_| Step::Unmount { volume, id }));
        }
        steps.extend([Step::Remove { volume }, Step::Get { volume }]);
    }
    steps
}

/// A call that is under way as long as one likes: the second half of its request is kept back.
struct Stalled {
    connection: Connection,
    request: Request,
    rest: Vec<u8>,
    begun: Instant,
}

impl Stalled {
    /// Sends the first half; `None` where the plugin does not take it.
    async fn begin(cx: &Cx) -> Option<Self> {
        let request = Request::docker(Endpoint::List.path(), b"{}\n".to_vec());
        let begun = Instant::now();
        let mut connection = cx.connect().await.ok()?;
        let mut bytes = request.bytes();
        let rest = bytes.split_off(bytes.len().saturating_sub(2));
        connection.write(&bytes, cx.limit()).await.ok()?;
        Some(Self {
            connection,
            request,
            rest,
            begun,
        })
    }

    async fn end(mut self, cx: &Cx) {
        let limit = cx.limit();
        let sent = match self.connection.write(&self.rest, limit).await {
            Ok(()) => self.connection.read(limit).await,
            Err(error) => Err(error),
        };
        cx.keep(Endpoint::List, &self.request, sent, self.begun);
    }
}

/// Whether calls in this order, one after the other, are answered as the model allows.
pub(crate) async fn one_after_the_other(
    clients: &mut Clients,
    cx: &mut Cx,
    purpose: &str,
    round: &Round,
    habits: Habits,
) -> CaseResult<(Performed, bool)> {
    let performed = clients.perform(cx, purpose, round, Some(habits)).await?;
    let legal = performed.names.iter().all(|name| {
        let history = of_volume(&performed.history, name);
        matches!(
            check(&start(habits, name), &history, STATES),
            Outcome::Legal(_)
        )
    });
    let legal = legal && performed.unanswered.is_none();
    Ok((performed, legal))
}

/// The state before a round: there is no volume called `name`, and the plugin is as it is known to be.
pub(crate) fn start(habits: Habits, name: &Name) -> Model {
    let fresh = Model::new(habits);
    let unknown = Reply::Refused("no such volume".to_owned());
    let looked_for = fresh.step(&Call::Get(Name::clone(name)), &unknown);
    looked_for.unwrap_or(fresh)
}
