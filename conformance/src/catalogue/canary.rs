//! Canaries in cases: a hostile case aims at one of them, and only at it, and looks afterwards whether
//! it is as it was.

use std::path::Path;

use crate::suite::{CaseResult, Cx, Finding, Halt};
use crate::target;

/// A tree that must stay as it is.
#[derive(Debug)]
pub(super) struct Canary(target::Canary);

impl Canary {
    /// Plants a tree in the run's own directory.
    pub(super) async fn plant(cx: &mut Cx) -> CaseResult<Self> {
        let name = format!("canary-{}", cx.hex(8));
        let dir = cx.target().work.join(name);
        let planted = dir.clone();
        let files = &cx.target().files;
        let canary = files.look(move || target::Canary::plant(&planted)).await;
        let canary = canary.map_err(|error| Halt::skip(format!("{}: {error}", dir.display())))?;
        cx.step(format!("made {} with files in it", dir.display()));
        Ok(Self(canary))
    }

    /// The tree's directory.
    pub(super) fn dir(&self) -> &Path {
        self.0.dir()
    }

    /// The tree itself.
    pub(super) const fn tree(&self) -> &target::Canary {
        &self.0
    }

    /// Ends the case unless the tree is as it was; `when` fits behind the harm done.
    pub(super) async fn check(&self, cx: &Cx, when: &str) -> CaseResult {
        let canary = self.0.clone();
        let harm = match cx.target().files.look(move || Ok(canary.harm())).await {
            Ok(None) => return Ok(()),
            Ok(Some(harm)) => harm,
            Err(error) => format!("{}: {error}", self.dir().display()),
        };
        Err(Finding::new(
            format!("nothing below {} is touched", self.dir().display()),
            format!("{harm} {when}"),
        )
        .into())
    }
}
