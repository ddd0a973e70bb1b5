//! `run`: from flags to a report.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fake_dockerd::discovery::Directories;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rand::Rng as _;
use tokio::signal::unix::{SignalKind, signal};

use super::output;
use super::settings::{RunArgs, Switch};
use crate::exit::Exit;
use crate::expected::{self, ExpectedFailures};
use crate::play::{Play, PlayOptions};
use crate::report::{Progress, Report, TargetInfo};
use crate::runner::{self, Interrupt, Plan, RunOptions, Selection};
use crate::snapshot;
use crate::suite::Naming;
use crate::target::address::Found;
use crate::target::{
    Bundle, Files, Isolation, Launch, Peer, Plugin, Slowness, Target, address, isolate, mounts,
};
use crate::wire::{Address, Connection, TlsFiles};

/// The name of the socket that a plugin is told to listen on.
const SOCKET: &str = "plugin.sock";

/// The directory that plugins of several hosts share.
const SHARED: &str = "shared";

pub(super) fn run(args: &RunArgs) -> Result<Exit, String> {
    let plan = plan(args)?;
    let known = args.expected_failures.as_deref();
    let known = known.map(ExpectedFailures::read).transpose()?;
    if let Some(file) = &args.write_expected_failures {
        expected::may_write(file)?;
    }
    let outputs = output::open(&args.format)?;
    let mut report = judge_all(args, &plan)?;
    if let Some(known) = &known {
        report.expect(known, jiff::Zoned::now().date());
    }
    outputs.write(&report)?;
    let snapshots = snapshots(args, &report)?;
    let judged = Exit::of(&report);
    let exit = match &args.write_expected_failures {
        Some(file) if judged != Exit::Interrupted => {
            let written = expected::write(file, &report)?;
            anstream::eprintln!("note: {} holds {written} expected failures", file.display());
            Exit::Ok
        }
        _ => judged,
    };
    let differ = snapshots.is_some_and(|kept| !kept.differing.is_empty());
    Ok(if exit == Exit::Ok && differ {
        Exit::Violation
    } else {
        exit
    })
}

/// Compares with the snapshots of earlier runs, where the user keeps some.
fn snapshots(args: &RunArgs, report: &Report) -> Result<Option<snapshot::Outcome>, String> {
    let Some(directory) = args.snapshots.as_ref().filter(|_| !report.interrupted) else {
        return Ok(None);
    };
    let naming = Naming::new(report.seed, args.name_chars.as_deref())?;
    let outcome = snapshot::check(report, naming.prefix(), directory, args.accept)?;
    // Standard output may be a report for a program.
    anstream::eprint!("{}", outcome.told(directory));
    Ok(Some(outcome))
}

/// The cases that the flags select.
pub(crate) fn plan(args: &RunArgs) -> Result<Plan, String> {
    let selection = Selection {
        only: args.only.clone(),
        skip: args.skip.clone(),
        level: Some(args.level),
    };
    let mut plan = Plan::new(&selection).map_err(|error| error.to_string())?;
    if let Some(part) = args.partition {
        plan = plan.part(part);
        if plan.own().next().is_none() {
            return Err(format!(
                "--partition {part} has no case to judge: take fewer parts"
            ));
        }
    }
    Ok(plan)
}

/// Makes the run that the flags describe; what was found goes into the file of regressions.
pub(crate) fn judge_all(args: &RunArgs, plan: &Plan) -> Result<Report, String> {
    let seed = args.seed.unwrap_or_else(|| rand::rng().next_u64() >> 32);
    let play = args.play(seed)?;
    let regressions = play.regressions.clone();
    raise_file_limit();

    let work = WorkDirectory::new()?;
    let args = &args.with_directories_of(&work.path)?;
    let mut isolation = None;
    let ended = prepare_and_judge(args, plan, play, &work, &mut isolation);
    if let Some(isolation) = isolation {
        isolation.undo();
    }
    drop(work);

    let report = ended?;
    regressions.write()?;
    Ok(report)
}

