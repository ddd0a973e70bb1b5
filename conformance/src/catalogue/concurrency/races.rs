//! Calls on one volume that meet.
//!
//! A race shows only sometimes, so each is tried again and again for a while. The requests of a
//! round are written one right after the other, over connections that are open already; who is
//! first alternates, and so does the head start.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::suite::{Answer, CaseResult, Cx, Finding, Halt, Level, Token, ensure};

/// How many clients act at once where many do: fewer where calls take so long that a plugin which
/// makes them one after the other, as it may, could not answer the last one in time.
fn crowd(cx: &Cx, call: &Answer) -> usize {
    let one = Duration::from_millis(call.ms()).max(Duration::from_millis(1));
    let fit = cx.limit().as_millis() / 2 / one.as_millis();
    usize::try_from(fit).unwrap_or(16).clamp(2, 16)
}

/// How long rounds are repeated.
const WHILE: Duration = Duration::from_millis(150);

/// The most rounds, however fast the plugin is.
const ROUNDS: u64 = 200;

pub(super) async fn same_volume_mounts(cx: &mut Cx) -> CaseResult {
    // How a single mount of this plugin shows and goes, to compare with.
    let (alone, id) = (cx.volume().await?, cx.id());
    let single = cx.mount(&alone, &id).await?;
    single.step("Mount of an existing volume succeeds")?;
    let path = PathBuf::from(single.mountpoint());
    let shows = cx.is_mounted(&path).unwrap_or(false);
    cx.release(&alone, &id).await?;
    let goes = shows && !cx.is_mounted(&path).unwrap_or(true);

    let name = cx.volume().await?;
    let mut mounting = JoinSet::new();
    let crowd = crowd(cx, &single);
    for (mut client, id) in clients(cx, crowd).await? {
        let name = name.clone();
        mounting.spawn(async move { (client.mount(&name, &id).await, id) });
    }
    let mut held = Vec::new();
    while let Some(joined) = mounting.join_next().await {
        let (answer, id) = joined.map_err(|join| Halt::Harness(join.to_string()))?;
        let answer = answer?;
        answer.expect_ok(&format!("each of {crowd} Mounts at once succeeds"))?;
        held.push((id, answer));
    }
    let paths: Vec<PathBuf> = held
        .iter()
        .map(|(_, answer)| PathBuf::from(answer.mountpoint()))
        .collect();
    let Some(path) = paths.last() else {
        return Ok(());
    };
    let token = token(cx, path).await?;
    let mut left = held.len();
    // Each looks where it was told that the volume is: a plugin may tell each ID another place.
    for ((id, _), path) in held.into_iter().zip(&paths) {
        if let Some(token) = &token {
            still_there(cx, path, token, &format!("while {left} of {crowd} hold it")).await?;
        }
        cx.unmount(&name, &id)
            .await?
            .expect_ok("each of the holders can unmount once")?;
        left -= 1;
    }
    if goes {
        // It went at once when nobody else was there; now it may take a moment.
        gone_soon(cx, path).await?;
    }
    Ok(())
}

pub(super) async fn create_race(cx: &mut Cx) -> CaseResult {
    // A plugin that refuses every repeated Create may refuse these, too.
    let sequential = cx.name();
    let single = cx.create(&sequential).await?;
    single.step("Create of a new volume succeeds")?;
    let crowd = crowd(cx, &single);
    let repeated = cx.create(&sequential).await?;
    let tolerant = repeated.is_ok();

    let begun = Instant::now();
    let mut round = 0;
    while round == 0 || (round < 8 && begun.elapsed() < WHILE) {
        round += 1;
        let name = cx.name();
        cx.prepare(&name).await?;
        let mut creating = JoinSet::new();
        for at in 0..crowd {
            let mut client = cx.fork(&format!("conc.create-race round {round} client {at}"));
            let name = name.clone();
            // The connections are opened by the calls themselves: all at about the same time.
            creating.spawn(async move { client.create(&name).await });
        }
        let mut answers = Vec::new();
        while let Some(joined) = creating.join_next().await {
            answers.push(joined.map_err(|join| Halt::Harness(join.to_string()))??);
        }
        judge_creates(cx, &name, &answers, tolerant).await?;
    }
    Ok(())
}

