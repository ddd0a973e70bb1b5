//! Running the programs that mount storage.
//!
//! Programs get their arguments as a list, an environment of their own with nothing of the
//! driver's in it but `PATH`, and a process group of their own, which is killed as a whole when
//! the time is up. What they print becomes one readable line.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    task::JoinHandle,
    time::timeout,
};

use crate::error::{Error, ErrorKind};

/// Where helpers are found when the driver's own `PATH` lacks the system directories.
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What is kept of a helper's output, in bytes; errors come last, so the end counts.
const KEPT_BYTES: usize = 8 << 10;
/// What a message quotes of it.
const SHOWN_CHARS: usize = 400;
/// How long to wait for output after the program has ended: a daemon that it started may hold
/// the pipes open for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A program to run once.
#[derive(Debug)]
pub(crate) struct Helper {
    program: &'static str,
    /// The Debian package that has it, for the message when it is missing.
    package: &'static str,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    /// Texts that must not be quoted from its output.
    secrets: Vec<String>,
}

impl Helper {
    pub(crate) fn new(program: &'static str, package: &'static str) -> Self {
        Self {
            program,
            package,
            arguments: Vec::new(),
            environment: Vec::new(),
            secrets: Vec::new(),
        }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    /// What must not be repeated even if the program prints it.
    pub(crate) fn hiding(mut self, secret: impl Into<String>) -> Self {
        let secret = secret.into();
        if !secret.is_empty() {
            self.secrets.push(secret);
        }
        self
    }

    /// The arguments, for tests of what a backend would run.
    #[cfg(test)]
    pub(crate) fn shown(&self) -> Vec<String> {
        let shown = |text: &OsString| text.to_string_lossy().into_owned();
        std::iter::once(self.program.to_owned())
            .chain(self.arguments.iter().map(shown))
            .collect()
    }

    /// Whether the program is installed.
    pub(crate) fn is_installed(program: &str) -> bool {
        env::split_paths(&search_path()).any(|directory| directory.join(program).is_file())
    }

    /// Runs the program to its end; its standard output is the result.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] with the program's own words when it fails, and when it takes
    /// longer than `limit`.
    pub(crate) async fn run(self, limit: Duration) -> Result<String, Error> {
        let mut command = Command::new(self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", search_path())
            .env("LC_ALL", "C")
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut child = command.spawn().map_err(|error| self.not_started(&error))?;
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        let output = child.stdout.take().map(Listening::start);
        let errors = child.stderr.take().map(Listening::start);
        let ended = timeout(limit, child.wait()).await;
        if ended.is_err() {
            if let Some(group) = group {
                // Gone already is as good as killed.
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            // In the kernel on behalf of a dead server it may outlive its killing for a while.
            let _ = timeout(LAST_WORDS, child.wait()).await;
        }
        let output = heard(output).await;
        let errors = heard(errors).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(output),
            Ok(Ok(status)) => Err(self.failed(&how(status), &errors, &output)),
            Ok(Err(error)) => Err(self.not_started(&error)),
            Err(_) => {
                let how = format!(
                    "did not end within {} s and was killed",
                    limit.as_secs_f32()
                );
                Err(self.failed(&how, &errors, &output))
            }
        }
    }

    fn not_started(&self, error: &io::Error) -> Error {
        let Self {
            program, package, ..
        } = self;
        let message = if error.kind() == io::ErrorKind::NotFound {
            format!(
                "{program} is not installed where the driver runs; Debian has it in the package {package}"
            )
        } else {
            format!("{program} cannot be run: {error}")
        };
        Error::new(ErrorKind::Unavailable, message)
    }

    fn failed(&self, how: &str, errors: &str, output: &str) -> Error {
        let said = if errors.trim().is_empty() {
            output
        } else {
            errors
        };
        let said = one_line(said, &self.secrets);
        let program = self.program;
        let message = if said.is_empty() {
            format!("{program} {how} and said nothing")
        } else {
            format!("{program} {how}: {said}")
        };
        Error::new(ErrorKind::Unavailable, message)
    }
}

fn how(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("failed (status {code})"),
        None => format!("failed ({status})"),
    }
}

fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(SYSTEM_PATH);
    path
}