/// Enters the namespace where one is due, and runs.
fn prepare_and_judge(
    args: &RunArgs,
    plan: &Plan,
    play: PlayOptions,
    work: &WorkDirectory,
    isolation: &mut Option<Isolation>,
) -> Result<Report, String> {
    let seed = play.seed;
    let setup = Setup::new(args, play, work, isolation)?;
    in_runtime(setup.judge(args, plan, seed))
}

/// Does something with the plugin of a run that judges nothing: with its volumes, its process and
/// its isolation, all of which are taken back.
pub(super) fn with_plugin<T, F>(
    args: &RunArgs,
    act: impl FnOnce(Arc<Target>) -> F,
) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    let seed = args.seed.unwrap_or_else(|| rand::rng().next_u64() >> 32);
    let work = WorkDirectory::new()?;
    let args = &args.with_directories_of(&work.path)?;
    let mut isolation = None;
    let ended = Setup::new(args, args.play(seed)?, &work, &mut isolation).and_then(|setup| {
        in_runtime(async {
            let target = setup.ready(args).await?;
            let ended = act(Arc::clone(&target)).await;
            end(&target).await;
            ended
        })
    });
    if let Some(isolation) = isolation {
        isolation.undo();
    }
    ended
}

fn in_runtime<T>(act: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    // Threads come after this: the kernel moves only the calling one into the namespace.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let ended = runtime.block_on(act);
    // A thread that hangs in a dead file system must not keep the program.
    runtime.shutdown_background();
    ended
}

/// All that is decided before the first thread starts.
struct Setup {
    target: Target,
    isolation: &'static str,
}

impl Setup {
    fn new(
        args: &RunArgs,
        play: PlayOptions,
        work: &WorkDirectory,
        isolated: &mut Option<Isolation>,
    ) -> Result<Self, String> {
        let command = args.command()?;
        let tls = args.tls();
        let mut found = None;
        let address = match (&args.socket, &args.plugin, &command) {
            (Some(text), _, _) => address::parse(text, &tls)?,
            (None, Some(name), None) => {
                let (address, place) = address::locate(name, &directories(args), &tls)?;
                found = Some(place);
                address
            }
            // Where it would listen by default; where it does is looked up when it has started.
            (None, Some(name), Some(_)) => {
                let directories = directories(args);
                let first = directories.sockets.first().cloned().unwrap_or_default();
                address::unix(&first.join(format!("{name}.sock")))?
            }
            (None, None, Some(_)) => address::unix(&work.path.join(SOCKET))?,
            (None, None, None) => {
                return Err("nothing to judge: give --socket PATH, --plugin NAME, --exec 'CMD … {socket}' or \
                            --reference"
                    .to_owned());
            }
        };
        let prepare = RunArgs::hook("--prepare", args.prepare.as_ref())?;
        let cleanup = RunArgs::hook("--cleanup", args.cleanup.as_ref())?;
        let plugin_work = work.path.join("plugin");
        let storage = args.storage(&plugin_work)?;
        let naming = Naming::new(play.seed, args.name_chars.as_deref())?;

        if command.is_some() && !args.no_isolation {
            match isolate(&work.path) {
                Ok(isolation) => *isolated = Some(isolation),
                Err(why) => {
                    anstream::eprintln!(
                        "note: the plugin runs without a mount namespace of its own: {why}"
                    );
                }
            }
        }
        let hostile = args
            .hostile
            .map_or(isolated.is_some(), |switch| switch == Switch::On);
        let isolation = match isolated {
            Some(isolation) if isolation.overlaid => "overlay",
            Some(_) => "read-only",
            None => "none",
        };
        let socket = address
            .socket()
            .map_or_else(|| work.path.join(SOCKET), PathBuf::from);
        let plugin = command.map(|command| {
            let launch = Launch {
                command,
                socket,
                work: plugin_work.clone(),
                shared: work.path.join(SHARED),
                start_limit: args.start_timeout,
            };
            Plugin::new(launch, address.clone())
        });
        let peer = peer(args, work, &tls)?;
        let bundle = args.managed.as_deref().map(Bundle::read).transpose()?;
        let driver = match (&args.plugin, &plugin) {
            (Some(name), _) => name.clone(),
            (None, Some(plugin)) => plugin.program(),
            (None, None) => address::driver_name(&address),
        };
        let target = Target {
            files: files(args, &address),
            address,
            timeout: args.timeout,
            opts: args.options(),
            secret_opts: args.secret_opt.clone(),
            prepare,
            cleanup,
            storage,
            peer,
            bundle,
            plugin,
            driver,
            found,
            work: work.path.clone(),
            engine: args.engine,
            naming: Arc::new(naming),
            lints: Default::default(),
            health: Default::default(),
            slowness: Slowness::new(args.soak),
            hostile,
            play: Play::new(play),
        };
        Ok(Self { target, isolation })
    }

