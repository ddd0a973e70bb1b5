//! Making a volume's directory: built in staging, put in place by one rename.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{DATA, copy, note, options::Plan};
use crate::{
    backend::Spec,
    error::{Error, ErrorKind, Quoted},
    root::DataRoot,
};

/// What Docker's own local driver gives a volume: everybody may enter, only root may write.
const DEFAULT_MODE: u32 = 0o755;

/// Makes the directory of a volume that no record knows.
pub(super) fn provision(root: &DataRoot, spec: &Spec, plan: &Plan) -> Result<(), Error> {
    let staged = root.staging().join(unique());
    let built = build(&staged, spec, plan).and_then(|()| {
        put_in_place(root, &staged, spec).map_err(|cause| match cause.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => Error::new(
                ErrorKind::Conflict,
                "its directory is there already: another host makes it at this moment, or somebody put one there that is no volume",
            ),
            _ => Error::internal("put it in place", cause),
        })
    });
    if built.is_err()
        && let Err(error) = fs::remove_dir_all(&staged)
        && error.kind() != io::ErrorKind::NotFound
    {
        // Staging is emptied at the next start.
        tracing::warn!(path = %staged.display(), %error, "cannot remove a directory that was not finished");
    }
    built
}

fn build(staged: &Path, spec: &Spec, plan: &Plan) -> Result<(), Error> {
    let failed = |cause: io::Error| Error::internal("make its directory", cause);
    let data = staged.join(DATA);
    let mut private = DirBuilder::new();
    private.mode(0o700);
    private
        .create(staged)
        .and_then(|()| private.create(&data))
        .map_err(failed)?;
    note::write(staged, spec).map_err(failed)?;
    match &plan.from {
        Some(source) => {
            copy::copy_tree(source, &data)
                .map_err(|cause| Error::invalid_option("from", format!("cannot copy {cause}")))?;
        }
        None => set_mode(&data, DEFAULT_MODE).map_err(failed)?,
    }
    if plan.uid.is_some() || plan.gid.is_some() {
        let option = if plan.uid.is_some() { "uid" } else { "gid" };
        chown(&data, plan.uid, plan.gid).map_err(|cause| {
            Error::invalid_option(option, format!("cannot change the owner: {cause}"))
        })?;
    }
    // After chown, which clears set-uid and set-gid bits.
    if let Some(mode) = plan.mode {
        set_mode(&data, mode).map_err(failed)?;
    }
    if plan.from.is_some() {
        // One call for however many files; each of them would cost a wait for the disk.
        File::open(&data)
            .and_then(|directory| Ok(nix::unistd::syncfs(directory)?))
            .map_err(|cause| Error::internal("write its data to disk", cause))?;
    }
    Ok(())
}

fn put_in_place(root: &DataRoot, staged: &Path, spec: &Spec) -> io::Result<()> {
    let volumes = root.volumes();
    let target = volumes.join(&spec.key);
    // On a shared data root it is another host's volume, and the rename fails.
    if root.host().is_none() && fs::symlink_metadata(&target).is_ok() {
        clear_the_way(root, &target, spec)?;
    }
    fs::rename(staged, &target)?;
    File::open(&volumes)?.sync_all()
}

/// A directory without a record: left by a Create that was never answered, or put there by
/// somebody. The new volume must not inherit what is in it. An empty one goes; one with data is
/// kept apart, for nobody has asked to delete them.
fn clear_the_way(root: &DataRoot, target: &Path, spec: &Spec) -> io::Result<()> {
    let data = target.join(DATA);
    let empty = fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_none());
    if empty {
        return fs::remove_dir_all(target);
    }
    let aside = root.set_aside();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&aside)?;
    let aside = aside.join(format!("{}.{}", unique(), spec.key));
    fs::rename(target, &aside)?;
    tracing::warn!(
        volume = %Quoted(&spec.name), path = %aside.display(),
        "a directory of this name existed without a volume; its data were set aside"
    );
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// A name that no other call uses, in this run or an earlier one.
pub(in crate::backend) fn unique() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let nanos = jiff::Timestamp::now().as_nanosecond();
    format!("{nanos:x}-{:x}", COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// When [`unique`] has made this name.
pub(in crate::backend) fn made_at(name: &str) -> Option<jiff::Timestamp> {
    let (nanos, _) = name.split_once('-')?;
    let nanos = i128::from_str_radix(nanos, 16).ok()?;
    jiff::Timestamp::from_nanosecond(nanos).ok()
}
