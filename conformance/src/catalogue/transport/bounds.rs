//! Bounds: what a plugin should not take from a client, and what it should be able to give.

use std::time::{Duration, Instant};

use crate::protocol::{Endpoint, name_body};
use crate::suite::{Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, Need, ensure};
use crate::wire::{Connection, Request, WireError};

/// A body that no call has: Docker's own are a few hundred bytes.
const HUGE: usize = 64 << 20;

/// How much a plugin may grow over it.
const GROWTH_KIB: u64 = 48 << 10;

/// How long half a head is waited for.
const STALLED_TIME: Duration = Duration::from_secs(30);

/// With how many volumes List is measured, and how long making them may take.
const VOLUMES: usize = 100;
const VOLUMES_TIME: Duration = Duration::from_millis(500);

/// What a List of 10,000 volumes may take, and so each of them.
const LARGE_LIST: Duration = Duration::from_secs(10);
const LARGE: u32 = 10_000;

pub(super) const LIMITS: Case = Case {
    id: "http.limits",
    level: Level::Should,
    title: "neither a body of 64 MiB nor a client that sends byte by byte costs the others anything",
    why: "whoever can connect can otherwise fill the machine's memory or stop the plugin for all \
          containers; and a slow network sends byte by byte too",
    harm: Harm::Hang,
    sources: &[
        "https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/",
    ],
    docker: &[],
    needs: &[],
    mode: Mode::Alone,
    follows: &["http.parallel-connections"],
    run: |cx| Box::pin(limits(cx)),
};

pub(super) const STALLED_HEAD: Case = Case {
    id: "http.stalled-head",
    level: Level::Should,
    title: "a client that stops in the middle of a request's head is given up within 30 s",
    why: "each such client keeps a connection, and what serves it, for ever",
    harm: Harm::Hang,
    sources: &["https://blog.cloudflare.com/the-complete-guide-to-golang-net-http-timeouts/"],
    docker: &[],
    needs: &[Need::Soak],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(stalled_head(cx)),
};

pub(super) const LARGE_LIST_CASE: Case = Case {
    id: "http.large-list",
    level: Level::Should,
    title: "List grows so slowly with the number of volumes that 10,000 take less than 10 s",
    why: "`docker volume ls` waits for it, and dockerd gives up after 60 s and shows no volume of \
          the plugin at all",
    harm: Harm::Hang,
    sources: &[
        "moby: daemon/volume/drivers/proxy.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: a List of 100,000 volumes is shown",
    ],
    docker: &["time docker volume ls"],
    needs: &[],
    mode: Mode::Alone,
    follows: &[
        "list.complete",
        "enc.object",
        "enc.err-type",
        "enc.clean-json",
        "enc.created-at",
        "enc.status",
        "http.no-redirect",
    ],
    run: |cx| Box::pin(large_list(cx)),
};

async fn limits(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    let get = Request::docker(Endpoint::Get.path(), name_body(&name));
    cx.get(&name).await?.step("Get of a new volume succeeds")?;
    byte_by_byte(cx, &get).await?;
    huge_body(cx, &name).await
}

/// A request of one write for each byte is a request as any other.
async fn byte_by_byte(cx: &Cx, request: &Request) -> CaseResult {
    let mut connection = cx.connect().await?;
    let begun = Instant::now();
    for byte in request.bytes() {
        // What went wrong shows when the answer is read.
        if connection.write(&[byte], cx.limit()).await.is_err() {
            break;
        }
    }
    cx.step("sent the next request byte by byte");
    let sent = connection.read(cx.limit()).await;
    let answer = cx.keep(Endpoint::Get, request, sent, begun);
    answer.expect_ok("a Get that comes byte by byte is answered")?;
    Ok(())
}

async fn huge_body(cx: &mut Cx, name: &str) -> CaseResult {
    let pid = match cx.plugin() {
        Ok(plugin) => plugin.pid().await,
        Err(_) => None,
    };
    let before = pid.and_then(Memory::of);
    let mut connection = cx.connect().await?;
    let (taken, beside) = pour(cx, &mut connection, name).await?;
    cx.step(format!(
        "sent {} MiB of a Create whose body has no end",
        taken >> 20
    ));
    drop(connection);
    beside.expect_answer("Get is answered while somebody else sends a huge body")?;
    let get = cx.get(name).await?;
    get.expect_answer("Get is answered after a huge body")?;
    let Some((before, after)) = before.zip(pid.and_then(Memory::of)) else {
        return Ok(());
    };
    let grown = after.peak_kib.saturating_sub(before.now_kib);
    // A peak from before the body says nothing about it.
    ensure(
        after.peak_kib <= before.peak_kib || grown < GROWTH_KIB,
        || {
            Finding::new(
                format!("a body of {} MiB is refused before it is read", HUGE >> 20),
                format!("the plugin took it and grew by {} MiB", grown >> 10),
            )
        },
    )
}

