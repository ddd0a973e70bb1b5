//! An engine to run scripts against, real or ours, with a plugin of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::game::{Game, Step, VOLUMES};
use super::plugin::Plugin;
use super::scripts::Script;
use super::transcript::Transcript;
use super::volumes::Volumes;

/// Where a real dockerd looks for sockets.
const SOCKETS: &str = "/run/docker/plugins";

/// The name of the plugin of every script.
const PLUGIN: &str = "mine";

pub(crate) struct Engine {
    host: String,
    plugin: Plugin,
    volumes: Arc<Volumes>,
    /// What the plugin answers to a path instead of its own.
    told: Told,
    directory: TempDir,
    /// Where this project's engine keeps what it has.
    home: Option<TempDir>,
    /// How it is started again.
    command: Command,
    process: Option<Child>,
}

type Told = Arc<Mutex<BTreeMap<String, String>>>;

impl Engine {
    /// The engine of `ci/real-engine`. Any other that DOCKER_HOST may name belongs to somebody, who
    /// would not like what the scripts do to it.
    pub(crate) fn real() -> Option<Self> {
        let program = std::env::var_os("VOLPLUG_DOCKERD")?;
        let host = std::env::var("DOCKER_HOST").ok()?;
        let mut engine = Self::of(host, Path::new(SOCKETS), Command::new(program));
        // As ci/real-engine has started it.
        for (option, name) in [
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
        ] {
            let place = engine.beside(name);
            engine.command.arg(option).arg(place);
        }
        engine.command.args(["--host", &engine.host]);
        Some(engine)
    }

