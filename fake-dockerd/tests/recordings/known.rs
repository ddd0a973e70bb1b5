//! The differences that are known, each with its reason.

use fake_dockerd::Engine;

use super::replay::Way;

/// Scenario, engines, reason.
const KNOWN: &[(&str, &[Engine], &str)] = &[(
    "list-null-entry",
    &Engine::ALL,
    "a null volume in a list makes dockerd panic and exit; this engine leaves it out and says so",
)];

/// What differs only with the docker CLI, where more is compared.
const KNOWN_WITH_DOCKER: &[(&str, &[Engine], &str)] = &[(
    "driver-not-found",
    &Engine::ALL,
    "the CLI takes the 404 for a missing image and pulls it; here every image can be pulled, there \
     was no network",
)];

/// Commands of which only the calls to plugins are compared.
const NOT_SERVED: &[(&[&str], &str)] = &[
    (&["swarm"], SWARM),
    (&["service"], SWARM),
    (&["node"], SWARM),
];
const SWARM: &str = "there is no swarm, as the 501 says";

/// Commands whose standard output comes out of the container.
const NOT_RUN: &[(&[&str], &str)] = &[];

/// Why nothing that a command prints is compared.
pub(crate) fn not_served(argv: &[&str]) -> Option<&'static str> {
    of(NOT_SERVED, argv)
}

/// Why a command's standard output is not compared.
pub(crate) fn not_run(argv: &[&str]) -> Option<&'static str> {
    of(NOT_RUN, argv)
}

fn of(table: &[(&[&str], &'static str)], argv: &[&str]) -> Option<&'static str> {
    let entry = table.iter().find(|(words, _)| argv.starts_with(words));
    entry.map(|(_, reason)| *reason)
}

/// Why a scenario differs on an engine, if it is known to.
pub(crate) fn reason(way: Way, scenario: &str, engine: Engine) -> Option<&'static str> {
    entries(way)
        .find(|(name, engines, _)| *name == scenario && engines.contains(&engine))
        .map(|(_, _, reason)| *reason)
}

/// Every known difference as a line.
pub(crate) fn all(way: Way) -> impl Iterator<Item = String> {
    entries(way).map(|(scenario, engines, reason)| format!("{scenario} ({engines:?}): {reason}"))
}

fn entries(
    way: Way,
) -> impl Iterator<Item = &'static (&'static str, &'static [Engine], &'static str)> {
    let more = match way {
        Way::Library => &[],
        Way::Docker => KNOWN_WITH_DOCKER,
    };
    KNOWN.iter().chain(more)
}
