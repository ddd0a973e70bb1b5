//! One scenario, step by step.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;

use fake_dockerd::runtime::{HostPaths, Images, Runtime, Simulated};
use fake_dockerd::{Clock, Config, Daemon, Engine};

use super::SCALE;
use super::cli::{self, Outcome};
use super::compare::{daemon_errors, without_ids};
use super::format::{Command, Recording};
use super::output;
use super::plugin::{Plugins, stale_socket};
use super::script::Script;
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

struct Stage {
    engine: Engine,
    seed: u64,
    setup: Arc<Setup>,
    script: Arc<Mutex<Script>>,
    plugins: Plugins,
    runtime: Arc<dyn Runtime>,
    daemon: Option<Daemon>,
}

/// Plays a recording; an error is the first difference.
pub(crate) async fn replay(
    engine: Engine,
    recording: Arc<Recording>,
    seed: u64,
) -> Result<(), String> {
    let setup = Arc::new(Setup::new(&recording));
    let script = Script::new(Arc::clone(&recording), Arc::clone(&setup));
    let script = Arc::new(Mutex::new(script));
    let mut plugins = Plugins::new(Arc::clone(&script), setup.places.clone());
    for name in &setup.present {
        plugins.start(name);
    }
    let clock = Clock::scaled(SCALE);
    let mut stage = Stage {
        engine,
        seed,
        setup,
        script,
        plugins,
        runtime: Arc::new(Simulated::new(clock, Arc::new(RecordedPaths))),
        daemon: None,
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
    if let Some(daemon) = stage.daemon.take() {
        daemon.crash().await;
    }
    let difference = stage.script.lock().unwrap().difference.take();
    difference.map_or(Ok(()), Err)
}

impl Stage {
    async fn start(&mut self, live_restore: bool) {
        let config = Config::new(self.setup.data_root())
            .engine(self.engine)
            .directories(self.setup.directories())
            .clock(Clock::scaled(SCALE))
            .seed(self.seed)
            .live_restore(live_restore)
            .runtime(Arc::clone(&self.runtime))
            .images(Arc::new(RecordedImages))
            .host_paths(Arc::new(RecordedPaths));
        self.seed += 1000;
        self.daemon = Some(Daemon::start(config).await.unwrap());
    }

    /// Waits for calls that come after a command's end.
    async fn settle(&self) {
        let mut waited = 0.0;
        while self.script.lock().unwrap().outstanding() > 0 && waited < GRACE {
            tokio::time::sleep(Duration::from_secs_f64(0.1 / SCALE)).await;
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
            ["@dockerd-stop", signal] => {
                let daemon = self.daemon.take().unwrap();
                if *signal == "KILL" {
                    daemon.crash().await;
                } else {
                    daemon.shutdown().await;
                }
            }
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
                tokio::time::sleep(Duration::from_secs_f64(seconds / SCALE)).await;
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
        let mut plugins = Plugins::new(script, places);
        let name = first.plugin.clone();
        let after = Duration::from_secs_f64(first.t * 0.75 / SCALE);
        let later = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            plugins.start(&name);
            std::future::pending::<()>().await;
            drop(plugins);
        });
        drop(later);
    }

    async fn docker(&mut self, command: &Command, argv: &[&str]) {
        let daemon = self.daemon.clone().unwrap();
        let argv: Vec<String> = {
            let script = self.script.lock().unwrap();
            argv.iter().map(|arg| script.played(arg)).collect()
        };
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
        for one in order.into_iter().map(|index| &commands[index]) {
            let daemon = self.daemon.clone().unwrap();
            let argv = one.argv.clone();
            running.push(tokio::spawn(async move {
                let argv: Vec<&str> = argv.iter().skip(1).map(String::as_str).collect();
                cli::run(&daemon, &argv).await
            }));
            // The recorded ones were not begun in the same instant either.
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        for task in running {
            task.await.unwrap();
        }
    }

    async fn api(&mut self, command: &Command) {
        let daemon = self.daemon.clone().unwrap();
        let (status, message) = cli::api(&daemon, &command.argv[1..]).await;
        let recorded: serde_json::Value = serde_json::from_str(&command.stdout).unwrap_or_default();
        let expected = recorded["message"].as_str().unwrap_or_default();
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
            let ours = output::canonical(&argv, &self.setup.recorded(stdout));
            let theirs = output::canonical(&argv, &command.stdout);
            if ours != theirs {
                self.fail(format!("printed {ours} instead of {theirs}"));
            }
        }
    }
}
