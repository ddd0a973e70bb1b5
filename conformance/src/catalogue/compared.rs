//! Another volume, to compare an observed one with: what it does was asked for plainly and once.

use std::path::Path;
use std::time::Duration;

use super::volume_steps::{kernel_mount, remove_refused, wait_until};
use crate::suite::{CaseResult, Cx, Halt};

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

/// Whether the plugin refuses to remove a volume that is held, keeps it whole, and removes it
/// afterwards: then a refusal shows that the plugin counts a holder, and asking does no harm.
pub(super) async fn guards(cx: &mut Cx) -> CaseResult<bool> {
    cx.step("does Remove tell whether a volume is held? Tried on another volume");
    let (name, id, path) = cx.held_volume().await?;
    let token = match cx.write_token(&path).await {
        Ok(token) => Some(token),
        Err(Halt::Skip(_)) => None,
        Err(other) => return Err(other),
    };
    if !remove_refused(cx, &name).await? || !cx.unmount(&name, &id).await?.is_ok() {
        return Ok(false);
    }
    let next = cx.id();
    let again = cx.mount(&name, &next).await?;
    if !again.is_ok() {
        return Ok(false);
    }
    if let Some(token) = token {
        let path = Path::new(again.mountpoint());
        if cx.check_token(path, &token).await.is_err() {
            return Ok(false);
        }
    }
    Ok(cx.unmount(&name, &next).await?.is_ok() && !remove_refused(cx, &name).await?)
}