async fn judge_creates(cx: &mut Cx, name: &str, answers: &[Answer], tolerant: bool) -> CaseResult {
    for answer in answers {
        answer.expect_answer("each of the Creates is answered")?;
    }
    let made = answers.iter().filter(|answer| answer.is_ok()).count();
    ensure(made > 0, || {
        Finding::new(
            format!(
                "one of {} Creates of a new name at once succeeds",
                answers.len()
            ),
            "all of them failed".to_owned(),
        )
    })?;
    cx.get(name)
        .await?
        .expect_ok("Get knows the volume that was just created")?;
    let list = cx.list().await?;
    let times = list.names().into_iter().filter(|n| *n == name).count();
    ensure(times <= 1, || {
        Finding::new(
            format!(
                "List shows the name once after {} Creates of it at once",
                answers.len()
            ),
            format!("List shows `{name}` {times} times"),
        )
    })?;
    cx.discard(name).await?;
    let get = cx.get(name).await?;
    ensure(get.volume().is_none(), || {
        get.finding("one Remove is enough after several Creates at once")
    })?;
    match answers.iter().find(|answer| !answer.is_ok()) {
        Some(refused) if tolerant => Err(refused
            .finding(
                "a Create that meets another one of the same name succeeds as it does when they \
                 come one after the other",
            )
            .at(Level::Should)
            .into()),
        _ => Ok(()),
    }
}

pub(super) async fn mount_unmount(cx: &mut Cx) -> CaseResult {
    let (name, first, path) = cx.held_volume().await?;
    let shows = cx.is_mounted(&path).unwrap_or(false);
    let token = token(cx, &path).await?;
    let mut other = cx.fork("conc.mount-unmount other client");
    connect(&mut other).await?;

    let mut leaving = first;
    let begun = Instant::now();
    let mut round = 0;
    while round == 0 || (round < ROUNDS && begun.elapsed() < WHILE) {
        let coming = cx.id();
        let pause = pause(cx, round);
        let (unmount, mount) = if round % 2 == 0 {
            tokio::join!(cx.unmount(&name, &leaving), async {
                tokio::time::sleep(pause).await;
                other.mount(&name, &coming).await
            })
        } else {
            let (mount, unmount) = tokio::join!(other.mount(&name, &coming), async {
                tokio::time::sleep(pause).await;
                cx.unmount(&name, &leaving).await
            });
            (unmount, mount)
        };
        let (unmount, mount) = (unmount?, mount?);
        mount.expect_ok("Mount succeeds while the last other holder leaves")?;
        unmount.expect_ok("the last holder can unmount while a new one comes")?;
        let path = Path::new(mount.mountpoint());
        if shows && !cx.is_mounted(path).unwrap_or(true) {
            return Err(Finding::new(
                "the volume is mounted for the holder that came while the last one left",
                format!("nothing is mounted at {}", path.display()),
            )
            .into());
        }
        if let Some(token) = &token {
            still_there(cx, path, token, "for the holder that came last").await?;
        }
        leaving = coming;
        round += 1;
    }
    cx.unmount(&name, &leaving)
        .await?
        .expect_ok("the holder that came while the last one left is one, and can unmount")?;
    cx.note(format!("{round} rounds"));
    Ok(())
}

