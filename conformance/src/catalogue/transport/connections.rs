//! How connections are used: one for many calls, many at once, many that say nothing.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit};

use crate::protocol::{Endpoint, name_body};
use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, Need, ensure};
use crate::wire::{Connection, Request, WireError};

/// How many calls go over one connection, and how long that may take.
const CALLS: usize = 500;
const CALLS_TIME: Duration = Duration::from_secs(2);

/// How many connections are served at once.
const AT_ONCE: usize = 64;

/// How many connections may be open and silent: below the usual limit of 1024 open files.
const SILENT: usize = 900;

/// How long a connection is idle: a little less than the 30 s for which dockerd keeps it.
const IDLE_TIME: Duration = Duration::from_secs(29);

pub(super) const KEEP_ALIVE: Case = Case {
    id: "http.keep-alive",
    level: Level::Must,
    title: "many requests run on one connection, each with its own answer",
    why: "dockerd keeps one connection for everything; where the plugin closes it without saying so, \
          dockerd repeats the call a second later, with an empty body",
    harm: Harm::Refused,
    sources: &[
        "moby: pkg/plugins/client.go (callWithRetry)",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: of 30 calls in a row to a plugin that \
         closes, 7 to 10 were repeated with an empty body",
    ],
    docker: &["for i in 1 2 3 4 5; do docker volume inspect {volume}; done"],
    needs: &[],
    mode: Mode::Shared,
    follows: &["get.read-only", "get.unknown"],
    run: |cx| Box::pin(keep_alive(cx)),
};

pub(super) const IDLE: Case = Case {
    id: "http.idle",
    level: Level::Should,
    title: "a connection may be idle for 29 s",
    why: "dockerd keeps an idle connection for 30 s: a plugin that closes it earlier may do so just \
          when the next call comes, which dockerd then repeats with an empty body",
    harm: Harm::Refused,
    sources: &["moby: vendor/github.com/docker/go-connections/sockets (IdleConnTimeout)"],
    docker: &[
        "docker volume inspect {volume}",
        "sleep 29",
        "docker volume inspect {volume}",
    ],
    needs: &[Need::Soak],
    mode: Mode::Shared,
    follows: &["http.keep-alive"],
    run: |cx| Box::pin(idle(cx)),
};

pub(super) const PARALLEL_CONNECTIONS: Case = Case {
    id: "http.parallel-connections",
    level: Level::Must,
    title: "64 connections are served at once",
    why: "a daemon that starts asks for all volumes that it knows at once, over a connection each; \
          one that is turned away costs 15 s, and one that waits is taken for a volume that is gone",
    harm: Harm::VolumeLost,
    sources: &[
        "moby: daemon/volume/service/restore.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: 13 to 15 connections for 20 parallel \
         creates",
    ],
    docker: &["# with many volumes known: restart dockerd"],
    needs: &[],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(parallel_connections(cx)),
};

pub(super) const IDLE_CONNECTIONS: Case = Case {
    id: "http.idle-connections",
    level: Level::Should,
    title: "900 connections that say nothing do not keep a call from being answered",
    why: "engines and tools that hang or leak connections should not take the plugin away from \
          everybody else",
    harm: Harm::Hang,
    sources: &["https://github.com/docker/go-plugins-helpers/issues/129"],
    docker: &[],
    needs: &[],
    mode: Mode::Alone,
    follows: &["http.parallel-connections"],
    run: |cx| Box::pin(idle_connections(cx)),
};

/// What of an answer tells it from the answers to other calls: whether it is one, and the volume.
fn mark(answer: &Answer) -> (bool, Option<String>) {
    let volume = answer.volume().map(|volume| volume.name.clone());
    (answer.is_ok(), volume)
}

async fn keep_alive(cx: &mut Cx) -> CaseResult {
    let mut asked = vec![cx.volume().await?, cx.volume().await?, cx.volume().await?];
    asked.push(cx.name());
    // What is right is what each gets on a connection of its own.
    let mut right = Vec::new();
    for name in &asked {
        cx.hang_up();
        right.push(mark(&cx.get(name).await?));
    }
    cx.hang_up();
    ensure_told_apart(&right)?;

    let begun = Instant::now();
    let mut connection = cx.connect().await?;
    let mut opened = 1;
    let pairs = asked.iter().zip(&right).cycle();
    for (number, (name, right)) in pairs.take(CALLS).enumerate() {
        if connection.last_said() {
            connection = cx.connect().await?;
            opened += 1;
        }
        if begun.elapsed() > CALLS_TIME || opened > 50 {
            break;
        }
        let request = Request::docker(Endpoint::Get.path(), name_body(name));
        let at = Instant::now();
        let sent = connection.send(&request, cx.limit()).await;
        let answers = connection.answers();
        let answer = cx.keep(Endpoint::Get, &request, sent, at);
        if let Some(WireError::Closed | WireError::Io(_)) = answer.wire_error()
            && answers > 0
        {
            return Err(Finding::new(
                "a connection stays open for the next call, or the answer says Connection: close",
                format!("it was closed after {answers} answers, none of which said so"),
            )
            .into());
        }
        answer.expect_answer("every call on a kept-alive connection is answered")?;
        ensure(mark(&answer) == *right, || {
            answer.finding(&format!(
                "call {} on one connection, Get of `{name}`, gets its own answer",
                number + 1
            ))
        })?;
    }
    if opened > 1 {
        cx.note("answers say Connection: close: each call costs a connection");
    }
    Ok(())
}