/// A program's output as one short line without its secrets.
pub(crate) fn one_line(said: &str, secrets: &[String]) -> String {
    let mut said = said.to_owned();
    for secret in secrets {
        said = said.replace(secret.as_str(), crate::secret::REDACTED);
    }
    let lines: Vec<_> = said
        .split(['\n', '\r'])
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect();
    let line: String = lines
        .join("; ")
        .chars()
        .filter(|char| !char.is_control())
        .collect();
    let excess = line.chars().count().saturating_sub(SHOWN_CHARS);
    if excess == 0 {
        line
    } else {
        // The reason comes last.
        format!("…{}", line.chars().skip(excess).collect::<String>())
    }
}

/// Someone who reads a pipe as long as anything comes.
struct Listening {
    heard: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Listening {
    fn start(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut piece = [0; 4096];
            while let Ok(read) = pipe.read(&mut piece).await {
                if read == 0 {
                    return;
                }
                let mut heard = shared.lock().unwrap_or_else(PoisonError::into_inner);
                heard.extend_from_slice(piece.get(..read).unwrap_or_default());
                let excess = heard.len().saturating_sub(KEPT_BYTES);
                heard.drain(..excess);
            }
        });
        Self { heard, task }
    }
}

async fn heard(listening: Option<Listening>) -> String {
    let Some(Listening { heard, mut task }) = listening else {
        return String::new();
    };
    if timeout(LAST_WORDS, &mut task).await.is_err() {
        task.abort();
    }
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&heard).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Helper {
        // The tests need a program that does as it is told; the driver itself runs no shell.
        Helper::new("sh", "dash").arg("-c").arg(script)
    }

    #[tokio::test]
    async fn output_is_returned_and_failure_is_told_on_one_line() {
        assert_eq!(
            shell("echo out; echo err >&2").run(LONG).await.unwrap(),
            "out\n"
        );
        let error = shell("echo '  no   such'; printf 'share\\n\\nmy-pass-word\\n' >&2; exit 32")
            .hiding("pass-word")
            .run(LONG)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "sh failed (status 32): share; my-REDACTED"
        );
        let error = shell("echo only this; exit 1").run(LONG).await.unwrap_err();
        assert_eq!(error.to_string(), "sh failed (status 1): only this");
        let error = shell("exit 1").run(LONG).await.unwrap_err();
        assert_eq!(error.to_string(), "sh failed (status 1) and said nothing");
    }

    #[tokio::test]
    async fn the_whole_group_is_killed_when_time_is_up() {
        let directory = tempfile::tempdir().unwrap();
        let pid_file = directory.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", pid_file.display());
        let error = shell(&script)
            .run(Duration::from_millis(300))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("was killed"), "{error}");
        let pid: i32 = std::fs::read_to_string(&pid_file)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        // An orphan that was killed is reaped by init or stays a zombie.
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        while !gone() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_daemon_that_keeps_the_pipes_open_is_not_waited_for() {
        let output = shell("echo ready; (exec sleep 3) & exit 0").run(LONG).await;
        assert_eq!(output.unwrap(), "ready\n");
    }

    #[tokio::test]
    async fn the_environment_of_the_driver_is_not_passed_on() {
        let output = shell("env | cut -d= -f1 | sort").run(LONG).await.unwrap();
        let seen: Vec<_> = output
            .lines()
            .filter(|name| !["PWD", "SHLVL", "_"].contains(name))
            .collect();
        assert_eq!(seen, ["LC_ALL", "PATH"]);
    }

    #[tokio::test]
    async fn a_missing_program_names_its_package() {
        let error = Helper::new("mount.nowhere", "nowhere-common")
            .run(LONG)
            .await;
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("mount.nowhere is not installed") && text.contains("nowhere-common"),
            "{text}"
        );
        assert!(!Helper::is_installed("mount.nowhere") && Helper::is_installed("sh"));
    }

    #[test]
    fn long_output_keeps_its_end() {
        let text = one_line(&format!("{}the reason", "noise ".repeat(1000)), &[]);
        assert!(text.starts_with('…') && text.ends_with("the reason"));
        assert!(text.chars().count() <= SHOWN_CHARS + 1);
    }
}