pub(super) async fn remove_mount(cx: &mut Cx) -> CaseResult {
    let mut other = cx.fork("conc.remove-mount other client");
    connect(&mut other).await?;
    let begun = Instant::now();
    let mut round = 0;
    while round == 0 || (round < ROUNDS && begun.elapsed() < WHILE) {
        let name = cx.volume().await?;
        let id = cx.id();
        let pause = pause(cx, round);
        let (remove, mount) = if round % 2 == 0 {
            tokio::join!(cx.remove(&name), async {
                tokio::time::sleep(pause).await;
                other.mount(&name, &id).await
            })
        } else {
            let (mount, remove) = tokio::join!(other.mount(&name, &id), async {
                tokio::time::sleep(pause).await;
                cx.remove(&name).await
            });
            (remove, mount)
        };
        let (remove, mount) = (remove?, mount?);
        remove.expect_answer("Remove is answered while a Mount comes")?;
        mount.expect_answer("Mount is answered while a Remove comes")?;
        if remove.is_ok() && mount.is_ok() {
            let (get, stray) = (cx.get(&name).await?, cx.unmount(&name, &id).await?);
            let known = get.volume().map_or("unknown", |_| "known");
            let after = if stray.is_ok() { "succeeds" } else { "fails" };
            return Err(Finding::new(
                "Remove or Mount fails when they meet",
                format!(
                    "both succeeded; after them the volume is {known}, and Unmount of the ID {after}"
                ),
            )
            .into());
        }
        if mount.is_ok() {
            let get = cx.get(&name).await?;
            ensure(get.volume().is_some(), || {
                get.finding("a volume whose Remove was refused because of a Mount is there")
            })?;
            cx.release(&name, &id).await?;
            cx.discard(&name).await?;
        } else if !remove.is_ok() {
            // Each gave way to the other, which costs a second try and nothing else.
            cx.discard(&name).await?;
        }
        round += 1;
    }
    cx.note(format!("{round} rounds"));
    Ok(())
}

/// Clients with an open connection and an ID each.
async fn clients(cx: &mut Cx, crowd: usize) -> CaseResult<Vec<(Cx, String)>> {
    let mut clients = Vec::new();
    for at in 0..crowd {
        let mut client = cx.fork(&format!("conc.same-volume-mounts client {at}"));
        connect(&mut client).await?;
        clients.push((client, cx.id()));
    }
    Ok(clients)
}

/// Opens a client's connection. A plugin that serves one at a time leaves the others waiting, and
/// there is no race to look at.
async fn connect(client: &mut Cx) -> CaseResult {
    let answer = client.list().await?;
    ensure(answer.response().is_some(), || {
        answer
            .finding("a call on another connection is answered while the first one stays open")
            .because("http.parallel-connections")
    })
}

/// The head start of a round's first call: none at all, or up to a millisecond.
fn pause(cx: &mut Cx, round: u64) -> Duration {
    if round % 4 < 2 {
        Duration::ZERO
    } else {
        Duration::from_micros(cx.random() % 1000)
    }
}

/// A token, where mountpoints can be looked into.
async fn token(cx: &mut Cx, path: &Path) -> CaseResult<Option<Token>> {
    match cx.write_token(path).await {
        Ok(token) => Ok(Some(token)),
        Err(Halt::Skip(_)) => Ok(None),
        Err(halt) => Err(halt),
    }
}

async fn still_there(cx: &Cx, path: &Path, token: &Token, when: &str) -> CaseResult {
    match cx.check_token(path, token).await {
        Ok(()) => Ok(()),
        Err(instead) => Err(Finding::new(
            format!("the volume's data are at the mountpoint {when}"),
            instead,
        )
        .into()),
    }
}

/// Waits for the kernel mount to go.
async fn gone_soon(cx: &Cx, path: &Path) -> CaseResult {
    let begun = Instant::now();
    while cx.is_mounted(path)? {
        if begun.elapsed() > Duration::from_secs(5) {
            return Err(Finding::new(
                "the mount goes with the last of several holders that came at once, as it does \
                 with a single one",
                format!("{} is still mounted 5 s later", path.display()),
            )
            .into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
