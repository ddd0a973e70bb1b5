//! What Get and List say of volumes whose storage does not answer.

use super::{LONG, SHORT, UnderWay};
use crate::catalogue::volume_steps::stuck;
use crate::suite::{Answer, CaseResult, Cx, Finding, Level, ensure};

/// What half of all Gets have to be answered within.
const FAST_MS: u64 = 1000;
/// What a List should be answered within.
const PROMPT_LIST_MS: u64 = 5000;

pub(in crate::catalogue) async fn known(cx: &mut Cx) -> CaseResult {
    const ROUNDS: usize = 3;
    let (held, ..) = cx.held_volume().await?;
    let free = cx.volume().await?;
    cx.cut_storage(&free).await?;
    let mount = UnderWay::mount(cx, &free).await?;
    let gets = get_each(cx, &[&free, &held], ROUNDS).await?;
    cx.restore_storage().await?;
    mount.end(cx, LONG).await;
    cx.forgive_trouble();

    for get in &gets {
        ensure(get.volume().is_some(), || {
            get.finding("Get returns a known volume while the storage cannot be reached")
        })?;
    }
    let mut took: Vec<u64> = gets.iter().map(Answer::ms).collect();
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or(0);
    ensure(median < FAST_MS, || {
        Finding::new(
            "Get asks no storage, and answers within a second",
            format!(
                "half of {} Gets took {median} ms or more while the storage was cut off",
                took.len()
            ),
        )
        .then(
            "dockerd sends a Get before each Create, Mount, Unmount and Remove, and one per volume when \
             it starts: every docker command waits for it",
        )
        .at(Level::Should)
    })
}

/// Gets of all volumes, round by round, until one goes unanswered.
async fn get_each(cx: &mut Cx, names: &[&str], rounds: usize) -> CaseResult<Vec<Answer>> {
    let usual = cx.wait_for_calls(SHORT);
    let mut gets = Vec::new();
    for name in names.repeat(rounds) {
        let get = cx.get(name).await?;
        let answered = get.response().is_some();
        gets.push(get);
        if !answered {
            break;
        }
    }
    cx.wait_for_calls(usual);
    Ok(gets)
}

pub(in crate::catalogue) async fn prompt_list(cx: &mut Cx) -> CaseResult {
    const OTHERS: usize = 4;
    let dead = cx.volume().await?;
    for _ in 0..OTHERS {
        cx.volume().await?;
    }
    cx.cut_storage(&dead).await?;
    let mount = UnderWay::mount(cx, &dead).await?;
    let list = list(cx).await?;
    cx.restore_storage().await?;
    mount.end(cx, LONG).await;
    cx.forgive_trouble();

    list.expect_answer("List is answered within a minute while the storage is not there")?;
    ensure(list.ms() < PROMPT_LIST_MS, || {
        Finding::new(
            "List is answered within 5 s while the storage is not there",
            format!("it took {} ms", list.ms()),
        )
        .at(Level::Should)
    })
}

pub(in crate::catalogue) async fn fails_loudly(cx: &mut Cx) -> CaseResult {
    let (one, ..) = cx.held_volume().await?;
    let two = cx.volume().await?;
    let before = cx.list().await?;
    before.step("List succeeds")?;
    cx.cut_storage(&two).await?;
    let list = list(cx).await?;
    cx.restore_storage().await?;

    if list.response().is_none() {
        return Err(stuck(&list, "List is answered", "list.prompt"));
    }
    let (had, has) = (before.names(), list.names());
    let hidden: Vec<&str> = [one.as_str(), two.as_str()]
        .into_iter()
        .filter(|name| had.contains(name) && !has.contains(name))
        .collect();
    ensure(list.is_refusal() || hidden.is_empty(), || {
        list.finding(&format!(
            "List shows all volumes, or says that it cannot: {} cannot be reached",
            hidden.join(" and ")
        ))
    })
}

async fn list(cx: &mut Cx) -> CaseResult<Answer> {
    let usual = cx.wait_for_calls(SHORT);
    let list = cx.list().await?;
    cx.wait_for_calls(usual);
    Ok(list)
}
