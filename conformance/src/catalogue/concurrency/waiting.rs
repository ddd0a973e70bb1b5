//! Who waits for whom: other volumes for a slow one, and calls for the Docker API.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::UnixListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::protocol::{Endpoint, create_body, hold_body};
use crate::suite::{Answer, CaseResult, Cx, Finding, Halt, ensure};
use crate::wire::{Connection, Request};

/// How much longer a volume's life may take beside a call that never ends.
const STALLED: Duration = Duration::from_secs(2);

/// How much longer it may take beside a queue of Mounts of another volume.
const QUEUED: Duration = Duration::from_secs(1);

/// How long that queue should be, if every Mount waited for the one before.
const QUEUE: Duration = Duration::from_secs(4);

/// Mounts that are done sooner make no queue that could be seen.
const SLOW_MOUNT: Duration = Duration::from_millis(100);

/// No storage is cut here, so two things stand in for a slow call: requests for one volume that
/// stop half-way, and, where Mount takes a while by itself, many of them.
pub(super) async fn other_volumes(cx: &mut Cx) -> CaseResult {
    let busy = cx.volume().await?;
    let usual = life(cx).await?;
    for answer in &usual.answers {
        answer.step("the life of a volume goes well while nothing else happens")?;
    }

    let stalled = stall(cx, &busy).await?;
    let beside = life(cx).await?;
    drop(stalled);
    beside.judge(
        &usual,
        STALLED,
        "while two requests for another one stop half-way",
    )?;

    let mount = usual.took(Endpoint::Mount);
    if mount < SLOW_MOUNT {
        cx.note(format!(
            "a Mount took {} ms, which is too little for others to wait: judged only while two \
             requests for another volume had stopped half-way",
            mount.as_millis()
        ));
        return Ok(());
    }
    let holders = (QUEUE.as_millis() / mount.as_millis()).clamp(4, 30);
    cx.step(format!(
        "{holders} Mounts of `{busy}` at once, and meanwhile:"
    ));
    let mut mounting = JoinSet::new();
    for at in 0..holders {
        let mut client = cx.fork(&format!("conc.other-volumes holder {at}"));
        let (busy, id) = (busy.clone(), client.id());
        mounting.spawn(async move { client.mount(&busy, &id).await });
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    // Locks are seldom fair: one that all calls share may be had at once by chance.
    let mut lives = Vec::new();
    while !mounting.is_empty() {
        lives.push(life(cx).await?);
        while mounting.try_join_next().is_some() {}
    }
    let when = format!("beside {holders} Mounts of another one");
    lives
        .iter()
        .try_for_each(|beside| beside.judge(&usual, QUEUED, &when))
}

/// The calls of a volume's life, and how long they took.
struct Life {
    answers: Vec<Answer>,
    took: Duration,
}

async fn life(cx: &mut Cx) -> CaseResult<Life> {
    let (name, id) = (cx.name(), cx.id());
    // A user's command that is slow is not the plugin's fault.
    cx.prepare(&name).await?;
    let begun = Instant::now();
    let mut answers = Vec::new();
    for endpoint in [
        Endpoint::Create,
        Endpoint::Get,
        Endpoint::List,
        Endpoint::Mount,
        Endpoint::Unmount,
        Endpoint::Remove,
    ] {
        let answer = match endpoint {
            Endpoint::Create => cx.create(&name).await?,
            Endpoint::Get => cx.get(&name).await?,
            Endpoint::List => cx.list().await?,
            Endpoint::Mount => cx.mount(&name, &id).await?,
            Endpoint::Unmount => cx.unmount(&name, &id).await?,
            _ => cx.remove(&name).await?,
        };
        let answered = answer.response().is_some();
        answers.push(answer);
        if !answered {
            break;
        }
    }
    Ok(Life {
        answers,
        took: begun.elapsed(),
    })
}

impl Life {
    fn took(&self, endpoint: Endpoint) -> Duration {
        let ms = self
            .answers
            .iter()
            .find(|answer| answer.endpoint() == endpoint)
            .map_or(0, Answer::ms);
        Duration::from_millis(ms)
    }

    fn judge(&self, usual: &Self, patience: Duration, when: &str) -> CaseResult {
        let expected = format!("the life of a volume takes no longer {when}");
        if let Some(answer) = self.answers.iter().find(|a| a.response().is_none()) {
            return Err(answer.finding(&expected).into());
        }
        for answer in &self.answers {
            answer.step("the life of a volume goes well")?;
        }
        ensure(self.took < usual.took + patience, || {
            let slowest = self.answers.iter().max_by_key(|answer| answer.ms());
            let (call, ms) = slowest.map_or((Endpoint::Get, 0), |a| (a.endpoint(), a.ms()));
            Finding::new(
                expected,
                format!(
                    "{} ms instead of {} ms; {call} alone took {ms} ms",
                    self.took.as_millis(),
                    usual.took.as_millis()
                ),
            )
        })
    }
}

/// Begins a Create and a Mount of `name`, which exists, and sends only the first half of each body.
async fn stall(cx: &mut Cx, name: &str) -> CaseResult<[Connection; 2]> {
    let id = cx.id();
    let mut create = cx.connect().await?;
    let mut mount = cx.connect().await?;
    let opts = cx.opts_for(name);
    for (connection, endpoint, body) in [
        (&mut create, Endpoint::Create, create_body(name, &opts)),
        (&mut mount, Endpoint::Mount, hold_body(name, &id)),
    ] {
        let request = Request::docker(endpoint.path(), body);
        let bytes = request.bytes();
        let half = bytes.len() - request.body.len() / 2;
        let start = bytes.get(..half).unwrap_or_default();
        cx.step(format!(
            "sent half of a {endpoint} of `{name}`, and meanwhile:"
        ));
        connection
            .write(start, cx.limit())
            .await
            .map_err(|error| Halt::skip(format!("half a request cannot be sent: it {error}")))?;
    }
    Ok([create, mount])
}

pub(super) async fn no_callback(cx: &mut Cx) -> CaseResult {
    let silent = SilentDocker::listen(cx)?;
    let host = silent.host.clone();
    cx.step(format!(
        "DOCKER_HOST={host}, where connections are taken and never answered"
    ));
    cx.kill_plugin().await?;
    let started = cx.plugin()?.start_with_env(&[("DOCKER_HOST", &host)]).await;
    let judged = match started {
        Err(why) => Err(Finding::new(
            "the plugin starts while the Docker API does not answer",
            format!("{why}{}", silent.seen()),
        )
        .into()),
        Ok(_) => under_silence(cx, &silent).await,
    };
    // What hung did so because of the silence: a plugin in its usual surroundings is well.
    cx.forgive_trouble();
    cx.restart_plugin().await?;
    judged
}

async fn under_silence(cx: &mut Cx, silent: &SilentDocker) -> CaseResult {
    cx.activate().await?;
    let life = life(cx).await?;
    let Some(unanswered) = life.answers.iter().find(|a| a.response().is_none()) else {
        if silent.asked() > 0 {
            cx.note("it connects to the Docker API, and does not wait for it");
        }
        return Ok(());
    };
    if silent.asked() == 0 {
        // Whatever it waits for, it is not Docker.
        unanswered.step("calls are answered")?;
    }
    let call = unanswered.endpoint();
    Err(Finding::new(
        format!("{call} is answered while the Docker API is not"),
        format!("{}{}", unanswered.describe(), silent.seen()),
    )
    .into())
}

/// A Docker API that takes connections and says nothing.
struct SilentDocker {
    host: String,
    asked: Arc<AtomicUsize>,
    listening: AbortHandle,
}

impl SilentDocker {
    fn listen(cx: &Cx) -> CaseResult<Self> {
        let path = cx.target().work.join("docker.sock");
        let told = |error| Halt::skip(format!("cannot listen on {}: {error}", path.display()));
        // A second run of the case finds its own socket there.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(told)?;
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                if kept.len() < 256 {
                    kept.push(stream);
                }
            }
        });
        Ok(Self {
            host: format!("unix://{}", path.display()),
            asked,
            listening: task.abort_handle(),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn seen(&self) -> String {
        match self.asked() {
            0 => String::new(),
            times => format!("; meanwhile it had connected to the Docker API ({times} times)"),
        }
    }
}

impl Drop for SilentDocker {
    fn drop(&mut self) {
        self.listening.abort();
    }
}
