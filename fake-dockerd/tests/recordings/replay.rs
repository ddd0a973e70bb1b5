//! One scenario, step by step.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;

use fake_dockerd::runtime::{HostPaths, Images, Runtime, Simulated};
use fake_dockerd::{Clock, Config, Daemon, Engine};

use super::cli::{self, Outcome};
use super::compare::{daemon_errors, without_ids};
use super::docker::{Client, Printed, Served};
use super::format::{Command, Recording};
use super::known::{Excuse, Still};
use super::output;
use super::plugin::{Plugins, stale_socket};
use super::script::{Difference, Script};
use super::setup::Setup;

/// How long calls are waited for that come after a command's end, in seconds of the engine's time.
const GRACE: f64 = 10.0;

/// What existed where the recordings were made: the plugins' mountpoints and the usual paths.
#[derive(Debug)]
struct RecordedPaths;

impl HostPaths for RecordedPaths {
    fn exists(&self, path: &Path) -> bool {
        let text = path.to_string_lossy();
        !text.contains("nosuch") && !text.contains("nonexistent") && !text.contains("/rel/")
    }
}

/// The images of the recordings.
#[derive(Debug)]
struct RecordedImages;

impl Images for RecordedImages {
    fn volumes(&self, image: &str) -> Vec<String> {
        let volume = (image == "volimg").then(|| "/data".to_owned());
        volume.into_iter().collect()
    }

    fn has_path(&self, image: &str, path: &str) -> bool {
        ["volimg", "content"].contains(&image) && path == "/data"
    }
}

/// How commands reach the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As calls of the library.
    Library,
    /// Through the docker CLI and the Engine API.
    Docker,
}

/// How a recording is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Play {
    pub(crate) way: Way,
    /// How much faster than real time passes.
    pub(crate) scale: f64,
    pub(crate) seed: u64,
}

struct Stage {
    engine: Engine,
    way: Way,
    clock: Clock,
    scale: f64,
    seed: u64,
    setup: Arc<Setup>,
    script: Arc<Mutex<Script>>,
    plugins: Plugins,
    runtime: Arc<dyn Runtime>,
    daemon: Option<Daemon>,
    served: Option<Served>,
}

/// Plays a recording; an error is the first difference.
pub(crate) async fn replay(
    engine: Engine,
    recording: Arc<Recording>,
    play: Play,
) -> Result<(), Difference> {
    let Play { way, scale, seed } = play;
    let setup = Arc::new(Setup::new(&recording));
    let script = Script::new(Arc::clone(&recording), Arc::clone(&setup));
    let script = Arc::new(Mutex::new(script));
    let mut plugins = Plugins::new(Arc::clone(&script), setup.places.clone(), scale);
    for name in &setup.present {
        plugins.start(name);
    }
    let clock = Clock::scaled(scale);
    let mut stage = Stage {
        engine,
        way,
        clock,
        scale,
        seed,
        setup,
        script,
        plugins,
        runtime: Arc::new(Simulated::new(clock, Arc::new(RecordedPaths))),
        daemon: None,
        served: None,
    };
    let live_restore = |command: &Command| command.argv.iter().any(|arg| arg == "--live-restore");
    stage
        .start(recording.commands.iter().any(live_restore))
        .await;
    for (index, command) in recording.commands.iter().enumerate() {
        stage.script.lock().unwrap().begin(index);
        stage.step(command).await;
        stage.settle().await;
        let mut script = stage.script.lock().unwrap();
        script.end();
        if script.difference.is_some() {
            break;
        }
    }
    stage.crash().await;
    let difference = stage.script.lock().unwrap().difference.take();
    difference.map_or(Ok(()), Err)
}

impl Stage {
    async fn start(&mut self, live_restore: bool) {
        let config = Config::new(self.setup.data_root())
            .engine(self.engine)
            .directories(self.setup.directories())
            .clock(self.clock)
            .seed(self.seed)
            .live_restore(live_restore)
            .runtime(Arc::clone(&self.runtime))
            .images(Arc::new(RecordedImages))
            .host_paths(Arc::new(RecordedPaths));
        self.seed += 1000;
        let daemon = Daemon::start(config).await.unwrap();
        if self.way == Way::Docker {
            self.served = Some(Served::start(daemon.clone(), self.setup.root()).await);
        }
        self.daemon = Some(daemon);
    }

    /// Ends the daemon as on SIGTERM.
    async fn stop(&mut self) {
        match (self.served.take(), self.daemon.take()) {
            (Some(served), _) => served.stop().await,
            (None, Some(daemon)) => daemon.shutdown().await,
            (None, None) => {}
        }
    }

