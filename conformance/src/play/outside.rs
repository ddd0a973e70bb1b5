//! What is none of the plugin's business, and must be as it was whatever was called.

use std::path::PathBuf;

use super::stage::{Stage, Stop};
use crate::model::{Invariant, Violation};
use crate::suite::{Cx, Halt};
use crate::target::{Canary, Target};

/// A tree beside the plugin's own directory, to be left alone.
pub(super) async fn plant(cx: &Cx) -> Option<Canary> {
    let target = cx.target();
    target.files.blindness().is_none().then_some(())?;
    let dir = target.work.join("not-a-volume");
    let planted = target.files.look(move || Canary::plant(&dir));
    planted.await.ok()
}

/// The tree as it was before it was harmed; none where that cannot be had: then it is not looked at any
/// more.
pub(super) async fn mended(cx: &Cx, mut canary: Canary) -> Option<Canary> {
    let mended = cx.target().files.look(move || {
        if canary.harm().is_some() {
            canary.mend()?;
        }
        Ok(canary)
    });
    mended.await.ok()
}

impl Stage<'_> {
    /// Whether what is none of the plugin's business is as it was.
    pub(super) async fn outside(&self) -> Result<(), Stop> {
        let Some(canary) = self.canary else {
            return Ok(());
        };
        let (tree, aim) = (canary.clone(), canary.dir().display());
        let looked = self.cx.target().files.look(move || Ok(tree.harm())).await;
        match looked {
            Ok(None) => Ok(()),
            Ok(Some(harm)) => Err(Violation::new(
                Invariant::Outside,
                format!("these calls leave {aim} alone, which is no volume's"),
                harm,
            )
            .into()),
            Err(error) => Err(Halt::skip(format!("{aim}: {error}")).into()),
        }
    }

    /// Leaves links to what is none of the plugin's business, as a container may, for whoever follows
    /// them. Not all storage has links.
    pub(super) async fn link(&self, target: &Target, place: PathBuf) {
        let Some(canary) = self.canary.filter(|_| target.hostile) else {
            return;
        };
        let (tree, aim) = (canary.clone(), canary.dir().display());
        let linked = target.files.look(move || tree.link_from(&place)).await;
        if linked.is_ok() {
            self.cx.step(format!("made links to {aim} there"));
        }
    }
}
