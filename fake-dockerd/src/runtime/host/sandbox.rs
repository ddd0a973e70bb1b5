//! What a container sees, as arguments of bubblewrap.
//!
//! The root is the container's own directory, which can be written to and stays; on top come the
//! host's programs, read-only, and the container's mounts. Nothing else of the host is there.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use super::user::{CAPABILITIES, User};
use crate::containers::{BoundMount, ContainerFiles};
use crate::runtime::ProcessSpec;

/// Where a host keeps programs and what they need.
const PROGRAMS: [&str; 12] = [
    "bin", "etc", "gnu", "lib", "lib32", "lib64", "libx32", "nix", "opt", "sbin", "sys", "usr",
];
/// What every image has beside programs.
const EMPTY: [&str; 7] = ["home", "mnt", "root", "run", "srv", "tmp", "var"];
/// Anybody may write, and nobody remove what is another's.
const SHARED: u32 = 0o1777;

/// The files that a container starts from.
#[derive(Debug, Clone)]
pub(super) struct Base {
    rootfs: PathBuf,
    /// Directories of the host.
    directories: Vec<&'static str>,
}

impl Base {
    /// Makes what has to be there in the container's own directory.
    pub(super) fn prepare(rootfs: &Path) -> io::Result<Self> {
        fs::create_dir_all(rootfs)?;
        let mut directories = Vec::new();
        for name in PROGRAMS {
            let host = Path::new("/").join(name);
            let Ok(meta) = host.symlink_metadata() else {
                continue;
            };
            if !meta.is_symlink() {
                directories.push(name);
                continue;
            }
            unless_there(symlink(fs::read_link(&host)?, rootfs.join(name)))?;
        }
        for name in EMPTY {
            let directory = rootfs.join(name);
            let is_new = unless_there(fs::create_dir(&directory))?;
            if is_new && name == "tmp" {
                fs::set_permissions(&directory, fs::Permissions::from_mode(SHARED))?;
            }
        }
        Ok(Self {
            rootfs: rootfs.to_owned(),
            directories,
        })
    }

    /// The files as the process will find them, for looking at them beforehand.
    pub(super) fn files(&self, spec: &ProcessSpec) -> ContainerFiles {
        let host = self.directories.iter().map(|name| BoundMount {
            source: format!("/{name}"),
            destination: format!("/{name}"),
            writable: false,
            propagation: String::new(),
        });
        let inner_first = spec.mounts.iter().rev().cloned();
        let mounts = inner_first.chain(host).collect();
        ContainerFiles::new(self.rootfs.clone(), mounts, spec.read_only)
    }

    /// The directory of the host that a mount at `destination` would have to be made in; it is
    /// read-only, and so another one has to take its place.
    fn lacks(&self, destination: &str) -> Option<PathBuf> {
        let mut parts = Path::new(destination).components();
        let first = parts.find(|part| matches!(part, Component::Normal(_)))?;
        let name = first.as_os_str().to_str()?;
        let is_host = PROGRAMS.contains(&name) && Path::new("/").join(name).exists();
        if !is_host || Path::new(destination).exists() {
            return None;
        }
        let mut above = Path::new(destination).ancestors();
        above.find(|path| path.is_dir()).map(Path::to_owned)
    }
}

/// Whether something was made, and was not there before.
fn unless_there(made: io::Result<()>) -> io::Result<bool> {
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true),
    }
}

/// How a sandbox is made on this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rights {
    /// Without root, a user namespace gives what is needed, and maps one user only.
    pub(super) user_namespace: bool,
}

