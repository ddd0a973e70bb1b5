//! Mounts in use while the plugin's process ends and comes back.

use super::End;
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
    for end in End::BOTH {
        old_ids_after(cx, end).await?;
    }
    Ok(())
}

async fn old_ids_after(cx: &mut Cx, end: End) -> CaseResult {
    let (name, first, _) = cx.held_volume().await?;
    let second = cx.id();
    let path = cx.hold(&name, &second).await?;
    let token = match cx.write_token(&path).await {
        Ok(token) => Some(token),
        Err(Halt::Skip(_)) => None,
        Err(halt) => return Err(halt),
    };
    end.restart(cx).await?;
    let alive = match &token {
        Some(token) => cx.check_token(&path, token).await.is_ok(),
        None => false,
    };
    cx.unmount(&name, &first).await?.expect_ok(&format!(
        "Unmount of an ID succeeds that was mounted {}",
        end.before()
    ))?;
    match &token {
        Some(token) if alive => {
            if let Err(instead) = cx.check_token(&path, token).await {
                let expected = format!("the other holder, from {}, keeps the volume", end.before());
                return Err(Finding::new(expected, instead).into());
            }
        }
        Some(_) => cx.note("the mount itself did not outlive the restart (restart.remount)"),
        None => cx.note("whether the other holder keeps the volume cannot be seen from here"),
    }
    cx.unmount(&name, &second).await?.expect_ok(&format!(
        "the other holder, from {}, can unmount, too",
        end.before()
    ))?;
    Ok(())
}