/// Sends a Create with a body that goes on and on, and never is a whole JSON value, until the
/// plugin answers, hangs up or has it all. How much was sent, and what a Get meanwhile brought.
async fn pour(
    cx: &mut Cx,
    connection: &mut Connection,
    name: &str,
) -> CaseResult<(usize, crate::suite::Answer)> {
    let piece = vec![b'a'; 1 << 20];
    let head = Request::docker(Endpoint::Create.path(), Vec::new())
        .header("Content-Length", &HUGE.to_string())
        .head();
    let patience = cx.limit().min(Duration::from_secs(2));
    let mut open = connection.write(&head, patience).await.is_ok()
        && connection.write(b"{\"Name\":\"", patience).await.is_ok();
    let mut sent = 0;
    let mut beside = None;
    while open && sent + piece.len() < HUGE {
        open = connection.write(&piece, patience).await.is_ok();
        sent += piece.len();
        if sent == HUGE / 2 {
            beside = Some(cx.get(name).await?);
        }
        // Nothing yet is what is expected of one that still reads.
        let answer = connection.read(Duration::from_micros(200)).await;
        open &= matches!(answer, Err(WireError::Timeout(_)));
    }
    if open {
        // The last piece of a body that was taken as a whole: what is made of it shows in memory.
        let rest = vec![b'a'; HUGE.saturating_sub(sent + 9)];
        let _ = connection.write(&rest, patience).await;
        let _ = connection.read(patience).await;
    }
    let beside = match beside {
        Some(answer) => answer,
        None => cx.get(name).await?,
    };
    Ok((sent, beside))
}

async fn stalled_head(cx: &mut Cx) -> CaseResult {
    let mut connection = cx.connect().await?;
    let half = b"POST /VolumeDriver.List HTTP/1.1\r\nHost: plugin\r\nContent-Le";
    if connection.write(half, cx.limit()).await.is_err() {
        return Ok(());
    }
    cx.step("sent half of a request's head, and then nothing");
    ensure(connection.closes_within(STALLED_TIME).await, || {
        Finding::new(
            format!(
                "a connection with half a head is closed within {} s",
                STALLED_TIME.as_secs()
            ),
            "it is still open",
        )
    })
}

async fn large_list(cx: &mut Cx) -> CaseResult {
    let few = measure(cx).await?;
    let begun = Instant::now();
    let mut made = 0;
    while made < VOLUMES && begun.elapsed() < VOLUMES_TIME {
        cx.volume().await?;
        made += 1;
    }
    let many = measure(cx).await?;
    let Ok(made) = u32::try_from(made) else {
        return Ok(());
    };
    if made < 20 {
        return Err(Halt::skip(format!(
            "only {made} volumes could be made in {} ms, too few to tell",
            VOLUMES_TIME.as_millis()
        )));
    }
    let each = many.saturating_sub(few) / made;
    ensure(each * LARGE < LARGE_LIST, || {
        Finding::new(
            format!(
                "a List of {LARGE} volumes takes less than {} s",
                LARGE_LIST.as_secs()
            ),
            format!(
                "{made} volumes more made it {} ms slower, which is {} s for {LARGE}",
                many.saturating_sub(few).as_millis(),
                (each * LARGE).as_secs()
            ),
        )
    })
}

/// The fastest of three Lists.
async fn measure(cx: &mut Cx) -> CaseResult<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        cx.list().await?.step("List succeeds")?;
        best = best.min(begun.elapsed());
    }
    Ok(best)
}

/// The memory of a process.
struct Memory {
    now_kib: u64,
    peak_kib: u64,
}

impl Memory {
    fn of(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            now_kib: field("VmRSS:")?,
            peak_kib: field("VmHWM:")?,
        })
    }
}
