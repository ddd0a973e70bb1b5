//! A start while the storage is away.

use super::{SHORT, data_are_back, until_healed};
use crate::protocol::Endpoint;
use crate::suite::{CaseResult, Cx, Finding, ensure};

const VOLUMES: usize = 3;

pub(in crate::catalogue) async fn partial(cx: &mut Cx) -> CaseResult {
    let mut volumes = Vec::new();
    for _ in 0..VOLUMES {
        let (name, _, path) = cx.held_volume().await?;
        let token = cx.write_token(&path).await.ok();
        volumes.push((name, token));
    }
    let names: Vec<String> = volumes.iter().map(|(name, _)| name.clone()).collect();
    let dead = names.first().cloned().unwrap_or_default();
    cx.kill_plugin().await?;
    cx.cut_storage(&dead).await?;
    let usual = cx.wait_for_calls(SHORT);
    let seen = start_and_look(cx, &names, &dead).await;
    cx.wait_for_calls(usual);
    cx.restore_storage().await?;
    if !cx.plugin()?.is_running().await {
        // It did not come up: what follows has to, and so have the other cases.
        let _ = cx.plugin()?.start().await;
    }
    seen?;

    for (name, token) in &volumes {
        let id = cx.id();
        let mount = until_healed(cx, Endpoint::Mount, name, &id).await?;
        mount.expect_ok("a volume can be mounted again when its storage is back")?;
        if let Some(token) = token {
            let kept = data_are_back(cx, mount.mountpoint().as_ref(), token).await;
            kept.map_err(|instead| {
                Finding::new("a volume has its data when its storage is back", instead)
            })?;
        }
    }
    Ok(())
}

/// Starts the plugin, which must know all of `names` although the storage of `dead` is not there.
async fn start_and_look(cx: &mut Cx, names: &[String], dead: &str) -> CaseResult {
    cx.step("start of the plugin");
    if let Err(why) = cx.plugin()?.start().await {
        return Err(Finding::new("the plugin starts while its storage is not there", why).into());
    }
    let list = cx.list().await?;
    let listed = list.names();
    let lost: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !listed.contains(name))
        .collect();
    ensure(lost.is_empty() && list.is_ok(), || {
        list.finding(&format!("List shows {}", lost.join(", ")))
    })?;
    for name in names {
        let get = cx.get(name).await?;
        ensure(get.volume().is_some(), || {
            get.finding("Get knows a volume whose storage was not there at the start")
        })?;
    }
    if !cx.cuts_one_volume() {
        return Ok(());
    }
    for name in names.iter().filter(|name| *name != dead) {
        let id = cx.id();
        let mount = cx.mount(name, &id).await?;
        mount.expect_ok(&format!(
            "`{name}` can be mounted while the storage of `{dead}` is not there"
        ))?;
    }
    Ok(())
}
