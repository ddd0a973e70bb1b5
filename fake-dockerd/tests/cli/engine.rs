//! The daemon's binary with a plugin that keeps data, in a directory of its own, and the docker CLI
//! to drive it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::plugin::Plugin;

pub(crate) const SIGTERM: i32 = 15;
pub(crate) const SIGKILL: i32 = 9;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Engine {
    root: TempDir,
    process: Child,
    arguments: Vec<String>,
    user: Option<&'static str>,
    pub(crate) plugin: Plugin,
}

impl Engine {
    /// The newest engine, which runs nothing.
    pub(crate) fn start() -> Self {
        Self::with(&["--run=off"])
    }

    /// An engine with `--run host`.
    pub(crate) fn host() -> Self {
        Self::with(&["--run=host"])
    }

    /// An engine with these arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::of(arguments, None)
    }

    /// An engine that belongs to a user, or to whoever runs the test.
    pub(crate) fn of(arguments: &[&str], user: Option<&'static str>) -> Self {
        let root = match user {
            // The directory for temporary files may be closed to others.
            Some(_) => tempfile::tempdir_in("/tmp"),
            None => tempfile::tempdir(),
        };
        let root = root.unwrap();
        let anybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(root.path(), anybody.clone()).unwrap();
        let volumes = root.path().join("volumes");
        std::fs::create_dir(&volumes).unwrap();
        let plugin = Plugin::start(root.path(), "mine", move |path, body| {
            let body: serde_json::Value = serde_json::from_str(body).ok()?;
            let directory = volumes.join(body["Name"].as_str()?);
            (path == "/VolumeDriver.Mount").then(|| {
                std::fs::create_dir_all(&directory).unwrap();
                let anybody = std::fs::Permissions::from_mode(0o777);
                std::fs::set_permissions(&directory, anybody).unwrap();
                Some(serde_json::json!({ "Mountpoint": directory }).to_string())
            })
        });
        std::fs::set_permissions(&plugin.socket, anybody).unwrap();
        let arguments: Vec<String> = arguments.iter().map(|&one| one.to_owned()).collect();
        let process = spawn(root.path(), &arguments, user);
        let engine = Self {
            root,
            process,
            arguments,
            user,
            plugin,
        };
        engine.wait();
        engine
    }

    fn wait(&self) {
        until("the engine listens", || {
            self.docker(&["version"]).status.success()
        });
    }

    /// Ends the daemon with a signal, and starts another one in its place.
    pub(crate) fn restart(&mut self, signal: i32) {
        self.end(signal);
        self.again();
    }

    /// Takes an argument away from the next daemon.
    pub(crate) fn without(&mut self, argument: &str) {
        self.arguments.retain(|one| one != argument);
    }

    /// Starts a daemon where one ended.
    pub(crate) fn again(&mut self) {
        self.process = spawn(self.root.path(), &self.arguments, self.user);
        self.wait();
    }

    /// Ends the daemon with a signal.
    pub(crate) fn end(&mut self, signal: i32) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        let signal = nix::sys::signal::Signal::try_from(signal).unwrap();
        nix::sys::signal::kill(pid, signal).unwrap();
        self.process.wait().unwrap();
    }

    /// A volume, or a file in one, on the plugin's side.
    pub(crate) fn volume(&self, file: &str) -> PathBuf {
        self.path("volumes").join(file)
    }

    /// The address.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.path("docker").display())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> Output {
        docker(&self.address(), arguments, "")
    }

    /// Runs the CLI with something at its standard input.
    pub(crate) fn docker_with(&self, arguments: &[&str], input: &str) -> Output {
        docker(&self.address(), arguments, input)
    }

    pub(crate) fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the CLI says when it fails.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// `docker run --rm` with the plugin's volume `data` at `/data`.
    pub(crate) fn run(&self, script: &str) -> Output {
        let mount = ["-v", "data:/data", "--volume-driver", "mine"];
        let command = ["busybox", "sh", "-c", script];
        self.docker(&[&["run", "--rm"][..], &mount, &command].concat())
    }

    pub(crate) fn inspect(&self, container: &str, what: &str) -> String {
        let format = format!("{{{{{what}}}}}");
        let shown = self.stdout(&["inspect", "--format", &format, container]);
        shown.trim().to_owned()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the CLI against an engine at `host`.
pub(crate) fn docker(host: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new("docker")
        .args(["-H", host])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that reads nothing closes it first.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn spawn(root: &Path, arguments: &[String], user: Option<&str>) -> Child {
    let mut words = Vec::new();
    if let Some(user) = user {
        words.extend(["setpriv".to_owned(), "--clear-groups".to_owned()]);
        words.extend([format!("--reuid={user}"), format!("--regid={user}")]);
    }
    words.push(env!("CARGO_BIN_EXE_fake-dockerd").to_owned());
    let path = |name: &str| root.join(name).display().to_string();
    words.extend([
        format!("--host=unix://{}", path("docker")),
        format!("--sockets-dir={}", root.display()),
        format!("--specs-dir={}", path("specs")),
        format!("--data-root={}", path("state")),
        format!("--trace={}", path("trace.jsonl")),
    ]);
    words.extend_from_slice(arguments);
    let mut command = Command::new(&words[0]);
    if user.is_some() {
        command.env_remove("TMPDIR");
    }
    command.args(&words[1..]).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Waits for something to become true.
pub(crate) fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_true() {
        assert!(begun.elapsed() < PATIENCE, "not yet: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Both outputs and the exit status.
pub(crate) fn all(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&output.stdout),
        text(&output.stderr),
        output.status.code(),
    )
}
