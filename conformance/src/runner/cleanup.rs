//! Taking back what a case made: holds, volumes, and what `--prepare` prepared.

use std::sync::Arc;

use crate::suite::ledger::MadeVolume;
use crate::suite::{Answer, Cx, Ledger};
use crate::target::Target;

/// What became of taking back.
#[derive(Debug, Default)]
pub(crate) struct TakenBack {
    /// A line for each volume that stays behind.
    pub(crate) left_behind: Vec<String>,
    /// The call that was not answered, after which nothing more was tried, and whether it hung.
    pub(crate) silent: Option<(String, bool)>,
}

/// Why a volume could not be removed.
enum Stays {
    /// The plugin refuses.
    Refused(String),
    /// The plugin does not answer, or is known not to.
    Silent { why: String, hung: bool },
}

/// Releases and removes everything that `ledger` still has, the last made first, and nothing else.
pub(crate) async fn take_back(target: &Arc<Target>, ledger: &Ledger, case: &str) -> TakenBack {
    let mut taken = TakenBack::default();
    let left_behind = &mut taken.left_behind;
    let volumes = ledger.left();
    for (done, volume) in volumes.iter().enumerate() {
        if volume.is_left() {
            // A memory of its own: what is done here is no part of the case.
            let mut cx = Cx::new(Arc::clone(target), Arc::default(), "cleanup");
            match remove(&mut cx, volume).await {
                Ok(()) => ledger.removed(&volume.name),
                Err(Stays::Refused(why)) => {
                    let name = volume.name.escape_debug();
                    left_behind.push(format!("volume `{name}` of {case}: {why}"));
                    continue;
                }
                // The others would cost a time limit each.
                Err(Stays::Silent { why, hung }) => {
                    let number = volumes.len() - done;
                    left_behind.push(format!("up to {number} volumes of {case}: {why}"));
                    taken.silent = Some((why, hung));
                    return taken;
                }
            }
        }
        if let (true, Some(command)) = (volume.prepared, &target.cleanup)
            && let Err(why) = command.run_for(&volume.name, target.timeout).await
        {
            left_behind.push(format!("--cleanup failed: {why}"));
        }
    }
    taken
}

async fn remove(cx: &mut Cx, volume: &MadeVolume) -> Result<(), Stays> {
    let name = volume.name.as_str();
    let given_up = |_| Stays::Silent {
        why: "the plugin no longer answers".to_owned(),
        hung: false,
    };
    let mut peer = cx.on_peer();
    for id in volume.peer_holds.iter().rev() {
        answered(peer.unmount(name, id).await.map_err(given_up)?)?;
    }
    for id in volume.holds.iter().rev() {
        // A hold that is gone already is fine: only what Remove says counts.
        answered(cx.unmount(name, id).await.map_err(given_up)?)?;
    }
    let removed = answered(cx.remove(name).await.map_err(given_up)?)?;
    if removed.is_ok() {
        return Ok(());
    }
    // It may never have been there. List is asked first: a Get may be slow where there is nothing to get.
    let list = answered(cx.list().await.map_err(given_up)?)?;
    if list.is_ok() && !list.names().contains(&name) {
        return Ok(());
    }
    let get = answered(cx.get(name).await.map_err(given_up)?)?;
    if get.volume().is_none() {
        return Ok(());
    }
    Err(Stays::Refused(removed.describe()))
}

fn answered(answer: Answer) -> Result<Answer, Stays> {
    match answer.wire_error() {
        None => Ok(answer),
        Some(error) => Err(Stays::Silent {
            why: format!("{} {error}", answer.endpoint()),
            hung: error.is_timeout(),
        }),
    }
}
