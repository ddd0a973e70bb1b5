//! Another volume, to compare an observed one with: what it does was asked for plainly and once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
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

/// How long a release may take before it is compared with another volume's.
const AT_ONCE: Duration = Duration::from_millis(500);

/// How much longer it may take than the other volume's.
const LATER: Duration = Duration::from_secs(2);

/// What became of mounts that nobody holds any more.
pub(super) enum Release {
    /// They are gone.
    Done,
    /// Another volume's stay as long: this plugin releases too late, if at all, for a leak to be told
    /// from a delay.
    Late,
    /// This one stays, and another volume's was gone after `took`.
    Leak { left: PathBuf, took: Duration },
}

/// Whether the mounts at `paths` go away, as they should at once or at least when another volume's do.
pub(super) async fn released(cx: &mut Cx, paths: &BTreeSet<PathBuf>) -> CaseResult<Release> {
    let Some(left) = still_mounted(cx, paths, AT_ONCE).await? else {
        return Ok(Release::Done);
    };
    let Some(compared) = Compared::with_another(cx).await? else {
        cx.note("mounts are released later than could be waited for here");
        return Ok(Release::Late);
    };
    if still_mounted(cx, paths, LATER).await?.is_none() {
        return Ok(Release::Done);
    }
    let took = compared.took;
    Ok(Release::Leak { left, took })
}

/// A path that is still a mount after `limit`.
async fn still_mounted(
    cx: &Cx,
    paths: &BTreeSet<PathBuf>,
    limit: Duration,
) -> CaseResult<Option<PathBuf>> {
    for path in paths {
        if wait_until(limit, || Ok(!cx.is_mounted(path)?))
            .await?
            .is_none()
        {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
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
