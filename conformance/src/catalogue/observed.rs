//! A volume, who holds it, and what can be seen of its being mounted.
//!
//! From outside, "mounted" shows in three places at most: in the kernel's mount table, if the
//! mountpoint was there after Mount; in a file written through the mountpoint, if it can be looked
//! into; and in Remove, if the plugin refuses it for a volume that is held. Which of them there
//! are is learnt from the first Mount. What cannot be seen is never held against the plugin.
//!
//! A mount may be released late. So one that is still there is compared with that of another
//! volume, mounted and unmounted just once and after it: only if that one is gone is the first a
//! leak.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::compared::{Compared, Release, guards, released};
use super::volume_steps::{kernel_mount, remove_refused, stuck};
use crate::protocol::Endpoint;
use crate::suite::{CaseResult, Cx, Finding, Halt, Harm, Level, Token};

/// A volume under observation.
#[derive(Debug)]
pub(super) struct Observed {
    /// Its name.
    pub(super) name: String,
    holders: Vec<Holder>,
    /// Mountpoints that were kernel mounts at some time.
    real_paths: BTreeSet<PathBuf>,
    tokens: Vec<Token>,
    can_write: bool,
    /// Whether the plugin refuses to remove a volume that is held; asked only where the kernel
    /// shows nothing.
    guarded: bool,
    /// Every ID used, in the order of its first use: its letter is what findings call it.
    ids: Vec<String>,
    history: String,
    /// The plugin releases too late, if at all, for a leak to be told from a delay.
    late: bool,
}

/// One successful Mount that was not followed by its Unmount.
#[derive(Debug)]
struct Holder {
    id: String,
    path: PathBuf,
    /// Where the kernel shows it.
    real: Option<PathBuf>,
}

impl Observed {
    /// A new volume that nobody holds.
    pub(super) async fn volume(cx: &mut Cx) -> CaseResult<Self> {
        let name = cx.volume().await?;
        Ok(Self::of(name))
    }

    /// A volume that exists, and that nobody holds.
    pub(super) const fn of(name: String) -> Self {
        Self {
            name,
            holders: Vec::new(),
            real_paths: BTreeSet::new(),
            tokens: Vec::new(),
            can_write: true,
            guarded: false,
            ids: Vec::new(),
            history: String::new(),
            late: false,
        }
    }

    /// The mountpoint of the holder who came first.
    pub(super) fn path(&self) -> CaseResult<&Path> {
        self.holders
            .first()
            .map(|holder| holder.path.as_path())
            .ok_or_else(|| Halt::skip("nobody holds the volume"))
    }

    // ---- Mount and Unmount -------------------------------------------------------------------

    /// Mount, as a step: a failure is explained by the rule that it breaks.
    pub(super) async fn hold(&mut self, cx: &mut Cx, id: &str) -> CaseResult {
        let answer = cx.mount(&self.name, id).await?;
        if self.holders.is_empty() {
            answer.step("Mount of an existing volume succeeds")?;
        } else if !answer.is_ok() {
            let again = self.holders.iter().any(|holder| holder.id == id);
            return Err(if again {
                stuck(
                    &answer,
                    "a second Mount with the same ID succeeds",
                    "ref.same-id-twice",
                )
            } else {
                stuck(
                    &answer,
                    "a second Mount of a volume succeeds",
                    "ref.same-volume-twice",
                )
            });
        }
        if answer.mountpoint().is_empty() {
            return Err(stuck(&answer, "Mount names a mountpoint", "mount.usable"));
        }
        self.held(cx, id, answer.mountpoint()).await
    }

    /// Mount, where the case's own rule is that it succeeds.
    pub(super) async fn mount(&mut self, cx: &mut Cx, id: &str) -> CaseResult {
        let answer = cx.mount(&self.name, id).await?;
        let what = format!("Mount succeeds{}", self.afterwards());
        answer.expect_ok(&what)?;
        if answer.mountpoint().is_empty() {
            return Err(stuck(&answer, "Mount names a mountpoint", "mount.usable"));
        }
        self.held(cx, id, answer.mountpoint()).await
    }

