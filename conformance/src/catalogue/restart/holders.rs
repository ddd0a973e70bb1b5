//! Mounts in use while the plugin's process ends and comes back.

use crate::suite::{CaseResult, Cx, Finding, Halt};

pub(super) async fn remount(cx: &mut Cx) -> CaseResult {
    let (name, _, path) = cx.held_volume().await?;
    let token = cx.write_token(&path).await?;
    cx.restart_plugin().await?;
    let Err(instead) = cx.check_token(&path, &token).await else {
        return Ok(());
    };
    cx.step(format!("looked into {}: {instead}", path.display()));
    let id = cx.id();
    let expected =
        "a volume that was in use is usable after the restart, at least after another Mount";
    let mount = cx.mount(&name, &id).await?;
    mount.expect_ok(expected)?;
    let healed = std::path::PathBuf::from(mount.mountpoint());
    match cx.check_token(&healed, &token).await {
        Ok(()) => {
            cx.note(format!(
                "the mount was dead after the restart ({instead}); Mount healed it"
            ));
            Ok(())
        }
        Err(still) => Err(Finding::new(
            expected,
            format!("after the restart: {instead}; after Mount: {still}"),
        )
        .into()),
    }
}

pub(super) async fn old_ids(cx: &mut Cx) -> CaseResult {
    let (name, first, _) = cx.held_volume().await?;
    let second = cx.id();
    let path = cx.hold(&name, &second).await?;
    let token = match cx.write_token(&path).await {
        Ok(token) => Some(token),
        Err(Halt::Skip(_)) => None,
        Err(halt) => return Err(halt),
    };
    cx.restart_plugin().await?;
    let alive = match &token {
        Some(token) => cx.check_token(&path, token).await.is_ok(),
        None => false,
    };
    cx.unmount(&name, &first)
        .await?
        .expect_ok("Unmount of an ID that was mounted before the restart succeeds")?;
    match &token {
        Some(token) if alive => {
            if let Err(instead) = cx.check_token(&path, token).await {
                return Err(Finding::new(
                    "the other holder from before the restart keeps the volume",
                    instead,
                )
                .into());
            }
        }
        Some(_) => cx.note("the mount itself did not outlive the restart (restart.remount)"),
        None => cx.note("whether the other holder keeps the volume cannot be seen from here"),
    }
    cx.unmount(&name, &second)
        .await?
        .expect_ok("the other holder from before the restart can unmount, too")?;
    Ok(())
}
