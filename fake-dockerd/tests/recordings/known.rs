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
const KNOWN_WITH_DOCKER: &[(&str, &[Engine], &str)] = &[
    ("driver-not-found", &Engine::ALL, PULLED),
    ("discovery-socket-missing", &Engine::ALL, PULLED),
    (
        "docker-build-volume",
        &Engine::ALL,
        "`docker commit` is not served, so that the image it makes is not there to be inspected",
    ),
    (
        "docker-cp",
        &Engine::ALL,
        "a file is copied into the image's /tmp, and an image that is only a name has none",
    ),
];
const PULLED: &str = "the CLI takes the 404 for a missing image and pulls it: that fails without a \
                      network, and always succeeds here";

/// Commands of which only the calls to plugins are compared.
const NOT_SERVED: &[(&[&str], &str)] = &[
    (&["swarm"], NO_SWARM),
    (&["service"], NO_SWARM),
    (&["node"], NO_SWARM),
    (&["commit"], NO_IMAGES),
    (&["diff"], NO_IMAGES),
    (&["export"], NO_IMAGES),
    (
        &["system", "prune"],
        "networks and the build cache are not pruned",
    ),
    (&["top"], NO_PROCESS),
    (&["stats"], NO_PROCESS),
    (&["update"], NO_PROCESS),
];
const NO_SWARM: &str = "there is no swarm, as the 501 says";
const NO_IMAGES: &str = "images are names, as the 501 says";
const NO_PROCESS: &str = "nothing runs that could be looked at, as the 501 says";

/// Commands of which the output is the container's own, and what it is.
const NOT_RUN: &[(&[&str], &str)] = &[
    (&["ls"], LOOKED),
    (&["cat"], LOOKED),
    (&["sh"], LOOKED),
    (&["touch"], LOOKED),
    (&["mkdir"], LOOKED),
];
const LOOKED: &str = "the process is only simulated, and reads and writes nothing";

/// Why nothing that a command prints is compared.
pub(crate) fn not_served(argv: &[&str]) -> Option<&'static str> {
    of(NOT_SERVED, argv)
}

/// Why what the process of a container printed, and its exit status, are not compared.
pub(crate) fn not_run(argv: &[&str]) -> Option<&'static str> {
    let (command, rest) = argv.split_first()?;
    if argv.starts_with(&["start", "-a"]) {
        return Some(LOOKED);
    }
    if !["run", "exec"].contains(command) || rest.contains(&"-d") {
        return None;
    }
    rest.iter().find_map(|word| of(NOT_RUN, &[*word]))
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

/// What is not compared of commands that the docker CLI runs, as lines.
pub(crate) fn not_compared() -> impl Iterator<Item = String> {
    let not_served = NOT_SERVED
        .iter()
        .map(|(words, reason)| format!("docker {}: calls only, {reason}", words.join(" ")));
    let not_run = NOT_RUN.iter().map(|(words, reason)| {
        format!(
            "{} in a container: not its output and exit status, {reason}",
            words.join(" ")
        )
    });
    not_served.chain(not_run)
}
