//! What the plugin knows and has after a restart.

use super::End;
use crate::suite::{Answer, CaseResult, Cx, Finding, Halt, ensure};

/// How many volumes are made before the plugin is killed.
const VOLUMES: usize = 5;

pub(super) async fn remembers(cx: &mut Cx) -> CaseResult {
    let mut names = Vec::new();
    for _ in 0..VOLUMES {
        names.push(cx.volume().await?);
    }
    let Some(first) = names.first().cloned() else {
        return Ok(());
    };
    // A plugin that takes a repeated Create compares the options with what it remembers.
    let tolerant = cx.create(&first).await?.is_ok();
    let before = cx.list().await?;
    before.step("List succeeds")?;
    for end in End::BOTH {
        end.restart(cx).await?;
        known_still(cx, &names, &before, end).await?;
    }
    if !tolerant {
        cx.note("whether options are remembered cannot be seen: a repeated Create is refused");
        return Ok(());
    }
    if cx.opts_for(&first).is_none() {
        cx.note("whether options are remembered was not judged: there are none (--opt)");
    }
    let again = cx.create(&first).await?;
    ensure(again.is_ok(), || {
        again.finding(
            "Create with the same options is answered as before the restart, with success: the \
             options are remembered",
        )
    })
}

/// After a restart: Get and List know what they knew.
async fn known_still(cx: &mut Cx, names: &[String], before: &Answer, end: End) -> CaseResult {
    for name in names {
        let get = cx.get(name).await?;
        ensure(get.volume().is_some(), || {
            get.finding(&format!("Get knows a volume from {}", end.before()))
        })?;
    }
    let after = cx.list().await?;
    after.step("List succeeds")?;
    let listed = after.names();
    let mut lost = before.names();
    lost.retain(|name| !listed.contains(name));
    ensure(lost.is_empty(), || {
        Finding::new(
            format!("List shows what it showed {}", end.before()),
            format!("List no longer shows {}", lost.join(", ")),
        )
    })
}

pub(super) async fn faithful(cx: &mut Cx) -> CaseResult {
    let mut written = Vec::new();
    for _ in 0..3 {
        let (name, id, path) = cx.held_volume().await?;
        let token = cx.write_token(&path).await?;
        cx.release(&name, &id).await?;
        written.push((name, token));
    }
    // Where data do not even outlive an Unmount, a restart has nothing to add.
    if let Some((name, token)) = written.first() {
        let id = cx.id();
        let path = cx.hold(name, &id).await?;
        let kept = cx.check_token(&path, token).await;
        cx.release(name, &id).await?;
        if let Err(instead) = kept {
            return Err(Halt::skip(format!(
                "data do not even outlive Unmount and Mount: {instead} (mount.data-persists)"
            )));
        }
    }
    for end in End::BOTH {
        end.restart(cx).await?;
        for (name, token) in &written {
            let id = cx.id();
            let path = cx.hold(name, &id).await?;
            if let Err(instead) = cx.check_token(&path, token).await {
                let expected = format!("a volume holds the data from {}", end.before());
                return Err(Finding::new(expected, instead).into());
            }
            cx.release(name, &id).await?;
        }
    }
    Ok(())
}
