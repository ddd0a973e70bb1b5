//! Finding a command before it is run, so that one that does not exist ends as in Docker.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::containers::ContainerFiles;
use crate::runtime::StartError;

/// Where commands are looked for unless the environment says otherwise, as in moby's
/// `oci.DefaultPathEnv`.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The path of a command in the container, as Go's `exec.LookPath` finds it.
pub(super) fn command(
    command: &str,
    path: &str,
    working_dir: &str,
    files: &ContainerFiles,
) -> Result<String, StartError> {
    if command.is_empty() {
        return Err(StartError::CommandNotFound(String::new()));
    }
    let not_run = |why: &str| StartError::CommandNotRun {
        command: command.to_owned(),
        why: why.to_owned(),
    };
    if command.contains('/') {
        let absolute = std::path::Path::new("/").join(working_dir).join(command);
        let absolute = absolute.display().to_string();
        return match kind(&absolute, files) {
            Kind::Missing => Err(StartError::CommandNotFound(command.to_owned())),
            Kind::Directory => Err(not_run("is a directory")),
            Kind::Data => Err(not_run("permission denied")),
            Kind::Command => Ok(command.to_owned()),
        };
    }
    for directory in path.split(':').filter(|directory| !directory.is_empty()) {
        let candidate = format!("{directory}/{command}");
        if kind(&candidate, files) == Kind::Command {
            return Ok(candidate);
        }
    }
    Err(StartError::CommandNotFound(command.to_owned()))
}

#[derive(PartialEq, Eq)]
enum Kind {
    Missing,
    Directory,
    /// A file that must not be run.
    Data,
    Command,
}

fn kind(path: &str, files: &ContainerFiles) -> Kind {
    let meta = files.host_path(path, true).and_then(fs::metadata);
    match meta {
        Err(_) => Kind::Missing,
        Ok(meta) if meta.is_dir() => Kind::Directory,
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => Kind::Data,
        Ok(_) => Kind::Command,
    }
}
