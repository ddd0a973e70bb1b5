//! Kills at random moments while several clients change things.
//!
//! What was answered must hold after the next start. What was under way when the plugin was killed
//! may have happened or not.

use std::time::{Duration, Instant};

use super::start_for_good;
use crate::catalogue::plugin_files::Snapshot;
use crate::suite::{Answer, CaseResult, Cx, Finding, Halt, ensure};

/// How many clients change things at the same time.
const CLIENTS: usize = 3;

/// How long the kills go on at the most, whatever a start takes.
const AT_MOST: Duration = Duration::from_secs(25);

/// What is known of a volume.
#[derive(Debug)]
struct Fate {
    name: String,
    /// `None` if the call that decides it went unanswered.
    exists: Option<bool>,
    /// An ID that may still be held.
    held: Option<String>,
}

pub(super) async fn any_moment(cx: &mut Cx, kills: u32) -> CaseResult {
    let anchor = cx.volume().await?;
    // A state that keeps the plugin from starting must not keep it so for the rest of the run.
    let good = Snapshot::take(cx).await.ok();
    let judged = kill_again_and_again(cx, kills, &anchor).await;
    cx.forgive_trouble();
    let running = cx.plugin()?.is_running().await;
    if let (false, Some(good)) = (running, good) {
        good.restore(cx).await?;
        cx.start_plugin().await?;
    }
    judged
}

async fn kill_again_and_again(cx: &mut Cx, kills: u32, anchor: &str) -> CaseResult {
    let begun = Instant::now();
    let usual = usual_call(cx).await?;
    for round in 1..=kills {
        let slow = cx.target().slowness.weary(cx.case());
        let late = (begun.elapsed() > AT_MOST).then(|| "starts take long".to_owned());
        if let Some(why) = slow.or(late) {
            cx.note(format!("{} kills instead of {kills}: {why}", round - 1));
            break;
        }
        // Most kills hit a call: there are several under way at any time.
        let reach = (usual * 8).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let micros = u64::try_from(reach.as_micros()).unwrap_or(u64::MAX).max(1);
        let delay = Duration::from_micros(cx.random() % micros);
        let fork = |client| {
            cx.fork(&format!(
                "restart.any-moment kill {round} of {kills} client {client}"
            ))
        };
        let (one, two, three) = (fork(1), fork(2), fork(CLIENTS));
        let kill = async {
            tokio::time::sleep(delay).await;
            cx.plugin()?.kill().await;
            Ok::<(), Halt>(())
        };
        let (killed, one, two, three) = tokio::join!(kill, change(one), change(two), change(three));
        killed?;
        cx.step(format!(
            "kill -9 of the plugin, {} µs after {CLIENTS} clients began to change things",
            delay.as_micros()
        ));
        cx.forgive_trouble();
        let fates: Vec<Fate> = [one?, two?, three?].into_iter().flatten().collect();
        start_for_good(cx, &format!("after kill {round}")).await?;
        judge(cx, anchor, &fates, round).await?;
        take_back(cx, fates).await?;
    }
    Ok(())
}

/// How long a call that changes something takes.
async fn usual_call(cx: &mut Cx) -> CaseResult<Duration> {
    let begun = Instant::now();
    let name = cx.volume().await?;
    cx.discard(&name).await?;
    Ok(begun.elapsed() / 2)
}

/// Creates, mounts, unmounts and removes until the plugin is gone.
async fn change(mut cx: Cx) -> CaseResult<Vec<Fate>> {
    let mut fates = Vec::new();
    for at in 0..500 {
        let name = cx.name();
        let mut fate = Fate {
            name: name.clone(),
            exists: None,
            held: None,
        };
        let create = cx.create(&name).await?;
        if !create.is_refusal() {
            fate.exists = create.is_ok().then_some(true);
        }
        let mut gone = is_gone(&create);
        if !gone && at % 2 == 0 {
            let id = cx.id();
            let mount = cx.mount(&name, &id).await?;
            fate.held = Some(id.clone());
            gone = is_gone(&mount);
            if mount.is_ok() && at % 4 == 0 {
                let unmount = cx.unmount(&name, &id).await?;
                gone = is_gone(&unmount);
                if unmount.is_ok() {
                    fate.held = None;
                }
            }
        }
        if !gone && at % 3 == 0 && fate.held.is_none() {
            let remove = cx.remove(&name).await?;
            gone = is_gone(&remove);
            if gone {
                fate.exists = None;
            } else if remove.is_ok() {
                fate.exists = Some(false);
            }
        }
        fates.push(fate);
        if gone {
            break;
        }
    }
    Ok(fates)
}

fn is_gone(answer: &Answer) -> bool {
    answer.wire_error().is_some()
}

async fn judge(cx: &mut Cx, anchor: &str, fates: &[Fate], round: u32) -> CaseResult {
    let known = fates
        .iter()
        .filter_map(|fate| Some((fate.name.as_str(), fate.exists?)));
    for (name, exists) in known.chain([(anchor, true)]) {
        let get = cx.get(name).await?;
        ensure(get.volume().is_some() == exists, || {
            get.finding(&if exists {
                format!("a volume whose Create was answered is there after kill {round}")
            } else {
                format!("a volume whose Remove was answered is gone after kill {round}")
            })
        })?;
    }
    cx.list()
        .await?
        .step(&format!("List succeeds after kill {round}"))?;
    Ok(())
}

/// Takes the round's volumes back, so that the next one's state is small again.
async fn take_back(cx: &mut Cx, fates: Vec<Fate>) -> CaseResult {
    for fate in fates.into_iter().filter(|fate| fate.exists != Some(false)) {
        // How plugins take a Remove of what is not there is another case's question, too.
        if fate.exists.is_none() && cx.get(&fate.name).await?.is_refusal() {
            cx.memory().removed(&fate.name);
            continue;
        }
        let held = fate.held.is_some();
        if let Some(id) = fate.held {
            // Whether holds outlive the plugin is another case's question.
            cx.unmount(&fate.name, &id).await?;
        }
        let removed = cx.remove(&fate.name).await?;
        if fate.exists == Some(true) && !held && !removed.is_ok() {
            let left = removed.describe();
            return Err(Finding::new(
                format!(
                    "a volume that was made before a kill can be removed after it: {}",
                    fate.name
                ),
                left,
            )
            .into());
        }
    }
    Ok(())
}
