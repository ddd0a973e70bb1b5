//! Which case runs when, and what happens when one goes wrong.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, JoinSet};

use super::cleanup::take_back;
use super::recovery::recover;
use super::verdicts::{Raw, settle};
use super::{Event, Plan, Reporter};
use crate::report::{Report, TargetInfo};
use crate::suite::{Case, Cx, Halt, Ledger, Mode, Need};
use crate::target::{Broken, Storage, Target};

/// How often a case that takes a while tells how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Ends when the user wants the run to end.
pub type Interrupt = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// How many shared cases may run at once.
    pub jobs: usize,
    /// Whether SHOULD counts as MUST.
    pub strict: bool,
    /// The seed that names and sequences come from.
    pub seed: u64,
    /// Whether cases that take half a minute run.
    pub soak: bool,
}

/// Runs `plan` and makes the report. What cases made is taken back also when `interrupt` ends the
/// run early.
///
/// # Errors
/// A sentence when the run itself could not go on, such as a failing `--prepare`.
pub async fn run(
    target: Arc<Target>,
    plan: &Plan,
    options: &RunOptions,
    info: TargetInfo,
    reporter: &mut dyn Reporter,
    interrupt: Interrupt,
) -> Result<Report, String> {
    let begun = Instant::now();
    reporter.event(&Event::Started {
        cases: plan.cases.len(),
    });
    let mut run = Run {
        target,
        options,
        reporter,
        interrupt,
        interrupted: false,
        broken_run: None,
        raw: BTreeMap::new(),
        left_behind: Vec::new(),
        notices: Vec::new(),
    };
    let numbered = || plan.cases.iter().copied().enumerate();
    let of = |mode: Mode| {
        numbered()
            .filter(|(_, case)| case.mode == mode)
            .collect::<VecDeque<_>>()
    };
    run.shared(of(Mode::Shared)).await;
    for mode in [Mode::Alone, Mode::Closing] {
        for (at, case) in of(mode) {
            run.alone(at, case).await;
        }
    }
    if let Some(why) = run.broken_run {
        return Err(why);
    }
    let Run {
        raw,
        interrupted,
        left_behind,
        notices,
        target,
        ..
    } = run;
    let mut cases = settle(&plan.cases, raw, options.strict, &target);
    cases.retain(|case| case.verdict.is_finding() || !plan.watched.contains(&case.id.as_str()));
    let mut report = Report::new(info, options.seed, cases);
    report.set_duration(begun.elapsed());
    report.left_behind = left_behind;
    report.notices = notices;
    report.notices.extend(target.play.replayed());
    report.interrupted = interrupted;
    reporter.event(&Event::Finished(&report));
    Ok(report)
}

struct Run<'a> {
    target: Arc<Target>,
    options: &'a RunOptions,
    reporter: &'a mut dyn Reporter,
    interrupt: Interrupt,
    interrupted: bool,
    broken_run: Option<String>,
    raw: BTreeMap<usize, Raw>,
    left_behind: Vec<String>,
    notices: Vec<String>,
}

/// What comes back when a case is over and cleaned up.
struct Done {
    at: usize,
    case: &'static Case,
    raw: Raw,
    trouble: Option<String>,
    hung: bool,
    ledger: Arc<Ledger>,
    left_behind: Vec<String>,
}

