//! Stand-ins for mount helpers, and a mount namespace to use them in.
//!
//! A stand-in is a shell script of the helper's name. It notes its arguments, looks for the share
//! below a directory that plays the server, and bind-mounts it; or it fails, lies or hangs, as
//! the test says.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};
use tempfile::TempDir;

use super::trials::Skip;

/// A server that is a directory, and the helpers that mount it.
#[derive(Debug)]
pub struct Stage {
    directory: TempDir,
    /// What was mounted before.
    before: Vec<PathBuf>,
}

impl Stage {
    /// Skips without the right to mount.
    pub fn new() -> Result<Self, Skip> {
        // This thread, and with it the processes that it starts, gets mounts of its own.
        unshare(CloneFlags::CLONE_NEWNS).map_err(|_| Skip("mounting needs root".to_owned()))?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let stage = Self {
            directory: tempfile::tempdir().unwrap(),
            before: mount_points(),
        };
        fs::create_dir(stage.server()).unwrap();
        fs::create_dir(stage.bin()).unwrap();
        Ok(stage)
    }

    /// What the server has.
    pub fn server(&self) -> PathBuf {
        self.directory.path().join("server")
    }

    fn bin(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    /// `PATH` with the stand-ins first.
    pub fn search_path(&self) -> String {
        format!(
            "{}:{}",
            self.bin().display(),
            std::env::var("PATH").unwrap()
        )
    }

    /// Puts a stand-in there. In its script `$server`, `$notes` and `$mode` are set.
    pub fn stand_in(&self, program: &str, script: &str) {
        let (server, notes, mode) = (self.server(), self.notes_file(), self.mode_file());
        let text = format!(
            "#!/bin/sh\nserver='{}' notes='{}'\nmode=$(cat '{}' 2>/dev/null)\n\
             for word in {program} \"$@\"; do printf '%s\\n' \"$word\" >>\"$notes\"; done\n\
             case $mode in\n\
             fail) echo '{program}: the server said no' >&2; exit 32 ;;\n\
             lie) exit 0 ;;\n\
             hang) sleep 1000 & echo $! >\"$notes.pid\"; wait ;;\n\
             esac\n{script}\n",
            server.display(),
            notes.display(),
            mode.display(),
        );
        let path = self.bin().join(program);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// How the helpers behave from now on: `""` (well), `fail`, `lie` or `hang`.
    pub fn set_mode(&self, mode: &str) {
        fs::write(self.mode_file(), mode).unwrap();
    }

    /// The program and arguments of all calls so far, one a line; forgotten with the reading.
    pub fn notes(&self) -> Vec<String> {
        let notes = fs::read_to_string(self.notes_file()).unwrap_or_default();
        let _ = fs::remove_file(self.notes_file());
        notes.lines().map(str::to_owned).collect()
    }

    /// The process that a hanging helper has left to wait for.
    pub fn left_behind(&self) -> Option<i32> {
        let path = self.notes_file().with_extension("pid");
        fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    fn notes_file(&self) -> PathBuf {
        self.directory.path().join("notes")
    }

    fn mode_file(&self) -> PathBuf {
        self.directory.path().join("mode")
    }
}

impl Drop for Stage {
    /// A FUSE daemon lives for as long as its mount does, also when the driver was killed.
    fn drop(&mut self) {
        let points = mount_points();
        for point in points
            .iter()
            .rev()
            .filter(|point| !self.before.contains(point))
        {
            let _ = umount2(point, MntFlags::MNT_DETACH);
        }
    }
}

/// The stand-in for helpers with arguments SOURCE POINT, where SOURCE is `host:/path` or
/// `//host/path`.
pub const BIND: &str = r#"source=${1#*:} source=${source#//*/}
[ -d "$server/$source" ] || { echo "mount: mounting $1 failed, no such export" >&2; exit 32; }
case ,$4, in *,ro,*) mount --bind "$server/$source" "$2" && mount -o remount,bind,ro "$2" ;;
*) mount --bind "$server/$source" "$2" ;; esac"#;

/// Whether anything is mounted there, in this thread's namespace.
pub fn is_mounted(path: impl AsRef<Path>) -> bool {
    mount_points().iter().any(|point| point == path.as_ref())
}

fn mount_points() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points.map(PathBuf::from).collect()
}