/// The arguments of bubblewrap, up to the command.
pub(super) fn arguments(
    spec: &ProcessSpec,
    base: &Base,
    user: &User,
    environment: &[(String, String)],
    rights: Rights,
) -> Vec<String> {
    let mut arguments = Arguments::default();
    // The command is the first process of its pid namespace, and so is sent only signals that it
    // handles, as in Docker: `sh` does not end on SIGTERM.
    arguments.add(["--unshare-pid", "--as-pid-1"]);
    if spec.survival().is_none() {
        arguments.add(["--die-with-parent"]);
    }
    arguments.add(["--unshare-ipc", "--unshare-uts"]);
    arguments.add(["--hostname", &spec.hostname]);
    if !spec.has_network {
        arguments.add(["--unshare-net"]);
    }
    if rights.user_namespace {
        let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
        arguments.add(["--unshare-user", "--uid", &uid, "--gid", &gid]);
    }
    arguments.add(["--cap-drop", "ALL"]);
    if !rights.user_namespace || user.uid == 0 {
        for capability in CAPABILITIES {
            arguments.add(["--cap-add", &format!("CAP_{capability}")]);
        }
    }
    let rootfs = base.rootfs.display().to_string();
    arguments.add(["--bind", &rootfs, "/"]);
    for name in &base.directories {
        let path = format!("/{name}");
        arguments.add(["--ro-bind", &path, &path]);
    }
    arguments.add(["--proc", "/proc", "--dev", "/dev"]);
    arguments.add_mounts(spec, base);
    arguments.add(["--clearenv"]);
    for (key, value) in environment {
        arguments.add(["--setenv", key, value]);
    }
    if !spec.working_dir.is_empty() {
        if !is_there(&base.files(spec), &spec.working_dir) {
            arguments.add(["--dir", &spec.working_dir]);
        }
        arguments.add(["--chdir", &spec.working_dir]);
    } else {
        arguments.add(["--chdir", "/"]);
    }
    if spec.read_only {
        arguments.add(["--remount-ro", "/"]);
    }
    arguments.0
}

fn is_there(files: &ContainerFiles, path: &str) -> bool {
    files.host_path(path, true).is_ok_and(|path| path.exists())
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn add<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(str::to_owned));
    }

    /// Volumes, binds and tmpfs, outer ones first.
    fn add_mounts(&mut self, spec: &ProcessSpec, base: &Base) {
        let bound = spec.mounts.iter().map(|mount| mount.destination.as_str());
        let tmpfs = spec.tmpfs.iter().map(|mount| mount.destination.as_str());
        let destinations: Vec<&str> = bound.chain(tmpfs).collect();
        let mut opened = Vec::new();
        for destination in &destinations {
            let is_inside =
                |outer: &&str| outer != destination && Path::new(destination).starts_with(outer);
            if destinations.iter().any(is_inside) {
                continue;
            }
            if let Some(directory) = base.lacks(destination)
                && !opened.contains(&directory)
            {
                self.open(&directory);
                opened.push(directory);
            }
        }
        let depth = |destination: &str| destination.matches('/').count();
        let mut tmpfs: Vec<_> = spec.tmpfs.iter().collect();
        tmpfs.sort_by_key(|mount| depth(&mount.destination));
        let mut tmpfs = tmpfs.into_iter().peekable();
        for mount in &spec.mounts {
            while let Some(outer) =
                tmpfs.next_if(|outer| depth(&outer.destination) <= depth(&mount.destination))
            {
                self.add_tmpfs(outer);
            }
            let how = if mount.writable {
                "--bind"
            } else {
                "--ro-bind"
            };
            self.add([how, &mount.source, &mount.destination]);
        }
        for rest in tmpfs {
            self.add_tmpfs(rest);
        }
    }

    fn add_tmpfs(&mut self, mount: &crate::runtime::TmpfsMount) {
        if let Some(size) = mount.size {
            self.add(["--size", &size.to_string()]);
        }
        let mode = format!("{:o}", mount.mode.unwrap_or(SHARED));
        self.add(["--perms", &mode, "--tmpfs", &mount.destination]);
        if mount.read_only {
            self.add(["--remount-ro", &mount.destination]);
        }
    }

    /// Puts an empty directory in the place of a read-only one, with everything that is in it.
    fn open(&mut self, directory: &Path) {
        let path = directory.display().to_string();
        self.add(["--perms", "755", "--tmpfs", &path]);
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path().display().to_string();
            match fs::read_link(entry.path()) {
                Ok(target) => self.add(["--symlink", &target.display().to_string(), &path]),
                Err(_) => self.add(["--ro-bind-try", &path, &path]),
            }
        }
    }
}
