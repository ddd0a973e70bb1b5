//! The differences that are known, each with its reason.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;

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

/// Commands of which not everything is compared.
pub(crate) struct Excuse {
    words: &'static [&'static str],
    pub(crate) still: Still,
    why: &'static str,
}

/// What is compared all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Still {
    /// The calls to plugins.
    Calls,
    /// The calls, and what the engine says of itself. What the container's process prints, and its
    /// exit status, are not.
    Engine,
}

const EXCUSES: &[Excuse] = &[
    excuse(&["swarm"], Still::Calls, NO_SWARM),
    excuse(&["service"], Still::Calls, NO_SWARM),
    excuse(&["node"], Still::Calls, NO_SWARM),
    excuse(&["commit"], Still::Calls, NO_IMAGES),
    excuse(&["diff"], Still::Calls, NO_IMAGES),
    excuse(&["export"], Still::Calls, NO_IMAGES),
    excuse(&["top"], Still::Calls, NO_PROCESS),
    excuse(&["stats"], Still::Calls, NO_PROCESS),
    excuse(&["update"], Still::Calls, NO_LIMITS),
    excuse(&["start", "-a"], Still::Engine, LOOKED),
    excuse(&["ls"], Still::Engine, LOOKED),
    excuse(&["cat"], Still::Engine, LOOKED),
    excuse(&["sh"], Still::Engine, LOOKED),
    excuse(&["touch"], Still::Engine, LOOKED),
];
const NO_SWARM: &str = "there is no swarm, as the 501 says";
const NO_IMAGES: &str = "images are names, as the 501 says";
const NO_PROCESS: &str = "the process is only simulated, and nothing of it can be measured";
const NO_LIMITS: &str = "containers have no limits that could be changed, as the 501 says";
const LOOKED: &str = "the process is only simulated, and reads and writes nothing";

const fn excuse(words: &'static [&'static str], still: Still, why: &'static str) -> Excuse {
    Excuse { words, still, why }
}

/// Excuses by which something that differs was passed over, as places in the table.
static NEEDED: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

impl Excuse {
    /// What is not compared of a command of the docker CLI.
    pub(crate) fn of(argv: &[&str]) -> Option<&'static Self> {
        EXCUSES.iter().find(|excuse| excuse.covers(argv))
    }

    /// By the words that the command begins with; of a process's output, by what runs in the
    /// container.
    fn covers(&self, argv: &[&str]) -> bool {
        if argv.starts_with(self.words) {
            return true;
        }
        let [word] = self.words else {
            return false;
        };
        let runs = matches!(argv, ["run" | "exec", ..]) && !argv.contains(&"-d");
        self.still == Still::Engine && runs && argv.contains(word)
    }

    /// Notes that something would have differed.
    pub(crate) fn note(&self) {
        let at = EXCUSES.iter().position(|excuse| std::ptr::eq(excuse, self));
        NEEDED.lock().unwrap().extend(at);
    }

    /// Those of which no command needed them, as lines.
    pub(crate) fn stale() -> Vec<String> {
        let needed = NEEDED.lock().unwrap();
        let all = EXCUSES.iter().enumerate();
        let stale = all.filter(|(at, _)| !needed.contains(at));
        stale
            .map(|(_, excuse)| format!("all is equal, but excused: {excuse}"))
            .collect()
    }

    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        EXCUSES.iter()
    }
}

impl fmt::Display for Excuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { words, still, why } = self;
        let words = words.join(" ");
        match still {
            Still::Calls => write!(f, "{words}: calls only, {why}"),
            Still::Engine => write!(
                f,
                "{words}: not the output and exit status of what runs, {why}"
            ),
        }
    }
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
