//! Load on a plugin: how many calls a second it answers, and how long single ones take.
//!
//! Clients are plain threads that write prepared bytes and read whole answers, so that the client
//! costs little beside what it measures. Numbers of one machine at one time mean nothing by
//! themselves: measure two plugins in turns and compare.

mod client;

use std::io;
use std::time::{Duration, Instant};

use crate::protocol::{Endpoint, create_body, hold_body, name_body};
use crate::wire::{Address, Request};
use client::Client;

/// What one client repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// One Get of an existing volume.
    Get,
    /// A Mount and its Unmount, with a new ID each time.
    MountUnmount,
}

impl Work {
    /// Both, for tables.
    pub const ALL: [Self; 2] = [Self::Get, Self::MountUnmount];

    /// What it is called in a table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "Get",
            Self::MountUnmount => "Mount+Unmount",
        }
    }

    /// How many requests one repetition takes.
    const fn requests(self) -> usize {
        match self {
            Self::Get => 1,
            Self::MountUnmount => 2,
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// Requests answered a second, over all connections.
    pub per_second: f64,
    /// The median time of a repetition.
    pub p50: Duration,
    /// The time that 99 of 100 repetitions stay under.
    pub p99: Duration,
}

/// Repeats `work` on `connections` kept-alive connections for `time`, each on a volume of its own
/// that `volumes` names.
///
/// # Errors
/// When the plugin cannot be reached, hangs up, or answers other than 200.
pub fn load(
    address: &Address,
    work: Work,
    connections: usize,
    volumes: &[String],
    time: Duration,
) -> io::Result<Stats> {
    let begun = Instant::now();
    let deadline = begun + time;
    let mut handles = Vec::new();
    for (at, volume) in volumes.iter().cycle().take(connections).enumerate() {
        let mut client = Client::open(address)?;
        let volume = volume.clone();
        handles.push(std::thread::spawn(move || {
            repeat(&mut client, work, &volume, at, deadline)
        }));
    }
    let mut times = Vec::new();
    for handle in handles {
        times.extend(
            handle
                .join()
                .map_err(|_| io::Error::other("a client died"))??,
        );
    }
    let took = begun.elapsed();
    times.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index of a small list"
        )]
        let index = ((times.len() as f64) * share) as usize;
        times
            .get(index.min(times.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    };
    let requests = times.len() * work.requests();
    Ok(Stats {
        per_second: requests as f64 / took.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
    })
}

/// Creates a volume over a connection of its own.
///
/// # Errors
/// When Create does not answer 200.
pub fn create(address: &Address, names: impl IntoIterator<Item = String>) -> io::Result<()> {
    let mut client = Client::open(address)?;
    for name in names {
        client
            .call(&Request::docker(Endpoint::Create.path(), create_body(&name, &None)).bytes())?;
    }
    Ok(())
}

fn repeat(
    client: &mut Client,
    work: Work,
    volume: &str,
    client_number: usize,
    deadline: Instant,
) -> io::Result<Vec<Duration>> {
    let request = |endpoint: Endpoint, body| Request::docker(endpoint.path(), body).bytes();
    let get = request(Endpoint::Get, name_body(volume));
    let mut times = Vec::new();
    while Instant::now() < deadline {
        let id = format!("{:064x}", (client_number << 40) + times.len());
        let (mount, unmount) = (
            request(Endpoint::Mount, hold_body(volume, &id)),
            request(Endpoint::Unmount, hold_body(volume, &id)),
        );
        let begun = Instant::now();
        match work {
            Work::Get => client.call(&get)?,
            Work::MountUnmount => {
                client.call(&mount)?;
                client.call(&unmount)?;
            }
        }
        times.push(begun.elapsed());
    }
    Ok(times)
}

/// The resident memory of a process, in bytes.
///
/// # Errors
/// When `/proc` does not tell.
pub fn resident_memory(pid: u32) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes
        .map(|kb| kb * 1024)
        .ok_or_else(|| io::Error::other("no VmRSS in /proc"))
}
