//! Another volume, to compare an observed one with: what it does was asked for plainly and once.

use std::time::Duration;

use super::volume_steps::{kernel_mount, remove_refused, wait_until};
use crate::suite::{CaseResult, Cx};

/// How long its release may take.
const LATEST: Duration = Duration::from_secs(2);

/// Another volume that was mounted and unmounted once.
pub(super) struct Compared {
    /// Its name.
    pub(super) name: String,
    /// How long its release took.
    pub(super) took: Duration,
}

impl Compared {
    /// Mounts and unmounts another volume; `None` if that one is not released either.
    pub(super) async fn with_another(cx: &mut Cx) -> CaseResult<Option<Self>> {
        cx.step("to compare, another volume is mounted and unmounted once");
        let (name, id, path) = cx.held_volume().await?;
        let real = kernel_mount(cx, &path).await?;
        cx.release(&name, &id).await?;
        let took = match real {
            Some(real) => wait_until(LATEST, || Ok(!cx.is_mounted(&real)?)).await?,
            None => Some(Duration::ZERO),
        };
        Ok(took.map(|took| Self { name, took }))
    }
}

/// Whether the plugin refuses to remove a volume that is held, keeps it usable, and removes it
/// afterwards: then a refusal shows that the plugin counts a holder.
pub(super) async fn guards(cx: &mut Cx) -> CaseResult<bool> {
    cx.step("does Remove tell whether a volume is held? Tried on another volume");
    let (name, id, _) = cx.held_volume().await?;
    if !remove_refused(cx, &name).await? {
        return Ok(false);
    }
    if !cx.unmount(&name, &id).await?.is_ok() {
        return Ok(false);
    }
    Ok(!remove_refused(cx, &name).await?)
}