    /// Takes note of a Mount that succeeded.
    pub(super) async fn held(&mut self, cx: &mut Cx, id: &str, path: &str) -> CaseResult {
        let path = PathBuf::from(path);
        let real = kernel_mount(cx, &path).await?;
        let first = self.history.is_empty();
        let letter = self.letter(id);
        let _ = write!(self.history, " Mount({letter})");
        if first && real.is_none() {
            self.guarded = guards(cx).await?;
        }
        self.real_paths.extend(real.clone());
        self.holders.push(Holder {
            id: id.to_owned(),
            path,
            real,
        });
        Ok(())
    }

    /// Unmount, as a step.
    pub(super) async fn release(&mut self, cx: &mut Cx, id: &str) -> CaseResult {
        cx.release(&self.name, id).await?;
        self.forget(id);
        Ok(())
    }

    /// Unmount, where the case's own rule is that it succeeds.
    pub(super) async fn unmount(&mut self, cx: &mut Cx, id: &str) -> CaseResult {
        let answer = cx.unmount(&self.name, id).await?;
        let what = format!(
            "Unmount of an ID that holds the volume succeeds{}",
            self.afterwards()
        );
        answer.expect_ok(&what)?;
        self.forget(id);
        Ok(())
    }

    /// Takes note of an Unmount that succeeded.
    pub(super) fn forget(&mut self, id: &str) {
        let letter = self.letter(id);
        let _ = write!(self.history, " Unmount({letter})");
        if let Some(at) = self.holders.iter().rposition(|holder| holder.id == id) {
            self.holders.remove(at);
        }
    }

    /// Unmount of the holder who came last.
    pub(super) async fn unmount_newest(&mut self, cx: &mut Cx) -> CaseResult {
        match self.holders.last() {
            Some(holder) => {
                let id = holder.id.clone();
                self.unmount(cx, &id).await
            }
            None => Ok(()),
        }
    }

    /// From here on nobody counts as a holder, though the plugin may think so.
    pub(super) fn forget_all(&mut self) {
        self.holders.clear();
    }

    /// Takes note of something that happened to the volume.
    pub(super) fn remember(&mut self, what: &str) {
        let _ = write!(self.history, " {what}");
    }

    // ---- looking -----------------------------------------------------------------------------

