//! The processes of a container: all that are in its pid namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::runtime::Usage;

/// A process that is forked while others are stopped is found in the next round.
const ROUNDS: usize = 10;

/// The processes in the pid namespace of `first`.
pub(super) fn processes(first: u32) -> Vec<u32> {
    let Ok(namespace) = pid_namespace(first) else {
        return Vec::new();
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| pid_namespace(*pid).is_ok_and(|other| other == namespace))
        .collect()
}

fn pid_namespace(pid: u32) -> std::io::Result<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid"))
}

/// Stops or continues all of them. A freezer would do so at once and unseen, but needs a cgroup.
pub(super) fn pause(first: u32, paused: bool) {
    let signal = if paused {
        Signal::SIGSTOP
    } else {
        Signal::SIGCONT
    };
    let mut known = Vec::new();
    for _ in 0..ROUNDS {
        let all = processes(first);
        if all.iter().all(|pid| known.contains(pid)) {
            break;
        }
        for pid in &all {
            if let Ok(pid) = i32::try_from(*pid) {
                // It may have ended meanwhile.
                let _ = kill(Pid::from_raw(pid), signal);
            }
        }
        known = all;
    }
}

/// What they use.
pub(super) fn usage(first: u32) -> Usage {
    let mut usage = Usage::default();
    let page = rustix::param::page_size() as u64;
    for pid in processes(first) {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        usage.processes += 1;
        usage.cpu += cpu(&directory).unwrap_or_default();
        usage.memory += resident_pages(&directory).unwrap_or_default() * page;
    }
    usage
}

/// The numbers of `/proc/PID/stat` behind the name in brackets, which may contain anything; what
/// is none counts as 0.
fn stat(directory: &Path) -> Option<Vec<u64>> {
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields = fields.split(' ');
    Some(fields.map(|field| field.parse().unwrap_or(0)).collect())
}

/// When a process began, in clock ticks since the machine did (field 22).
pub(super) fn begun(pid: u32) -> Option<u64> {
    let stat = stat(&PathBuf::from(format!("/proc/{pid}")))?;
    stat.get(19).copied()
}

/// The time of a process and of its children that have ended (fields 14 to 17).
fn cpu(directory: &Path) -> Option<Duration> {
    let ticks: u64 = stat(directory)?.get(11..15)?.iter().sum();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_secs(ticks) / u32::try_from(per_second).ok()?)
}

fn resident_pages(directory: &Path) -> Option<u64> {
    let statm = fs::read_to_string(directory.join("statm")).ok()?;
    statm.split(' ').nth(1)?.parse().ok()
}
