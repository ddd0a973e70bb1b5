//! `run`: from flags to a report.

use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rand::Rng as _;
use tokio::signal::unix::{SignalKind, signal};

use super::output;
use super::settings::RunArgs;
use super::setup::{Setup, end};
use super::work::WorkDirectory;
use crate::exit::Exit;
use crate::expected::{self, ExpectedFailures};
use crate::play::PlayOptions;
use crate::report::{Progress, Report, TargetInfo};
use crate::runner::{self, Interrupt, Plan, RunOptions, Selection};
use crate::snapshot;
use crate::suite::Naming;
use crate::target::Target;

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

    let report = with_target(args, play, |target, isolation| async move {
        judge(&target, args, plan, seed, isolation).await
    })?;
    regressions.write()?;
    Ok(report)
}

/// Does something with the plugin of a run that judges nothing.
pub(super) fn with_plugin<T, F>(
    args: &RunArgs,
    act: impl FnOnce(Arc<Target>) -> F,
) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    let seed = args.seed.unwrap_or_else(|| rand::rng().next_u64() >> 32);
    with_target(args, args.play(seed)?, |target, _| act(target))
}

/// Enters the namespace where one is due, starts the plugin, and does something with it and the name
/// of its isolation. The plugin's process, the namespace and the run's directory are taken back.
fn with_target<T, F>(
    args: &RunArgs,
    play: PlayOptions,
    act: impl FnOnce(Arc<Target>, &'static str) -> F,
) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    let work = WorkDirectory::new()?;
    let args = &args.with_directories_of(&work.path)?;
    let mut isolated = None;
    let ended = Setup::new(args, play, &work, &mut isolated).and_then(|setup| {
        let isolation = setup.isolation;
        in_runtime(async {
            let target = setup.ready(args).await?;
            let ended = act(Arc::clone(&target), isolation).await;
            end(&target).await;
            ended
        })
    });
    if let Some(isolation) = isolated {
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

/// A run opens many connections at once.
fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it is refused, the cases that need it will say so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
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
