//! The differences that are known, each with its reason.

use fake_dockerd::Engine;

/// Scenario, engines, reason.
const KNOWN: &[(&str, &[Engine], &str)] = &[(
    "list-null-entry",
    &Engine::ALL,
    "a null volume in a list makes dockerd panic and exit; this engine leaves it out and says so",
)];

/// Why a scenario differs on an engine, if it is known to.
pub(crate) fn reason(scenario: &str, engine: Engine) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|(name, engines, _)| *name == scenario && engines.contains(&engine))
        .map(|(_, _, reason)| *reason)
}

/// Every known difference as a line.
pub(crate) fn all() -> impl Iterator<Item = String> {
    KNOWN
        .iter()
        .map(|(scenario, engines, reason)| format!("{scenario} ({engines:?}): {reason}"))
}