impl Run<'_> {
    /// Side by side, until a call goes unanswered; then one by one.
    async fn shared(&mut self, mut queue: VecDeque<(usize, &'static Case)>) {
        let mut running: JoinSet<Done> = JoinSet::new();
        let mut abort: Vec<AbortHandle> = Vec::new();
        let mut again = VecDeque::new();
        let mut unwell = Vec::new();
        let mut trouble: Option<(String, String)> = None;
        loop {
            while trouble.is_none() && running.len() < self.options.jobs.max(1) {
                let Some((at, case)) = queue.pop_front() else {
                    break;
                };
                if let Some(reason) = self.unfit(case) {
                    self.finish(at, case, Raw::skipped(reason));
                    continue;
                }
                self.reporter.event(&Event::CaseStarted { id: case.id });
                let (task, handle) = start(Arc::clone(&self.target), at, case);
                abort.push(handle);
                running.spawn(task);
            }
            let Some(done) = self.next(&mut running, &abort).await else {
                break;
            };
            self.note_hang(&done);
            self.left_behind.extend(done.left_behind);
            if let Some(what) = &done.trouble {
                unwell.push((Arc::clone(&done.ledger), done.case.id));
                trouble.get_or_insert_with(|| (done.case.id.to_owned(), what.clone()));
            }
            // Alone it cannot be a victim of others, so what it found is its own.
            let company = self.options.jobs > 1;
            if trouble.is_some() && company && done.raw.is_finding() {
                again.push_back((done.at, done.case));
            } else {
                self.finish(done.at, done.case, done.raw);
            }
            if let Some((case, what)) = trouble.take_if(|_| running.is_empty()) {
                let deaths = self.target.health.deaths().len();
                self.heal(&case, &what).await;
                for (ledger, id) in unwell.drain(..) {
                    self.take_back_late(&ledger, id).await;
                }
                let anew: Vec<_> = again.drain(..).collect();
                for (at, case) in anew
                    .iter()
                    .copied()
                    .chain(queue.drain(..))
                    .collect::<Vec<_>>()
                {
                    self.alone(at, case).await;
                }
                // Which of several cases killed the plugin is known only when one did so alone.
                if self.target.health.deaths().len() > deaths + 1 {
                    self.target.health.forget_death(deaths);
                }
                let seen_again = anew
                    .iter()
                    .any(|(at, _)| self.raw.get(at).is_some_and(Raw::is_finding));
                if !seen_again && !self.interrupted {
                    self.notice(format!(
                        "while several cases ran at once, calls went unanswered ({what}, in {case}); each case \
                         alone did not see it again. The plugin may lock up under parallel calls: try --jobs 16"
                    ));
                }
            }
        }
    }

    /// One case by itself.
    async fn alone(&mut self, at: usize, case: &'static Case) {
        if self.raw.contains_key(&at) {
            return;
        }
        if let Some(reason) = self.unfit(case) {
            self.finish(at, case, Raw::skipped(reason));
            return;
        }
        self.reporter.event(&Event::CaseStarted { id: case.id });
        let (task, handle) = start(Arc::clone(&self.target), at, case);
        let mut running = JoinSet::new();
        running.spawn(task);
        let Some(done) = self.next(&mut running, &[handle]).await else {
            return;
        };
        self.note_hang(&done);
        self.left_behind.extend(done.left_behind);
        self.finish(at, case, done.raw);
        match done.trouble {
            Some(what) => {
                self.heal(case.id, &what).await;
                self.take_back_late(&done.ledger, case.id).await;
            }
            None => self.heal_if_down(case).await,
        }
        if case.needs.contains(&Need::Exec) && !self.interrupted {
            // A plugin that was started anew is activated for those that come next: whether it can
            // do without is a question of its own.
            let _ = Cx::activate_aside(&self.target).await;
        }
    }

    /// The next case that is over; on an interrupt all are cut short first.
    async fn next(&mut self, running: &mut JoinSet<Done>, abort: &[AbortHandle]) -> Option<Done> {
        loop {
            tokio::select! {
                done = running.join_next() => {
                    return match done? {
                        Ok(done) => Some(done),
                        // The wrapper itself neither panics nor is cancelled.
                        Err(join) => {
                            self.broken_run.get_or_insert(format!("a case could not be run: {join}"));
                            continue;
                        }
                    };
                }
                () = tokio::time::sleep(PROGRESS_EVERY) => {
                    if let Some(text) = self.target.play.progress() {
                        self.reporter.event(&Event::CaseProgress { text: &text });
                    }
                }
                () = &mut self.interrupt, if !self.interrupted => {
                    self.interrupted = true;
                    abort.iter().for_each(AbortHandle::abort);
                }
            }
        }
    }

    /// Why a case cannot run here and now.
    fn unfit(&self, case: &Case) -> Option<String> {
        if self.interrupted {
            return Some("the run was interrupted".to_owned());
        }
        if self.broken_run.is_some() {
            return Some("the run was given up".to_owned());
        }
        let target = &self.target;
        if target.health.is_dead() && case.mode != Mode::Closing {
            let broken = target.health.broken(crate::protocol::Endpoint::Activate)?;
            return Some(format!(
                "the plugin stopped answering in {}: Activate {}",
                broken.case, broken.what
            ));
        }
        let Some(lacking) = case.needs.iter().find(|need| !self.has(**need)) else {
            return target.slowness.weary(case.id);
        };
        let reason = match lacking {
            Need::Filesystem => target
                .files
                .blindness()
                .unwrap_or_else(|| lacking.lacking()),
            _ => lacking.lacking(),
        };
        Some(reason.to_owned())
    }

    fn has(&self, need: Need) -> bool {
        let target = &self.target;
        match need {
            Need::Exec => target.plugin.is_some(),
            Need::Filesystem => target.files.blindness().is_none(),
            Need::Root => crate::suite::is_root(),
            Need::Hostile => target.hostile,
            Need::UnixSocket => target.address.socket().is_some(),
            Need::Named => target.found.is_some(),
            Need::Soak => self.options.soak,
            Need::StorageFault => target.storage.as_ref().is_some_and(Storage::can_be_cut),
            Need::Peer => target.peer.is_some(),
            Need::Managed => target.bundle.is_some(),
        }
    }

    async fn heal(&mut self, case: &str, what: &str) {
        if self.interrupted {
            return;
        }
        if let Some(notice) = recover(&self.target, case, what).await {
            self.notice(notice);
        }
    }

    fn notice(&mut self, text: String) {
        self.reporter.event(&Event::Notice(&text));
        self.notices.push(text);
    }

    /// Remembers a call that was not answered in time, for the case that judges just that.
    fn note_hang(&self, done: &Done) {
        if let (true, Some(what)) = (done.hung, &done.trouble) {
            let hang = Broken {
                case: done.case.id.to_owned(),
                what: what.clone(),
            };
            self.target.health.hung(hang);
        }
    }

    /// Takes back what a case made that ended with the plugin unwell.
    async fn take_back_late(&mut self, ledger: &Ledger, case: &str) {
        let taken = take_back(&self.target, ledger, case).await;
        self.left_behind.extend(taken.left_behind);
    }

    /// Looks after a plugin whose process has ended although all calls were answered.
    async fn heal_if_down(&mut self, case: &Case) {
        let Some(plugin) = &self.target.plugin else {
            return;
        };
        if self.interrupted || plugin.is_running().await {
            return;
        }
        // A case that stops the plugin and was cut short has left it so. Any other was answered,
        // and it was the cleaning up that the plugin did not survive.
        if case.needs.contains(&Need::Exec) && plugin.start().await.is_ok() {
            return;
        }
        self.heal(case.id, "the process ended").await;
    }

    fn finish(&mut self, at: usize, case: &'static Case, raw: Raw) {
        if let Raw {
            ended: Err(Halt::Harness(why)),
            ..
        } = &raw
        {
            self.broken_run.get_or_insert(why.clone());
        }
        let report = raw.preview(case, self.options.strict, &self.target);
        self.reporter.event(&Event::CaseFinished(&report));
        self.raw.insert(at, raw);
    }
}

