//! The tools of the host, and whether they work here.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use super::sandbox::Rights;

/// Why commands cannot be run on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(String);

/// What a command has in common with the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// The session, as a process group of its own.
    Group,
    /// Nothing: the end of the engine's session is not its end.
    Own,
    /// Nothing, and a terminal of its own.
    Terminal,
}

impl Session {
    /// Of something that has a terminal or not.
    pub(super) fn of(tty: bool) -> Self {
        if tty { Self::Terminal } else { Self::Group }
    }
}

/// The tools of the host that make and enter sandboxes.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) bwrap: PathBuf,
    pub(super) nsenter: PathBuf,
    pub(super) setpriv: PathBuf,
    setsid: PathBuf,
}

impl Tools {
    /// Looks for them in `PATH`, and where they usually are.
    pub(super) fn find() -> Result<Self, Unavailable> {
        let tool = |name: &str, package: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let usual = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
            let mut directories = std::env::split_paths(&path).chain(usual);
            let found = directories.find_map(|directory| {
                let file = directory.join(name);
                (file.is_absolute() && file.is_file()).then_some(file)
            });
            found.ok_or_else(|| Unavailable(format!("{package} ({name}) is not installed")))
        };
        Ok(Self {
            bwrap: tool("bwrap", "bubblewrap")?,
            nsenter: tool("nsenter", "util-linux")?,
            setpriv: tool("setpriv", "util-linux")?,
            setsid: tool("setsid", "util-linux")?,
        })
    }

    /// Makes a sandbox with nothing in it.
    pub(super) fn try_sandbox(&self, rights: Rights) -> Result<(), Unavailable> {
        let mut command = Command::new(&self.bwrap);
        if rights.user_namespace {
            command.args(["--unshare-user", "--uid", "0", "--gid", "0"]);
        }
        command.args(["--unshare-pid", "--unshare-uts", "--unshare-ipc"]);
        command.args(["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]);
        command.arg("--").arg(&self.bwrap).arg("--version");
        let cannot = |why: &str| {
            let bwrap = self.bwrap.display();
            Unavailable(format!("{bwrap} cannot make a sandbox here: {why}"))
        };
        let output = command
            .output()
            .map_err(|error| cannot(&error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(cannot(String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// A command of the host.
    pub(super) fn command(&self, words: Vec<String>, session: Session) -> Command {
        let mut words = words.into_iter();
        let mut command = match session {
            Session::Group => Command::new(words.next().unwrap_or_default()),
            Session::Own | Session::Terminal => Command::new(&self.setsid),
        };
        match session {
            // Ctrl-C at the daemon's terminal is the daemon's business.
            Session::Group => {
                command.process_group(0);
            }
            Session::Own => {}
            Session::Terminal => {
                command.arg("--ctty");
            }
        }
        command.args(words);
        command
    }
}
