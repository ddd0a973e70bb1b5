//! What only the running plugin shows.

use std::time::Duration;

use crate::suite::{CaseResult, Cx, Finding, ensure};

/// dockerd looks for the socket 0.5 s after the start, and then three times, every 3 s
/// (`pluginPostStart` of `daemon/pkg/plugin/manager_linux.go`).
const TRIES: Duration = Duration::from_millis(9500);

pub(super) async fn starts(cx: &mut Cx) -> CaseResult {
    cx.volume().await?;
    cx.kill_plugin().await?;
    let took = cx.start_plugin_only().await?;
    ensure(took < TRIES, || {
        Finding::new(
            "the socket takes connections within 9.5 s of the start",
            format!("it took {} ms", took.as_millis()),
        )
    })
}

pub(super) async fn state_outside(cx: &mut Cx) -> CaseResult {
    let config = cx.bundle()?.config();
    let mut mounts = config.mounts.iter();
    let writable = mounts.any(|mount| !mount.options.iter().any(|option| option == "ro"));
    ensure(writable || !config.propagated_mount.is_empty(), || {
        Finding::new(
            "config.json declares a place outside of the rootfs where the plugin can write",
            "it has neither propagatedMount nor a mount that can be written",
        )
    })
}

pub(super) async fn survives_restart(cx: &mut Cx) -> CaseResult {
    let (name, id, _) = cx.held_volume().await?;
    cx.kill_plugin().await?;
    // A managed plugin is never activated.
    cx.start_plugin_only().await?;
    let get = cx.get(&name).await?;
    ensure(get.volume().is_some(), || {
        get.finding("Get knows a volume that was made before the plugin crashed")
    })?;
    cx.unmount(&name, &id)
        .await?
        .expect_ok("Unmount of an ID succeeds that was held before the plugin crashed")?;
    cx.remove(&name)
        .await?
        .expect_ok("Remove of a volume succeeds that nobody holds any more")?;
    Ok(())
}