fn ensure_told_apart(marks: &[(bool, Option<String>)]) -> CaseResult {
    let mut seen = std::collections::HashSet::new();
    if marks.iter().all(|mark| seen.insert(mark)) {
        return Ok(());
    }
    Err(Halt::skip(
        "Get answers the same for different volumes, so that answers cannot be told apart",
    ))
}

async fn idle(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    let request = Request::docker(Endpoint::Get.path(), name_body(&name));
    let mut connection = cx.connect().await?;
    let at = Instant::now();
    let sent = connection.send(&request, cx.limit()).await;
    cx.keep(Endpoint::Get, &request, sent, at)
        .step("Get of a new volume succeeds")?;
    if connection.last_said() {
        return Err(Halt::skip("answers say Connection: close: nothing is kept"));
    }
    cx.step(format!("{} s of silence", IDLE_TIME.as_secs()));
    if connection.closes_within(IDLE_TIME).await {
        return Err(Finding::new(
            format!(
                "an idle connection stays open for {} s",
                IDLE_TIME.as_secs()
            ),
            format!("the plugin closed it after {} s", at.elapsed().as_secs()),
        )
        .into());
    }
    let at = Instant::now();
    let sent = connection.send(&request, cx.limit()).await;
    let answer = cx.keep(Endpoint::Get, &request, sent, at);
    answer.expect_answer("a call on a connection that was idle is answered")?;
    Ok(())
}

async fn parallel_connections(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    let request = Request::docker(Endpoint::Get.path(), name_body(&name));
    // The case's own connection would be one too many for a plugin that takes just so many.
    cx.hang_up();
    let expected = format!("a call on each of {AT_ONCE} connections is answered");
    let deadline = Instant::now() + cx.limit();
    let mut open: Vec<Connection> = Vec::with_capacity(AT_ONCE);
    for _ in 0..AT_ONCE {
        open.push(cx.connect().await?);
    }
    cx.step(format!(
        "opened {AT_ONCE} connections and sent a Get on each"
    ));
    for connection in &mut open {
        // A connection that was dropped shows when its answer is read.
        let _ = connection.write(&request.bytes(), cx.limit()).await;
    }
    // All stay open to the end: nobody is served because somebody else has left.
    for (served, connection) in open.iter_mut().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let sent = connection.read(left.max(Duration::from_millis(50))).await;
        if let Err(error) = sent {
            let why = match error {
                WireError::Timeout(_) => WireError::Timeout(cx.limit()),
                other => other,
            };
            cx.hang_up();
            return Err(Finding::new(
                expected,
                format!("{served} were; on the next one the plugin {why}"),
            )
            .into());
        }
    }
    Ok(())
}

async fn idle_connections(cx: &mut Cx) -> CaseResult {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((0, 0));
    if soft < SILENT as u64 + 64 {
        return Err(Halt::skip(format!(
            "needs {SILENT} open files, and this process may have {soft} (ulimit -n)"
        )));
    }
    let name = cx.volume().await?;
    cx.get(&name).await?.step("Get of a new volume succeeds")?;
    cx.hang_up();
    let address = &cx.target().address;
    let expected = format!("a call is answered beside {SILENT} idle connections");
    let deadline = Instant::now() + cx.limit();
    let mut silent = Vec::with_capacity(SILENT);
    while silent.len() < SILENT {
        let left = deadline.saturating_duration_since(Instant::now());
        match Connection::open(address, left).await {
            Ok(connection) => silent.push(connection),
            Err(error) => {
                return Err(Finding::new(
                    expected,
                    format!("beside {} the plugin {error}", silent.len()),
                )
                .into());
            }
        }
    }
    cx.step(format!("opened {SILENT} connections and sent nothing"));
    let answer = cx.get(&name).await?;
    drop(silent);
    // It may be well again now that the others are gone.
    cx.hang_up();
    cx.forgive_trouble();
    answer.expect_answer(&expected)?;
    Ok(())
}
