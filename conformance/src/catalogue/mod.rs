//! The catalogue: every rule, one file per section.

mod activation;
mod canary;
mod capabilities;
mod compared;
mod concurrency;
mod create;
mod discovery;
mod encoding;
mod errors;
mod get;
mod global;
mod list;
mod managed;
mod mount;
mod names;
mod observed;
mod path;
mod plugin_files;
mod properties;
mod references;
mod remove;
mod restart;
mod secrets;
mod sequence;
mod tour;
mod transport;
mod unmount;
mod volume_steps;
mod without_storage;

pub(crate) use concurrency::LINEARIZABLE;
pub(crate) use restart::ANY_MOMENT;
pub(crate) use sequence::{RANDOM_COMMANDS, unclear_command};

use crate::suite::Case;

/// A section of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The first half of its cases' ids.
    pub name: &'static str,
    /// What it is about, for headings.
    pub title: &'static str,
    /// Its cases, in reading order.
    pub cases: &'static [Case],
}

const SECTIONS: &[Section] = &[
    Section {
        name: "disc",
        title: "Discovery",
        cases: discovery::CASES,
    },
    Section {
        name: "act",
        title: "Activation",
        cases: activation::CASES,
    },
    Section {
        name: "http",
        title: "Transport",
        cases: transport::CASES,
    },
    Section {
        name: "enc",
        title: "Encoding",
        cases: encoding::CASES,
    },
    Section {
        name: "err",
        title: "Errors",
        cases: errors::CASES,
    },
    Section {
        name: "create",
        title: "Create",
        cases: create::CASES,
    },
    Section {
        name: "get",
        title: "Get",
        cases: get::CASES,
    },
    Section {
        name: "list",
        title: "List",
        cases: list::CASES,
    },
    Section {
        name: "path",
        title: "Path",
        cases: path::CASES,
    },
    Section {
        name: "mount",
        title: "Mount",
        cases: mount::CASES,
    },
    Section {
        name: "unmount",
        title: "Unmount",
        cases: unmount::CASES,
    },
    Section {
        name: "remove",
        title: "Remove",
        cases: remove::CASES,
    },
    Section {
        name: "cap",
        title: "Capabilities",
        cases: capabilities::CASES,
    },
    Section {
        name: "ref",
        title: "Reference counting",
        cases: references::CASES,
    },
    Section {
        name: "conc",
        title: "Concurrency",
        cases: concurrency::CASES,
    },
    Section {
        name: "restart",
        title: "Restart and persistence",
        cases: restart::CASES,
    },
    Section {
        name: "prop",
        title: "Random play",
        cases: properties::CASES,
    },
    Section {
        name: "sequence",
        title: "Sequences of an engine",
        cases: sequence::CASES,
    },
    Section {
        name: "sec",
        title: "Names and security",
        cases: names::CASES,
    },
    Section {
        name: "secret",
        title: "Secrets",
        cases: secrets::CASES,
    },
    Section {
        name: "glob",
        title: "Global scope",
        cases: global::CASES,
    },
    Section {
        name: "man",
        title: "Managed plugins",
        cases: managed::CASES,
    },
];

/// All sections, in reading order.
pub fn sections() -> impl Iterator<Item = &'static Section> {
    SECTIONS.iter()
}

/// All cases, in reading order.
pub fn all() -> impl Iterator<Item = &'static Case> {
    SECTIONS.iter().flat_map(|section| section.cases)
}

/// The case called `id`.
#[must_use]
pub fn find(id: &str) -> Option<&'static Case> {
    all().find(|case| case.id == id)
}

/// How readily a case is taken for the cause, where findings explain each other in a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CauseRank {
    /// Before all others.
    First,
    /// As any other, in the order of the catalogue.
    Ordinary,
    /// After all others.
    Last,
}

/// The rank of the case called `id`.
pub(crate) fn rank_as_cause(id: &str) -> CauseRank {
    match id {
        // A plugin dies of what it cannot read after a kill, and not the other way round.
        ANY_MOMENT => CauseRank::First,
        // A history of many calls is the last to be taken for what one call alone can break.
        LINEARIZABLE => CauseRank::Last,
        _ => CauseRank::Ordinary,
    }
}

#[cfg(test)]
mod tests {
    use super::{ANY_MOMENT, LINEARIZABLE, all, find};

    #[test]
    fn cases_with_a_rank_of_their_own_are_there() {
        assert!(find(ANY_MOMENT).is_some() && find(LINEARIZABLE).is_some());
    }

    /// dockerd refuses containers whose name has only one letter.
    #[test]
    fn container_names_are_such_as_docker_takes() {
        for case in all() {
            for line in case.docker {
                let mut words = line.split_whitespace();
                while let Some(word) = words.next() {
                    let name = words.clone().next().filter(|_| word == "--name");
                    assert!(
                        name.is_none_or(|name| name.len() > 1),
                        "{}: {line}",
                        case.id
                    );
                }
            }
        }
    }
}
