//! The daemon's binary with a plugin that keeps data, and the docker CLI to drive it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::plugin::Plugin;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Engine {
    root: TempDir,
    process: Child,
    run: &'static str,
    user: Option<&'static str>,
}

impl Engine {
    /// An engine with `--run host`.
    pub(crate) fn host() -> Self {
        Self::start("host", None)
    }

    /// An engine that belongs to a user, or to whoever runs the test.
    pub(crate) fn start(run: &'static str, user: Option<&'static str>) -> Self {
        let root = tempfile::tempdir().unwrap();
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
        let process = spawn(root.path(), run, user);
        let engine = Self {
            root,
            process,
            run,
            user,
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

    /// Starts a daemon where one ended.
    pub(crate) fn again(&mut self) {
        self.process = spawn(self.root.path(), self.run, self.user);
        self.wait();
    }

    /// Ends the daemon with a signal.
    pub(crate) fn end(&mut self, signal: i32) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        let signal = nix::sys::signal::Signal::try_from(signal).unwrap();
        nix::sys::signal::kill(pid, signal).unwrap();
        self.process.wait().unwrap();
    }

    /// A file on the plugin's side of a volume.
    pub(crate) fn volume(&self, file: &str) -> PathBuf {
        self.root.path().join("volumes").join(file)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> Output {
        self.docker_with(arguments, "")
    }

    /// Runs the CLI with something at its standard input.
    pub(crate) fn docker_with(&self, arguments: &[&str], input: &str) -> Output {
        let host = format!("unix://{}", self.path("docker").display());
        let mut child = Command::new("docker")
            .args(["-H", &host])
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

    pub(crate) fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
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

fn spawn(root: &Path, run: &str, user: Option<&str>) -> Child {
    let mut words = Vec::new();
    if let Some(user) = user {
        words.extend(["setpriv".to_owned(), "--clear-groups".to_owned()]);
        words.extend([format!("--reuid={user}"), format!("--regid={user}")]);
    }
    words.push(env!("CARGO_BIN_EXE_fake-dockerd").to_owned());
    let path = |name: &str| root.join(name).display().to_string();
    words.extend([
        format!("--run={run}"),
        format!("--host=unix://{}", path("docker")),
        format!("--sockets-dir={}", root.display()),
        format!("--specs-dir={}", path("specs")),
        format!("--data-root={}", path("state")),
    ]);
    let mut command = Command::new(&words[0]);
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