    /// Ends the daemon as on SIGKILL.
    async fn crash(&mut self) {
        if let Some(served) = self.served.take() {
            served.crash().await;
        }
        if let Some(daemon) = self.daemon.take() {
            daemon.crash().await;
        }
    }

    /// How long a time of the engine really takes.
    fn real(&self, seconds: f64) -> Duration {
        self.clock.real(Duration::from_secs_f64(seconds))
    }

    /// Waits for calls that come after a command's end.
    async fn settle(&self) {
        let mut waited = 0.0;
        while self.script.lock().unwrap().outstanding() > 0 && waited < GRACE {
            tokio::time::sleep(self.real(0.1)).await;
            waited += 0.1;
        }
    }

    async fn step(&mut self, command: &Command) {
        let argv: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        self.appear(command);
        match argv.as_slice() {
            ["docker", rest @ ..] => self.docker(command, rest).await,
            ["@api", ..] => self.api(command).await,
            ["@parallel", ..] => self.parallel(command).await,
            ["@dockerd-stop", "KILL"] => self.crash().await,
            ["@dockerd-stop", _] => self.stop().await,
            ["@dockerd-start", arguments @ ..] => {
                self.start(arguments.contains(&"--live-restore")).await;
            }
            ["@plugin-kill", name, how] => {
                self.plugins.stop(name, *how == "socket-unlinked").await;
            }
            ["@plugin-start", name] => self.plugins.start(name),
            ["@plugin-set", _, "idle_close", seconds] => {
                self.plugins.close_idle(seconds.parse().unwrap());
            }
            ["@stale-socket", path] => {
                let path = path.split(' ').next().unwrap();
                stale_socket(&self.setup.path(path));
            }
            ["@symlink", link, target] => {
                let (link, target) = (self.setup.path(link), self.setup.path(target));
                std::os::unix::fs::symlink(target, link).unwrap();
            }
            ["@write-file", path, content] => {
                let path = self.setup.path(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, self.setup.played(content)).unwrap();
            }
            ["@sleep", seconds] => {
                let seconds: f64 = seconds.parse().unwrap();
                tokio::time::sleep(self.real(seconds)).await;
            }
            // What the plugin does wrong stands in its recorded answers.
            [
                "@plugin-fault"
                | "@plugin-faults-clear"
                | "@plugin-set"
                | "@plugin-oob-create"
                | "@plugin-oob-delete"
                | "@end",
                ..,
            ] => {}
            other => panic!("unknown step {other:?}"),
        }
    }