    /// Writes a file through the mountpoint of the holder who came last, where that can be done.
    /// From now on every look looks for it.
    pub(super) async fn write(&mut self, cx: &mut Cx) -> CaseResult {
        let Some(holder) = self.holders.last().filter(|_| self.can_write) else {
            return Ok(());
        };
        match cx.write_token(&holder.path).await {
            Ok(token) => self.tokens.push(token),
            Err(Halt::Skip(_)) => self.can_write = false,
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Sees to it that what should be mounted is, with its data, for every holder; and that what
    /// nobody holds is released.
    pub(super) async fn check(&mut self, cx: &mut Cx) -> CaseResult {
        if self.holders.is_empty() {
            return self.check_released(cx).await;
        }
        let expected = || {
            let left = match self.holders.len() {
                1 => "one holder is".to_owned(),
                more => format!("{more} holders are"),
            };
            format!(
                "the volume is mounted, with its data, while {left} left{}",
                self.afterwards()
            )
        };
        for holder in &self.holders {
            if let Some(real) = &holder.real
                && !cx.is_mounted(real)?
            {
                let actual = format!("nothing is mounted at {} any more", real.display());
                return Err(Finding::new(expected(), actual).into());
            }
            for token in &self.tokens {
                if let Err(actual) = cx.check_token(&holder.path, token).await {
                    return Err(hidden(expected(), actual));
                }
            }
        }
        if self.guarded && !remove_refused(cx, &self.name).await? {
            let expected = format!(
                "Remove is refused while the volume is held{}, as it is for a volume that is \
                 mounted once",
                self.afterwards()
            );
            return Err(Finding::new(expected, "Remove removed it")
                .at(Level::Should)
                .into());
        }
        Ok(())
    }

    /// Sees to it that the holder who came last has a mount with the data, whatever the others have.
    pub(super) async fn check_newest(&self, cx: &mut Cx) -> CaseResult {
        let Some(holder) = self.holders.last() else {
            return Ok(());
        };
        let expected = || format!("Mount really mounts the volume{}", self.afterwards());
        if !self.real_paths.is_empty() && holder.real.is_none() {
            let actual = format!(
                "Mount answered {}, and nothing is mounted there",
                holder.path.display()
            );
            return Err(Finding::new(expected(), actual).into());
        }
        for token in &self.tokens {
            if let Err(actual) = cx.check_token(&holder.path, token).await {
                return Err(hidden(expected(), actual));
            }
        }
        Ok(())
    }

    async fn check_released(&mut self, cx: &mut Cx) -> CaseResult {
        if self.late {
            return Ok(());
        }
        match released(cx, &self.real_paths).await? {
            Release::Done => Ok(()),
            Release::Late => {
                self.late = true;
                Ok(())
            }
            Release::Leak { left, took } => Err(self.leak(format!(
                "{} is still mounted; another volume, mounted once and later, was released within \
                 {} ms",
                left.display(),
                took.as_millis()
            ))),
        }
    }

    /// The end of the volume, which every holder has released: Docker removes it.
    pub(super) async fn finish(mut self, cx: &mut Cx) -> CaseResult {
        self.check_released(cx).await?;
        let answer = cx.remove(&self.name).await?;
        if answer.is_ok() {
            return Ok(());
        }
        let what = "Remove of a volume that nobody holds any more succeeds";
        let refused = Halt::Setup(Endpoint::Remove, Box::new(answer.finding(what)));
        // It may only be late; then another volume is no sooner removable.
        let Some(other) = Compared::with_another(cx).await? else {
            return Err(refused);
        };
        if remove_refused(cx, &other.name).await? {
            return Err(refused);
        }
        let again = cx.remove(&self.name).await?;
        if again.is_ok() {
            return Ok(());
        }
        Err(self.leak(again.describe()))
    }

    /// Keeps a remark if the volume is still mounted where that is the plugin's right.
    pub(super) async fn note_leak(&self, cx: &mut Cx) -> CaseResult {
        for path in &self.real_paths {
            if cx.is_mounted(path)? {
                cx.note(format!(
                    "{} stays mounted after the crash of the daemon: one hold is left that nobody \
                     will release",
                    path.display()
                ));
            }
        }
        Ok(())
    }

    fn leak(&self, actual: String) -> Halt {
        let expected = format!(
            "the volume is released once every Mount has had its Unmount{}",
            self.afterwards()
        );
        Finding::new(expected, actual)
            .then(
                "the mount stays for ever: the volume cannot be removed, nor its storage detached, \
                 until the plugin or the host is restarted",
            )
            .harming(Harm::Leak)
            .into()
    }

    fn letter(&mut self, id: &str) -> char {
        let known = self.ids.iter().position(|known| known == id);
        let at = known.unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.ids.len() - 1
        });
        u8::try_from(at)
            .ok()
            .and_then(|at| b'a'.checked_add(at))
            .map_or('?', char::from)
    }

    fn afterwards(&self) -> String {
        if self.history.is_empty() {
            String::new()
        } else {
            format!(", after{}", self.history)
        }
    }
}

/// A finding about a file that is not where it was written. A mount that came after its answer hides
/// what was written meanwhile.
fn hidden(expected: String, actual: String) -> Halt {
    let finding = Finding::new(expected, actual);
    finding.because("mount.visible").into()
}