/// How long one case may take at the most, in calls that each take their whole limit.
const LONGEST_CASE: u32 = 30;

/// How much longer one may take that waits as long as dockerd would.
const LONGEST_FAULT: Duration = Duration::from_mins(6);

/// Starts a case as a task of its own, so that a panic or an interrupt ends only it; the future
/// waits for it and takes back what it made.
fn start(
    target: Arc<Target>,
    at: usize,
    case: &'static Case,
) -> (impl Future<Output = Done> + Send + 'static, AbortHandle) {
    let ledger = Arc::new(Ledger::default());
    let mut cx = Cx::new(Arc::clone(&target), Arc::clone(&ledger), case.id);
    let longest = (target.timeout * LONGEST_CASE)
        .max(Duration::from_mins(2))
        .saturating_add(target.play.options.limit)
        .saturating_add(if case.needs.contains(&Need::StorageFault) {
            LONGEST_FAULT
        } else {
            Duration::ZERO
        });
    let begun = Instant::now();
    let task = tokio::spawn(async move {
        match tokio::time::timeout(longest, (case.run)(&mut cx)).await {
            Ok(ended) => ended,
            Err(_) => Err(Halt::skip(format!(
                "not decided within {} s",
                longest.as_secs()
            ))),
        }
    });
    let handle = task.abort_handle();
    let wait = async move {
        let mut ended = match task.await {
            Ok(ended) => ended,
            Err(join) if join.is_cancelled() => Err(Halt::skip("the run was interrupted")),
            Err(join) => Err(Halt::Harness(format!(
                "{} failed by a fault of volplug-conformance itself, please report it: {join}",
                case.id
            ))),
        };
        // However it ended: what it made can only be taken back on storage that is there.
        if let Some(storage) = &target.storage
            && let Err(why) = storage.mend().await
        {
            ended = Err(Halt::Harness(why));
        }
        let took = begun.elapsed();
        let first = ledger.first_trouble();
        let mut hung = first.as_ref().is_some_and(|trouble| trouble.hung);
        let mut trouble = first.map(|t| format!("{} {}", t.endpoint, t.what));
        // A plugin that is not well is looked after first.
        let mut left_behind = Vec::new();
        if trouble.is_none() {
            let taken = take_back(&target, &ledger, case.id).await;
            match taken.silent {
                None => left_behind = taken.left_behind,
                // It is tried again once the plugin has been looked after.
                Some((what, timed_out)) => {
                    hung = timed_out;
                    trouble = Some(format!("{what}, while volumes of {} were removed", case.id));
                }
            }
        }
        Done {
            at,
            case,
            raw: Raw {
                ended,
                record: ledger.record(),
                took,
            },
            trouble,
            hung,
            ledger,
            left_behind,
        }
    };
    (wait, handle)
}