    /// An engine at `host`, with a plugin in `sockets`.
    fn of(host: String, sockets: &Path, command: Command) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let volumes = Arc::new(Volumes::below(&directory.path().join("volumes")));
        let told = Told::default();
        let (answering, first) = (Arc::clone(&volumes), Arc::clone(&told));
        let plugin = Plugin::start(sockets, PLUGIN, move |path, body| {
            let told = first.lock().unwrap().get(path).cloned();
            told.or_else(|| answering.answer(path, body)).map(Some)
        });
        Self {
            host,
            plugin,
            volumes,
            told,
            directory,
            home: None,
            command,
            process: None,
        }
    }

    /// This project's, which plays the version that a real one told: `20.10.24+dfsg1`.
    pub(crate) fn ours(version: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let sockets = path("sockets");
        std::fs::create_dir(&sockets).unwrap();
        let release: Vec<&str> = version.split('.').take(2).collect();
        let socket = path("docker.sock");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-dockerd"));
        command
            .arg(format!("--host=unix://{}", socket.display()))
            .args(["--engine", &release.join("."), "--log-level", "error"])
            .arg("--data-root")
            .arg(path("data"))
            .arg("--sockets-dir")
            .arg(&sockets)
            .arg("--specs-dir")
            .arg(path("specs"));
        let process = command.spawn().unwrap();
        let begun = Instant::now();
        while !socket.exists() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "fake-dockerd does not start"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        let host = format!("unix://{}", socket.display());
        let mut engine = Self::of(host, &sockets, command);
        engine.home = Some(directory);
        engine.process = Some(process);
        engine
    }

    /// What it says its version is.
    pub(crate) fn version(&self) -> String {
        let output = self.docker(&["version", "--format", "{{.Server.Version}}"]);
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs every command of a script, and removes what it leaves.
    pub(crate) fn run(&self, script: &Script) -> Transcript {
        self.plugin.take_whole();
        let mut transcript = Transcript::new(self.directory.path());
        for line in script.commands {
            let words: Vec<&str> = line.split_whitespace().collect();
            transcript.ended(line, &self.docker(&words));
        }
        self.clear(script.name, &mut transcript);
        transcript.called("(all that the plugin was asked)", self.plugin.take_whole());
        transcript
    }

    /// Plays a game: what the plugin is asked is noted step by step.
    pub(crate) fn play(&mut self, game: &Game) -> Transcript {
        self.plugin.take_whole();
        let mut transcript = Transcript::new(self.directory.path());
        for step in &game.steps {
            match step {
                Step::Docker(line) => {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    transcript.ended(line, &self.docker(&words));
                }
                Step::Answer(path, answer) => {
                    let mut told = self.told.lock().unwrap();
                    told.clear();
                    told.insert(path.clone(), answer.clone());
                }
                Step::Usual => self.told.lock().unwrap().clear(),
                Step::Lose(volume) => self.volumes.lose(volume),
                Step::Restart(how) => self.restart(how),
            }
            transcript.called(
                &format!("{step:?}: what the plugin was asked"),
                self.settled(),
            );
        }
        self.told.lock().unwrap().clear();
        self.clear("a game", &mut transcript);
        self.uncover(&mut transcript);
        self.plugin.take_whole();
        transcript
    }

    /// What the plugin was asked, once the engine is done with what a command began.
    fn settled(&self) -> Vec<(String, String)> {
        let mut calls = Vec::new();
        loop {
            std::thread::sleep(Duration::from_millis(150));
            let more = self.plugin.take_whole();
            if more.is_empty() {
                return calls;
            }
            calls.extend(more);
        }
    }

    /// Ends the engine with a signal, and starts it again with all that it had; `how` is the
    /// signal, and options that this start has besides.
    fn restart(&mut self, how: &str) {
        let (signal, options) = how.split_once(' ').unwrap_or((how, ""));
        let pid = match &self.process {
            Some(process) => process.id().to_string(),
            None => std::fs::read_to_string(self.beside("pid")).unwrap(),
        };
        let kill = Command::new("kill")
            .args(["-s", signal, pid.trim()])
            .status();
        assert!(kill.unwrap().success());
        if let Some(process) = &mut self.process {
            process.wait().unwrap();
        }
        while Path::new("/proc").join(pid.trim()).exists() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut again = Command::new(self.command.get_program());
        let process = again
            .args(self.command.get_args())
            .args(options.split_whitespace())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        while !self.docker(&["version"]).status.success() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A file that the real engine has beside its socket.
    fn beside(&self, name: &str) -> PathBuf {
        let socket = self.host.strip_prefix("unix://").unwrap();
        Path::new(socket).with_file_name(name)
    }

    /// Removes every container and volume; which ones there were is part of the transcript. Behind
    /// a volume there may be another driver's of the same name, which shows once that is gone.
    fn clear(&self, whose: &str, transcript: &mut Transcript) {
        let containers = &["ps", "-aq", "--no-trunc"];
        let volumes = &["volume", "ls", "--format", "{{.Name}} {{.Driver}}"];
        self.remove_all(whose, containers, &["rm", "-f", "-v"], transcript);
        while self.remove_all(whose, volumes, &["volume", "rm"], transcript) {}
    }

    /// Removes what no list shows: a volume that its plugin has lost still hides another driver's of
    /// the same name. The first look makes the engine notice the loss.
    fn uncover(&self, transcript: &mut Transcript) {
        let look = ["volume", "inspect", "--format", "{{.Name}} {{.Driver}}"];
        let look = [&look, VOLUMES].concat();
        self.docker(&look);
        transcript.left("volume inspect", &self.docker(&look));
        self.docker(&[&["volume", "rm", "-f"], VOLUMES].concat());
    }

    /// Removes what a command lists, by the first word of each line; whether there was anything.
    fn remove_all(
        &self,
        whose: &str,
        list: &[&str],
        remove: &[&str],
        transcript: &mut Transcript,
    ) -> bool {
        let output = self.docker(list);
        transcript.left(&list.join(" "), &output);
        let lines = String::from_utf8(output.stdout).unwrap();
        let names = lines.lines().filter_map(|line| line.split(' ').next());
        let names: Vec<&str> = names.collect();
        if names.is_empty() {
            return false;
        }
        let output = self.docker(&[remove, &names[..]].concat());
        assert!(output.status.success(), "{whose}: {output:?}");
        true
    }

    fn docker(&self, arguments: &[&str]) -> Output {
        Command::new("docker")
            .args(["-H", &self.host])
            .args(arguments)
            // No settings of whoever runs the tests.
            .env("DOCKER_CONFIG", self.directory.path())
            .env_remove("DOCKER_HOST")
            .current_dir(self.directory.path())
            .output()
            .unwrap()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
