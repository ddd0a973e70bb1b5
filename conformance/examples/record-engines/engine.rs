//! A real dockerd of its own for each scenario.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Builder;
use volplug_conformance::recording::{Recording, Step};
use volplug_conformance::wire::{Address, Connection, Request};

/// How long a dockerd may take to start: it looks for the plugins of its volumes first.
const START: Duration = Duration::from_secs(120);

/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(120);

/// What the scenarios' images are made of.
pub(crate) struct Images {
    directory: TempDir,
}

impl Images {
    /// Takes the image `busybox` of the engine that is there, and makes the others of it.
    pub(crate) fn make() -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let images = Self { directory };
        let container = run(Command::new("docker").args(["create", "busybox", "true"]))?;
        let id = String::from_utf8_lossy(&container.stdout).trim().to_owned();
        run(Command::new("docker")
            .args(["export", "-o"])
            .arg(images.tar("busybox"))
            .arg(&id))?;
        run(Command::new("docker").args(["rm", &id]))?;
        let root = images.directory.path().join("root");
        let made = |path: &str, text: &str| {
            std::fs::write(root.join(path), text).map_err(|error| error.to_string())
        };
        std::fs::create_dir_all(root.join("data/sub")).map_err(|error| error.to_string())?;
        let tar = |option: &str, name: &str, what: &[&str]| {
            let mut tar = Command::new("tar");
            tar.arg("-C").arg(&root).arg(option).arg(images.tar(name));
            run(tar.args(what))
        };
        tar("-xf", "busybox", &[])?;
        // A scenario copies it out.
        std::fs::create_dir_all(root.join("etc")).map_err(|error| error.to_string())?;
        made("etc/passwd", "root:x:0:0:root:/:/bin/sh\n")?;
        tar("-cf", "busybox", &["--exclude=./data", "."])?;
        made("data/file1", "one\n")?;
        tar("-cf", "content", &["."])?;
        Ok(images)
    }

    fn tar(&self, name: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.tar"))
    }

    /// Gives an engine those that are wanted.
    fn import(&self, engine: &Engine, wanted: impl Fn(&str) -> bool) -> Result<(), String> {
        let all = [
            ("busybox", "busybox", None),
            ("content", "content", None),
            ("volimg", "content", Some("VOLUME /data")),
        ];
        for (image, of, volume) in all.into_iter().filter(|(image, ..)| wanted(image)) {
            let mut import = engine.docker(&["import"]);
            // There are scenarios that name no command.
            let changes = [Some(r#"CMD ["sh"]"#), volume];
            import.args(
                changes
                    .into_iter()
                    .flatten()
                    .flat_map(|change| ["--change", change]),
            );
            run(import.arg(self.tar(of)).arg(image))?;
        }
        Ok(())
    }
}

/// Runs a command that has to succeed.
fn run(command: &mut Command) -> Result<Output, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!(
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

/// A dockerd that knows nothing yet but the images.
pub(crate) struct Engine {
    directory: TempDir,
    process: Option<Child>,
    /// How much of the log was read.
    read: usize,
}

impl Engine {
    /// Starts one for a scenario: with the images that its commands name, and as it will be started
    /// again.
    pub(crate) fn start(images: &Images, scenario: &Recording) -> Result<Self, String> {
        let directory = tempfile::Builder::new()
            .prefix("re")
            .tempdir()
            .map_err(|error| error.to_string())?;
        let mut engine = Self {
            directory,
            process: None,
            read: 0,
        };
        let again = |step: &&Step| {
            step.argv
                .first()
                .is_some_and(|word| word == "@dockerd-start")
        };
        let again = scenario.commands.iter().find(again);
        let arguments = again.into_iter().flat_map(|step| step.argv.iter().skip(1));
        engine.run(&arguments.map(String::as_str).collect::<Vec<_>>())?;
        images.import(&engine, |image| {
            let mut words = scenario.commands.iter().flat_map(words);
            words.any(|word| word.contains(image))
        })?;
        Ok(engine)
    }

    /// Starts dockerd with what is there, and waits until it answers.
    pub(crate) fn run(&mut self, arguments: &[&str]) -> Result<(), String> {
        let program = std::env::var_os("VOLPLUG_DOCKERD")
            .ok_or("it takes a dockerd of ci/real-engine: VOLPLUG_DOCKERD is not set")?;
        let mut log = std::fs::File::options();
        let log = log.create(true).append(true).open(self.path("log"));
        let log = log.map_err(|error| error.to_string())?;
        let process = Command::new(program)
            .arg("--data-root")
            .arg(self.path("data"))
            .arg("--exec-root")
            .arg(self.path("exec"))
            .arg("--pidfile")
            .arg(self.path("pid"))
            .arg("--host")
            .arg(self.host())
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| error.to_string())?;
        self.process = Some(process);
        let begun = Instant::now();
        // It accepts before it answers.
        while self.request("GET", "/_ping", "").is_err() {
            let process = self.process.as_mut();
            let ended = process.is_none_or(|process| !matches!(process.try_wait(), Ok(None)));
            if ended || begun.elapsed() > START {
                let log = self.log();
                let last = log.lines().last().unwrap_or_default();
                return Err(format!("dockerd does not start: {last}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log(&self) -> String {
        let log = std::fs::read(self.path("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The warnings and errors that dockerd has written since this was asked last.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        let log = self.log();
        let whole = log.rfind('\n').map_or(0, |at| at + 1);
        let new = log.get(self.read..whole).unwrap_or_default();
        self.read = whole;
        let complains = |line: &&str| line.contains("level=warn") || line.contains("level=error");
        new.lines().filter(complains).map(str::to_owned).collect()
    }

    /// Sends dockerd a signal that it ends by, and waits until it has.
    pub(crate) fn end(&mut self, signal: &str) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        let pid = process.id().to_string();
        let _ = Command::new("kill").args(["-s", signal, &pid]).status();
        let _ = process.wait();
    }

    /// What the API answers to a request: the status and the body.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> Result<(u16, String), String> {
        let request = Request::docker(path, body)
            .method(method)
            .header("Content-Type", "application/json");
        let address = Address::Unix(self.path("docker.sock"));
        let exchange = async {
            let mut connection = Connection::open(&address, ANSWER).await?;
            connection.send(&request, ANSWER).await
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let answer = runtime.block_on(exchange);
        let answer = answer.map_err(|error| error.to_string())?;
        Ok((answer.status, answer.text()))
    }

    /// A file beside its data.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The docker CLI for this engine.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .arg("-H")
            .arg(self.host())
            .args(arguments)
            .env("DOCKER_CONFIG", self.path("config"))
            .stdin(Stdio::null());
        command
    }

    fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// The versions of the engine and of the CLI.
    pub(crate) fn versions(&self) -> Result<(String, String), String> {
        let output = run(&mut self.docker(&[
            "version",
            "--format",
            "{{.Server.Version}} {{.Client.Version}}",
        ]))?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let (server, client) = text.split_once(' ').unwrap_or((&text, ""));
        // Debian writes 20.10.24+dfsg1.
        let bare = |version: &str| version.split('+').next().unwrap_or_default().to_owned();
        Ok((bare(server), bare(client)))
    }

    /// Ends it with all its containers.
    pub(crate) fn stop(mut self) {
        let list = self.docker(&["ps", "-aq"]).output();
        let left = list
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        let left: Vec<&str> = left.split_whitespace().collect();
        if !left.is_empty() {
            let _ = self.docker(&["rm", "-f"]).args(left).output();
        }
        self.end("TERM");
        unmount(self.directory.path());
    }
}

/// The words of a step's commands.
fn words(step: &Step) -> Vec<&String> {
    let parallel = step.parallel.iter().flat_map(words);
    step.argv.iter().chain(parallel).collect()
}

/// What an engine that ended leaves mounted would keep its directory from being removed.
fn unmount(directory: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let below: Vec<&str> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    for mount in below
        .iter()
        .rev()
        .filter(|path| Path::new(path).starts_with(directory))
    {
        let _ = Command::new("umount").args(["-l", mount]).status();
    }
}
