//! What runs in a container: top, stats, and the size of its terminal.

use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::api::Api;
use crate::api::answer;
use crate::api::ask::Ask;
use crate::api::errors::{Answer, Failure};
use crate::error::{Error, Result};
use crate::runtime::Usage;

/// What `ps` is asked for unless the client says otherwise.
const PS: &str = "-ef";
/// How often statistics are sent.
const EVERY: Duration = Duration::from_secs(1);

/// The rows and columns of a request to resize.
pub(super) fn size(ask: &Ask) -> Result<(u16, u16)> {
    let number = |key: &str| {
        let value = ask.number(key)?.unwrap_or(0);
        let text = || Error::invalid(format!("invalid size: {key}={value}"));
        u16::try_from(value).map_err(|_| text())
    };
    Ok((number("h")?, number("w")?))
}

/// `POST /containers/{name}/resize`.
pub(in crate::api) async fn resize(api: &Api, ask: &Ask, name: &str) -> Answer {
    let (rows, columns) = size(ask)?;
    let process = api.daemon.container_process(name).await?;
    process.resize(rows, columns);
    Ok(answer::empty(StatusCode::OK))
}

/// `GET /containers/{name}/top`: the rows of the host's `ps` that are the container's, as in
/// moby's `daemon/top_unix.go`.
pub(in crate::api) async fn top(api: &Api, ask: &Ask, name: &str) -> Answer {
    let process = api.daemon.container_process(name).await?;
    let pids = process.processes();
    if pids.is_empty() {
        let what = format!("{}: nothing runs in containers (--run off)", ask.command());
        return Err(Failure::not_served(&what));
    }
    let asked = ask.value("ps_args");
    let arguments = if asked.is_empty() { PS } else { asked };
    let failed = |why: String| Error::system(format!("error running ps: {why}"));
    let output = Command::new("ps")
        .args(arguments.split_whitespace())
        .output();
    let output = output.await.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(said.trim().to_owned()).into());
    }
    let table = String::from_utf8_lossy(&output.stdout);
    Ok(answer::ok(&own_rows(&table, &pids)?))
}

/// The rows of a table whose `PID` is one of `pids`; the last column may have blanks in it.
fn own_rows(table: &str, pids: &[u32]) -> Result<Value> {
    let mut lines = table.lines();
    let titles: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let pid = titles.iter().position(|title| *title == "PID");
    let pid = pid.ok_or_else(|| Error::system("Couldn't find PID field in ps output"))?;
    let rows: Vec<Vec<&str>> = lines
        .map(|line| columns(line, titles.len()))
        .filter(|row| {
            let number = row.get(pid).and_then(|number| number.parse().ok());
            number.is_some_and(|number| pids.contains(&number))
        })
        .collect();
    Ok(json!({ "Titles": titles, "Processes": rows }))
}

fn columns(line: &str, count: usize) -> Vec<&str> {
    let mut columns = Vec::new();
    let mut rest = line.trim_start();
    while columns.len() + 1 < count
        && let Some((column, behind)) = rest.split_once(char::is_whitespace)
    {
        columns.push(column);
        rest = behind.trim_start();
    }
    columns.push(rest);
    columns
}

/// `GET /containers/{name}/stats`: processor time, memory and processes; what has no cgroup has no
/// limits, and what has the host's network no counters of its own.
pub(in crate::api) async fn stats(api: &Api, ask: &Ask, name: &str) -> Answer {
    let info = api.daemon.container_inspect(name).await?;
    let streams = ask.value("stream").is_empty() || ask.flag("stream");
    let one_shot = ask.flag("one-shot");
    let daemon = api.daemon.clone();
    let (sender, body) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut last = Sample::default();
        let mut is_first = true;
        loop {
            let Ok(container) = daemon.core.containers.get(&info.id) else {
                return;
            };
            let process = daemon.container_process(&info.id).await.ok();
            let usage = process.map(|process| process.usage());
            let now = Sample::take(usage.unwrap_or_default());
            // A single answer has two samples in it, unless the client wants it at once.
            let skipped = is_first && !streams && !one_shot;
            if !skipped {
                let value = now.json(&last, &info.id, &container.name());
                let line = Bytes::from(format!("{value}\n"));
                if sender.send(line).await.is_err() || !streams {
                    return;
                }
            }
            (last, is_first) = (now, false);
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = sender.closed() => return,
            }
        }
    });
    Ok(answer::stream(body, "application/json"))
}

/// What was used, and when.
#[derive(Debug, Default)]
struct Sample {
    time: Option<Timestamp>,
    usage: Usage,
    /// What the whole machine computed.
    system: Duration,
}

impl Sample {
    fn take(usage: Usage) -> Self {
        Self {
            time: Some(Timestamp::now()),
            usage,
            system: system_time().unwrap_or_default(),
        }
    }

    fn json(&self, last: &Self, id: &str, name: &str) -> Value {
        let time = |sample: &Self| {
            let time = sample.time.map(|time| time.to_string());
            time.unwrap_or_else(|| super::show::NEVER.to_owned())
        };
        json!({
            "id": id,
            "name": format!("/{name}"),
            "os_type": "linux",
            "read": time(self),
            "preread": time(last),
            "pids_stats": { "current": self.usage.processes },
            "blkio_stats": {},
            "num_procs": 0,
            "storage_stats": {},
            "cpu_stats": self.cpu(),
            "precpu_stats": last.cpu(),
            "memory_stats": {
                "usage": self.usage.memory,
                "stats": {},
                "limit": total_memory().unwrap_or(0),
            },
        })
    }

    fn cpu(&self) -> Value {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        json!({
            "cpu_usage": {
                "total_usage": nanoseconds(self.usage.cpu),
                "usage_in_kernelmode": 0,
                "usage_in_usermode": nanoseconds(self.usage.cpu),
            },
            "system_cpu_usage": nanoseconds(self.system),
            "online_cpus": processors,
            "throttling_data": { "periods": 0, "throttled_periods": 0, "throttled_time": 0 },
        })
    }
}

/// The first line of `/proc/stat`, as moby's `getSystemCPUUsage` adds it up.
fn system_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let first = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields = first.split_whitespace().take(8);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_secs(ticks) / u32::try_from(per_second).ok()?)
}

fn total_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = info
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::own_rows;

    #[test]
    fn rows_of_other_processes_are_left_out() {
        let table = "UID   PID  CMD\nroot    1  init\nroot   12  sh -c  true\n";
        let rows = own_rows(table, &[12]).unwrap();
        assert_eq!(rows["Titles"], serde_json::json!(["UID", "PID", "CMD"]));
        let row = serde_json::json!([["root", "12", "sh -c  true"]]);
        assert_eq!(rows["Processes"], row);
        assert!(own_rows("NAME\nx", &[1]).is_err());
    }
}