    /// A plugin that is not there, and is asked in the course of this command, appears meanwhile.
    fn appear(&mut self, command: &Command) {
        let Some(first) = command.calls.first().filter(|call| call.t > 1.0) else {
            return;
        };
        if self.plugins.is_running(&first.plugin) {
            return;
        }
        // Half-way between the attempt that still failed and the one that did not.
        let script = Arc::clone(&self.script);
        let places = self.setup.places.clone();
        let mut plugins = Plugins::new(script, places, self.scale);
        let name = first.plugin.clone();
        let after = self.real(first.t * 0.75);
        let later = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            plugins.start(&name);
            std::future::pending::<()>().await;
            drop(plugins);
        });
        drop(later);
    }

    async fn docker(&mut self, command: &Command, argv: &[&str]) {
        let argv: Vec<String> = {
            let script = self.script.lock().unwrap();
            let played = argv.iter().map(|arg| script.played(arg));
            played.collect()
        };
        if let Some(served) = &self.served {
            let argv: Vec<String> = argv.iter().map(|arg| self.setup.played(arg)).collect();
            let printed = served.client.run(&argv).await;
            self.compare_printed(command, &printed);
            return;
        }
        let daemon = self.daemon.clone().unwrap();
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let outcome = cli::run(&daemon, &argv).await;
        self.compare(command, &outcome);
    }

    async fn parallel(&mut self, command: &Command) {
        let commands = command.parallel.as_deref().unwrap_or_default();
        let mut running = Vec::new();
        // They were all begun at once, and came in whatever order; seed 0 tries theirs.
        let mut order: Vec<usize> = (0..commands.len()).collect();
        if !self.seed.is_multiple_of(1000) {
            order.shuffle(&mut rand_chacha::ChaCha8Rng::seed_from_u64(self.seed));
        }
        for index in order {
            let daemon = self.daemon.clone().unwrap();
            let client = self.served.as_ref().map(|served| served.client.clone());
            let argv = commands[index].argv[1..].to_vec();
            running.push(tokio::spawn(async move {
                (index, one_of_many(&daemon, client, &argv).await)
            }));
            // The recorded ones were not begun in the same instant either.
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        for task in running {
            let (index, printed) = task.await.unwrap();
            let command = &commands[index];
            // What the others read or remove depends on who comes first.
            if let Some(printed) = printed.filter(|_| command.argv[1..3] == ["volume", "create"]) {
                self.compare_printed(command, &printed);
            }
        }
    }

    async fn api(&mut self, command: &Command) {
        let (status, message) = match &self.served {
            Some(served) => {
                let [_, method, path, body] = command.argv.as_slice() else {
                    panic!("unknown request {:?}", command.argv);
                };
                let (status, body) = served.client.request(method, path, body).await;
                (status, output::message(&body))
            }
            None => {
                let daemon = self.daemon.clone().unwrap();
                cli::api(&daemon, &command.argv[1..]).await
            }
        };
        let expected = output::message(&command.stdout);
        let message = self.setup.recorded(&message);
        let same_status = command
            .http_status
            .is_none_or(|expected| expected == status);
        if !same_status || message.trim_end() != expected.trim_end() {
            self.fail(format!(
                "{status} {message:?} instead of {:?} {expected:?}",
                command.http_status
            ));
        }
    }

    fn fail(&self, text: String) {
        self.script.lock().unwrap().fail(text);
    }

    /// Compares what the docker CLI came to.
    fn compare_printed(&self, command: &Command, printed: &Printed) {
        let argv: Vec<&str> = command.argv.iter().skip(1).map(String::as_str).collect();
        let difference = self.printed_difference(command, printed, false);
        let difference = match (Excuse::of(&argv), difference) {
            (Some(excuse), Some(_)) => {
                excuse.note();
                match excuse.still {
                    Still::Calls => None,
                    Still::Engine => self.printed_difference(command, printed, true),
                }
            }
            (_, difference) => difference,
        };
        if let Some(difference) = difference {
            self.fail(difference);
        }
    }

    /// In what a command did not come to the same. `engine_only` leaves out what is the process's
    /// own: of an exit status, what an engine never gives.
    fn printed_difference(
        &self,
        command: &Command,
        printed: &Printed,
        engine_only: bool,
    ) -> Option<String> {
        let own = |text: &str| {
            let lines = text
                .lines()
                .filter(|line| !engine_only || line.contains("docker:") || line.contains("daemon"));
            without_ids(&lines.collect::<Vec<_>>().join("\n"))
        };
        let stderr = own(&self.setup.recorded(&printed.stderr));
        let expected = own(&command.stderr);
        if stderr != expected {
            return Some(format!("said {stderr:?} instead of {expected:?}"));
        }
        let by_itself = engine_only && command.exit.is_some_and(|exit| exit < 125);
        if printed.exit != command.exit && !by_itself {
            let (ours, theirs) = (printed.exit, command.exit);
            return Some(format!("exit status {ours:?} instead of {theirs:?}"));
        }
        if engine_only {
            return None;
        }
        let argv: Vec<&str> = command.argv.iter().skip(1).map(String::as_str).collect();
        self.stdout_difference(&argv, &printed.stdout, &command.stdout)
    }

    fn stdout_difference(&self, argv: &[&str], stdout: &str, expected: &str) -> Option<String> {
        let ours = output::canonical(argv, &self.setup.recorded(stdout));
        let theirs = output::canonical(argv, expected);
        (ours != theirs).then(|| format!("printed {ours} instead of {theirs}"))
    }

    /// Compares what the library answered, as far as the CLI would have shown it.
    fn compare(&self, command: &Command, outcome: &Outcome) {
        let first_line = |message: &String| {
            let message = self.setup.recorded(message);
            without_ids(message.lines().next().unwrap_or_default().trim_end())
        };
        let errors: Vec<String> = outcome.errors.iter().map(first_line).collect();
        let expected = daemon_errors(&command.stderr);
        // The CLI takes a 404 of create for a missing image, and goes on to pull it.
        let pulled = command.stderr.starts_with("Unable to find image");
        if errors != expected && !pulled {
            self.fail(format!("{errors:?} instead of {expected:?}"));
        }
        if let (Some(exit), Some(expected)) = (outcome.exit, command.exit)
            && exit != expected
        {
            self.fail(format!("exit status {exit} instead of {expected}"));
        }
        if let Some(stdout) = &outcome.stdout {
            let argv: Vec<&str> = command.argv.iter().skip(1).map(String::as_str).collect();
            if let Some(difference) = self.stdout_difference(&argv, stdout, &command.stdout) {
                self.fail(difference);
            }
        }
    }
}

/// Runs one of several commands that run at once.
async fn one_of_many(daemon: &Daemon, client: Option<Client>, argv: &[String]) -> Option<Printed> {
    if let Some(client) = client {
        return Some(client.run(argv).await);
    }
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    cli::run(daemon, &argv).await;
    None
}
