//! Names that lead out of the plugin's directories: to a canary, or to a place beside them.
//!
//! Where the plugin keeps its volumes is learnt from the mountpoints of two ordinary ones: what
//! both paths begin with is its own, and what lies above is not.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::strange::{AT_MOST, shown};
use crate::catalogue::canary::Canary;
use crate::suite::{CaseResult, Cx, Finding, Halt};

pub(super) async fn no_traversal(cx: &mut Cx) -> CaseResult {
    let root = volume_root(cx).await?;
    let canary = Canary::plant(cx).await?;
    let unique = format!("vp{}", cx.hex(10));
    let mut names = aimed_at(canary.dir(), &unique);
    if root.components().count() > 1 {
        // Beside the plugin's directories, level by level; deeper ones go through a name first.
        for up in [
            "../",
            "../../",
            "../../../",
            "x/../../",
            "x/y/../../../",
            "./../",
            "..//",
        ] {
            names.push(format!("{up}{unique}"));
        }
    }
    cx.note(format!("volumes live below {}", root.display()));
    let mut taken = 0;
    let begun = Instant::now();
    for name in &names {
        if begun.elapsed() > AT_MOST {
            cx.note(format!(
                "calls take long: {} and what follows were left out",
                shown(name)
            ));
            break;
        }
        let create = cx.create_strange(name).await?;
        create.expect_answer(&format!("a Create of {} is answered", shown(name)))?;
        if create.is_ok() {
            taken += 1;
        }
        look(
            cx,
            &canary,
            &root,
            &unique,
            &format!("by a Create of {}", shown(name)),
        )
        .await?;
        let id = cx.id();
        let mount = cx.mount(name, &id).await?;
        mount.expect_answer(&format!("a Mount of {} is answered", shown(name)))?;
        if mount.is_ok() {
            let inside = reaches(cx, mount.mountpoint(), canary.dir()).await;
            if inside {
                cx.unmount(name, &id).await?;
                return Err(Finding::new(
                    "a name mounts nothing but the plugin's own",
                    format!(
                        "Mount of {} answered {}, which leads to the runner's {}",
                        shown(name),
                        mount.mountpoint(),
                        canary.dir().display()
                    ),
                )
                .into());
            }
        }
        look(
            cx,
            &canary,
            &root,
            &unique,
            &format!("by a Mount of {}", shown(name)),
        )
        .await?;
        if mount.is_ok() {
            cx.unmount(name, &id).await?;
        }
        // Also of a name that was refused: Remove must not follow it either.
        cx.remove(name)
            .await?
            .expect_answer(&format!("a Remove of {} is answered", shown(name)))?;
        canary
            .check(cx, &format!("by a Remove of {}", shown(name)))
            .await?;
    }
    cx.note(format!("{taken} of {} names were taken", names.len()));
    Ok(())
}

/// What the mountpoints of ordinary volumes have in common.
async fn volume_root(cx: &mut Cx) -> CaseResult<PathBuf> {
    let (one, first, a) = cx.held_volume().await?;
    let (other, second, b) = cx.held_volume().await?;
    cx.see(&a).await?;
    cx.release(&one, &first).await?;
    cx.release(&other, &second).await?;
    if !a.is_absolute() || !b.is_absolute() || a == b {
        return Err(Halt::skip(format!(
            "where volumes are kept cannot be told from {} and {} (mount.own-path)",
            a.display(),
            b.display()
        )));
    }
    Ok(a.components()
        .zip(b.components())
        .take_while(|(left, right)| left == right)
        .map(|(left, _)| left)
        .collect())
}

/// Names that, followed from anywhere, end in the canary.
fn aimed_at(canary: &Path, unique: &str) -> Vec<String> {
    let absolute = canary.display().to_string();
    // From the root, `..` leads to the root: enough of them fit any depth.
    let far = "../".repeat(24);
    let relative = absolute.trim_start_matches('/');
    let mut names = Vec::new();
    for aim in ["".to_owned(), "/inner".to_owned(), format!("/{unique}")] {
        names.push(format!("{absolute}{aim}"));
        names.push(format!("{far}{relative}{aim}"));
        names.push(format!("x/{far}{relative}{aim}"));
        names.push(format!("./{far}{relative}{aim}"));
        names.push(format!("{}{relative}{aim}", "..//".repeat(24)));
        names.push(format!("//{relative}{aim}"));
    }
    // Decoded once too often, these are names like the ones above.
    names.push(format!("{far}{relative}").replace('/', "%2f"));
    names.push(format!("{far}{relative}").replace("../", "%2e%2e%2f"));
    names.push(format!("{far}{relative}").replace('/', "\\"));
    names
}

/// Ends the case if the canary was touched or something was made beside the plugin's directories.
async fn look(cx: &Cx, canary: &Canary, root: &Path, unique: &str, how: &str) -> CaseResult {
    canary.check(cx, how).await?;
    let beside: Vec<PathBuf> = root
        .ancestors()
        .skip(1)
        .map(|dir| dir.join(unique))
        .collect();
    let made = cx
        .target()
        .files
        .look(move || {
            Ok(beside
                .into_iter()
                .find(|path| std::fs::symlink_metadata(path).is_ok()))
        })
        .await
        .unwrap_or_default();
    match made {
        None => Ok(()),
        Some(path) => Err(Finding::new(
            format!("a name makes nothing outside of {}", root.display()),
            format!("{} was made {how}", path.display()),
        )
        .into()),
    }
}

/// Whether `mountpoint` shows the canary.
async fn reaches(cx: &Cx, mountpoint: &str, canary: &Path) -> bool {
    let (path, canary) = (PathBuf::from(mountpoint), canary.to_owned());
    cx.target()
        .files
        .look(move || {
            let real = path.canonicalize()?;
            // A bind mount has a path of its own, and the canary's files in it.
            Ok(real.starts_with(&canary) || path.join(".volplug-canary").exists())
        })
        .await
        .unwrap_or(false)
}
