//! Counting calls: how many, how long, how many failed and why.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::report::{Bucket, OperationReport};

/// The calls that a driver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Get,
    List,
    Path,
    Mount,
    Unmount,
    Remove,
}

impl Operation {
    pub(super) const ALL: [Self; 7] = [
        Self::Create,
        Self::Get,
        Self::List,
        Self::Path,
        Self::Mount,
        Self::Unmount,
        Self::Remove,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::List => "list",
            Self::Path => "path",
            Self::Mount => "mount",
            Self::Unmount => "unmount",
            Self::Remove => "remove",
        }
    }
}

/// The limits of the buckets, in seconds: from what an answer from memory takes to the 120 s that
/// dockerd waits for a Mount.
const LIMITS: [f64; 10] = [0.0001, 0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 20.0, 60.0, 120.0];

/// The counters of one plugin.
#[derive(Debug, Default)]
pub(super) struct Operations([Mutex<Tally>; Operation::ALL.len()]);

#[derive(Debug, Default)]
struct Tally {
    buckets: [u64; LIMITS.len() + 1],
    total: Duration,
    failures: BTreeMap<&'static str, u64>,
}

impl Operations {
    /// Notes one call that has ended, and why it failed if it did.
    pub(super) fn note(&self, operation: Operation, took: Duration, failure: Option<&'static str>) {
        let Some(tally) = self.0.get(operation as usize) else {
            return;
        };
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = took.as_secs_f64();
        let bucket = LIMITS.partition_point(|limit| *limit < seconds);
        if let Some(count) = tally.buckets.get_mut(bucket) {
            *count += 1;
        }
        tally.total += took;
        if let Some(kind) = failure {
            *tally.failures.entry(kind).or_default() += 1;
        }
    }

    pub(super) fn report(&self) -> Vec<OperationReport> {
        let operations = Operation::ALL.into_iter().zip(&self.0);
        operations
            .map(|(operation, tally)| {
                let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                let limits = LIMITS.into_iter().map(Some).chain([None]);
                OperationReport {
                    operation: operation.as_str().to_owned(),
                    count: tally.buckets.iter().sum(),
                    seconds: tally.total.as_secs_f64(),
                    failures: tally
                        .failures
                        .iter()
                        .map(|(kind, count)| ((*kind).to_owned(), *count))
                        .collect(),
                    buckets: limits
                        .zip(tally.buckets)
                        .map(|(le, count)| Bucket { le, count })
                        .collect(),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_in_the_bucket_of_their_duration() {
        let operations = Operations::default();
        for millis in [1, 2, 200_000] {
            operations.note(Operation::Mount, Duration::from_millis(millis), None);
        }
        operations.note(Operation::Mount, Duration::ZERO, Some("in-use"));
        let reports = operations.report();
        let mount = reports
            .iter()
            .find(|report| report.operation == "mount")
            .unwrap();
        let counts: Vec<_> = mount.buckets.iter().map(|bucket| bucket.count).collect();
        // "Up to 0.001 s" includes it, as OpenMetrics has it.
        assert_eq!(counts, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((mount.count, mount.failed()), (4, 1));
    }
}