    async fn judge(self, args: &RunArgs, plan: &Plan, seed: u64) -> Result<Report, String> {
        let isolation = self.isolation;
        let target = self.ready(args).await?;
        let ended = judge(&target, args, plan, seed, isolation).await;
        end(&target).await;
        ended
    }

    /// Starts the plugin if it is to be started, and makes sure that it can be reached.
    async fn ready(mut self, args: &RunArgs) -> Result<Arc<Target>, String> {
        if let Some(plugin) = &mut self.target.plugin {
            make(&self.target.work.join("plugin"))?;
            make(&self.target.work.join(SHARED))?;
            match &args.plugin {
                None => {
                    plugin.start().await?;
                }
                Some(name) => {
                    plugin.spawn().await?;
                    let (address, found) = appears(plugin, name, args).await?;
                    plugin.listens_at(address.clone());
                    self.target.address = address;
                    self.target.found = Some(found);
                }
            }
        }
        if let Some(Peer {
            plugin: Some(peer), ..
        }) = &self.target.peer
        {
            make(peer.work())?;
            let started = peer.start().await;
            started.map_err(|why| format!("--peer-exec: {why}"))?;
        }
        let target = Arc::new(self.target);
        address::check(&target.address, args.timeout).await?;
        Ok(target)
    }
}

/// Ends what `Setup::ready` started.
async fn end(target: &Target) {
    let peer = target.peer.as_ref().and_then(|peer| peer.plugin.as_ref());
    for plugin in target.plugin.iter().chain(peer) {
        plugin.end_group().await;
    }
}

/// The second host's plugin, which is not started yet.
fn peer(args: &RunArgs, work: &WorkDirectory, tls: &TlsFiles) -> Result<Option<Peer>, String> {
    if let Some(text) = &args.peer {
        let address = address::parse(text, tls).map_err(|why| format!("--peer: {why}"))?;
        return Ok(Some(Peer {
            address,
            plugin: None,
        }));
    }
    let Some(command) = args.peer_command()? else {
        return Ok(None);
    };
    let socket = work.path.join("peer.sock");
    let address = address::unix(&socket)?;
    let launch = Launch {
        command,
        socket,
        work: work.path.join("peer"),
        shared: work.path.join(SHARED),
        start_limit: args.start_timeout,
    };
    let plugin = Some(Plugin::new(launch, address.clone()));
    Ok(Some(Peer { address, plugin }))
}

