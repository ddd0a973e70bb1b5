//! Splitting a run over several machines.

use std::fmt;
use std::str::FromStr;

use super::Plan;
use crate::suite::{Case, Mode, Need};

/// One of several parts of a run, such as `2/4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1.
    pub part: usize,
    /// How many parts there are.
    pub of: usize,
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((part, of)) if (1..=of).contains(&part) => Ok(Self { part, of }),
            _ => Err(format!(
                "`{text}` is no part of a run: the second of four is 2/4"
            )),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

/// What a case takes, in milliseconds, by what it does: rough, and the same on every machine.
const PLAIN: u32 = 10;
const RESTARTING: u32 = 80;
const PLAYING: u32 = 10_000;
const SOAKING: u32 = 30_000;

impl Plan {
    /// Keeps the cases of one part. The parts are the same whenever the selection is, every case is
    /// in exactly one, and they take about as long as each other.
    ///
    /// Cases that judge every answer of a run ([`Mode::Closing`]) are watched in the other parts, too:
    /// there they are told only where they find something.
    #[must_use]
    pub fn part(&self, partition: Partition) -> Self {
        let mut units: Vec<(u32, Vec<usize>)> = Vec::new();
        let mut last = "";
        for (at, case) in self.cases.iter().enumerate() {
            match units.last_mut() {
                // The cases of random play look up what one play has found.
                Some((_, unit)) if case.section() == "prop" && last == "prop" => unit.push(at),
                _ => units.push((cost(case), vec![at])),
            }
            last = case.section();
        }
        // The longest first, each to the part that has least to do; the order of the catalogue
        // decides where costs are equal.
        units.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        let mut loads = vec![0_u64; partition.of];
        let mut chosen = vec![false; self.cases.len()];
        for (cost, unit) in units {
            let least = loads.iter().enumerate().min_by_key(|(_, load)| **load);
            let part = least.map_or(0, |(part, _)| part);
            for load in loads.iter_mut().skip(part).take(1) {
                *load += u64::from(cost);
            }
            for at in unit {
                if let Some(mine) = chosen.get_mut(at) {
                    *mine = part + 1 == partition.part;
                }
            }
        }
        let numbered = || self.cases.iter().copied().zip(&chosen);
        let closing = |case: &Case| case.mode == Mode::Closing;
        Self {
            cases: numbered()
                .filter(|(case, mine)| **mine || closing(case))
                .map(|(case, _)| case)
                .collect(),
            watched: numbered()
                .filter(|(case, mine)| !**mine && closing(case))
                .map(|(case, _)| case.id)
                .collect(),
        }
    }

    /// The cases that are judged here, without those that are only watched.
    pub fn own(&self) -> impl Iterator<Item = &'static Case> {
        let watched = |case: &&'static Case| self.watched.contains(&case.id);
        self.cases
            .iter()
            .copied()
            .filter(move |case| !watched(case))
    }
}

/// About how long a case takes, in milliseconds.
fn cost(case: &Case) -> u32 {
    if case.section() == "prop" {
        PLAYING
    } else if case.needs.contains(&Need::Soak) {
        SOAKING
    } else if case.needs.contains(&Need::Exec) {
        RESTARTING
    } else {
        PLAIN
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use std::collections::BTreeMap;

    use super::{Partition, cost};
    use crate::catalogue;
    use crate::runner::{Plan, Selection};

    #[test]
    fn every_case_is_in_one_part_and_the_parts_weigh_the_same() {
        let plan = Plan::new(&Selection::default()).unwrap();
        for of in 1..=7 {
            let mut times: BTreeMap<&str, usize> = BTreeMap::new();
            let mut loads = Vec::new();
            for part in 1..=of {
                let here = plan.part(Partition { part, of });
                for case in here.own() {
                    *times.entry(case.id).or_default() += 1;
                }
                let plays = here.own().filter(|case| case.section() == "prop").count();
                let all = catalogue::all()
                    .filter(|case| case.section() == "prop")
                    .count();
                assert!(
                    plays == 0 || plays == all,
                    "{plays} of the cases of one play"
                );
                let single = here.own().filter(|case| case.section() != "prop");
                loads.push(single.map(cost).sum::<u32>() + if plays > 0 { 10_000 } else { 0 });
            }
            assert_eq!(times.len(), catalogue::all().count());
            assert!(times.values().all(|times| *times == 1));
            // No two parts differ by more than the longest single thing.
            let longest = catalogue::all().map(cost).max().unwrap();
            let (most, least) = (loads.iter().max().unwrap(), loads.iter().min().unwrap());
            assert!(most - least <= longest, "{loads:?}");
        }
    }

    #[test]
    fn a_part_is_a_number_of_another() {
        assert_eq!("2/4".parse::<Partition>().unwrap().to_string(), "2/4");
        for wrong in ["0/4", "5/4", "2", "a/b", "1/0", "-1/2"] {
            assert!(wrong.parse::<Partition>().is_err(), "{wrong}");
        }
    }
}