/// Waits until a plugin that was just started can be found by its name.
async fn appears(plugin: &Plugin, name: &str, args: &RunArgs) -> Result<(Address, Found), String> {
    let (directories, tls) = (directories(args), args.tls());
    let deadline = tokio::time::Instant::now() + args.start_timeout;
    loop {
        let why = match address::locate(name, &directories, &tls) {
            Ok((address, found)) => match Connection::open(&address, args.start_timeout).await {
                Ok(_) => return Ok((address, found)),
                Err(error) => format!("{address} {error}"),
            },
            Err(why) => why,
        };
        if !plugin.is_running().await {
            plugin.drain().await;
            return Err(format!(
                "the plugin ended before it was found: {}",
                plugin.last_line()
            ));
        }
        if tokio::time::Instant::now() > deadline {
            return Err(why);
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

fn make(directory: &Path) -> Result<(), String> {
    std::fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}

async fn judge(
    target: &Arc<Target>,
    args: &RunArgs,
    plan: &Plan,
    seed: u64,
    isolation: &'static str,
) -> Result<Report, String> {
    let preflight = runner::preflight(target).await?;
    runner::check_peer(target).await?;
    runner::check_storage(target).await?;
    let info = TargetInfo {
        address: target.address.to_string(),
        plugin: target.driver.clone(),
        implements: preflight.implements,
        command: target
            .plugin
            .as_ref()
            .map(|plugin| shell_words::join(plugin.words())),
        partition: args.partition.map(|part| part.to_string()),
        engine: Some(args.engine.to_string()),
        settings: args
            .settings
            .as_ref()
            .map(|file| file.display().to_string()),
        isolation: isolation.into(),
        hostile: target.hostile,
        timeout_s: args.timeout.as_secs_f32(),
        volumes_before: preflight.volumes,
    };
    let options = RunOptions {
        jobs: usize::from(args.jobs),
        strict: args.strict,
        seed,
        soak: args.soak,
    };
    let mut progress = Progress::new();
    runner::run(
        Arc::clone(target),
        plan,
        &options,
        info,
        &mut progress,
        interrupt(Arc::clone(target))?,
    )
    .await
}

/// Ends with the first SIGINT or SIGTERM; the second one ends the program at once.
/// In between, the storage is mended that the plugin `target` was cut off from.
pub(super) fn interrupt(target: Arc<Target>) -> Result<Interrupt, String> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let mut int = listen(SignalKind::interrupt())?;
    let mut term = listen(SignalKind::terminate())?;
    Ok(Box::pin(async move {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        anstream::eprintln!("interrupted: removing what the run has made (again to stop at once)");
        tokio::spawn(async move {
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
            }
            if let Some(storage) = &target.storage {
                storage.mend_now();
            }
            std::process::exit(130);
        });
    }))
}

fn directories(args: &RunArgs) -> Directories {
    plugin_directories(&args.sockets_dir, &args.specs_dir)
}

/// Docker's plugin directories, or those that the user gave.
pub(super) fn plugin_directories(sockets: &[PathBuf], specs: &[PathBuf]) -> Directories {
    let mut directories = Directories::default();
    if !sockets.is_empty() {
        directories.sockets = sockets.to_vec();
    }
    if !specs.is_empty() {
        directories.specs = specs.to_vec();
    }
    directories
}

fn files(args: &RunArgs, address: &Address) -> Files {
    if args.no_filesystem {
        return Files::blind("needs to look into the mountpoints, and --no-filesystem forbids it");
    }
    let local = match address {
        Address::Unix(_) => true,
        Address::Tcp(host) | Address::Tls(host, ..) => {
            host.starts_with("127.") || host.starts_with("localhost:") || host.starts_with("[::1]")
        }
    };
    if local {
        Files::visible(args.timeout)
    } else {
        Files::blind("needs to look into the mountpoints, and the plugin is on another machine")
    }
}

/// A run opens many connections at once.
fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it is refused, the cases that need it will say so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// The run's own directory.
struct WorkDirectory {
    path: PathBuf,
}

impl WorkDirectory {
    fn new() -> Result<Self, String> {
        let base = std::env::temp_dir();
        let told = |error: std::io::Error| format!("cannot work in {}: {error}", base.display());
        let base = base.canonicalize().map_err(told)?;
        let made = tempfile::Builder::new()
            .prefix("volplug-")
            .tempdir_in(&base)
            .map_err(told)?;
        Ok(Self { path: made.keep() })
    }

    /// Removes the directory. What a plugin has left mounted below it is other people's data, and is
    /// never walked into.
    fn remove(&self) {
        let mounted = mounts().map_or(true, |all| {
            all.iter().any(|m| m.path.starts_with(&self.path))
        });
        if mounted {
            let shown = self.path.display();
            anstream::eprintln!("note: {shown} stays, since the plugin has left mounts in it");
            return;
        }
        // Where it cannot be removed, it lies in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Prints to standard output; a reader that has seen enough is no failure.
pub(super) fn print(text: &str) -> Result<(), String> {
    use std::io::Write as _;
    let mut stdout = anstream::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}
