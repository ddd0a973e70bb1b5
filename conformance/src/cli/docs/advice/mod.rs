//! How plugins usually mend what is found: case by case, and in general for a section.

mod holders;
mod protocol;
mod security;
mod volumes;

use crate::suite::Case;

/// Advice by case.
const TABLES: [&[(&str, &str)]; 4] = [
    protocol::ADVICE,
    volumes::ADVICE,
    holders::ADVICE,
    security::ADVICE,
];

/// What to do about a rule; what holds for its section where nothing else is to be said.
pub(super) fn of_case(case: &Case) -> &'static str {
    let own = TABLES.iter().copied().flatten();
    own.into_iter()
        .find(|(id, _)| *id == case.id)
        .map_or_else(|| of_section(case.section()), |(_, advice)| advice)
}

/// What to do in general about the rules of this section.
pub(super) fn of_section(section: &str) -> &'static str {
    match section {
        "disc" => {
            "Listen at `/run/docker/plugins/NAME.sock`, remove the file on SIGTERM, and at start try to connect to one that \
             is there: remove it if nobody answers. Bind first and restore state afterwards."
        }
        "act" => {
            "Answer `{\"Implements\":[\"VolumeDriver\"]}` from a constant. Let nothing depend on the call: it may come never, or \
             many times."
        }
        "http" => {
            "Use a server that other people use, and take away its strictness: no check of Content-Type, Accept or Host, no \
             limit on connections below 64, an error for an empty or broken body. Never begin to work before the \
             body has been read whole."
        }
        "enc" => {
            "Encode answers with a JSON library from one type per call, and always send an object, also on success: \
             `{\"Err\":\"\"}`. Decode leniently: unknown fields and `null` for `Opts` are common."
        }
        "err" => {
            "Send failures as status 500 with a sentence in `Err` which names the volume and the cause. Put a time limit on \
             whatever the storage does, and catch panics where calls come in."
        }
        "create" => {
            "Make Create idempotent: the same name again succeeds and changes nothing. Check all options before anything is made, \
             and take back what was made when a later step fails. Save the record, with its options, before the answer."
        }
        "get" => {
            "Answer from the plugin's own records and never from the storage alone: an error means to dockerd that the volume is \
             gone. Say a missing volume's name in the error."
        }
        "list" => {
            "List the same records as Get, `[]` where there are none, and fail rather than leave something out."
        }
        "path" => {
            "Answer the path of a mounted volume, and an empty one for a volume that nobody holds."
        }
        "mount" => {
            "Mount below a directory of the plugin's own, answer the absolute path where the data are, and look into the mount \
             table rather than into memory to know whether they are. If mounting fails, leave no hold behind."
        }
        "unmount" => {
            "Let a hold go by its ID, and succeed where there is nothing to let go. Unmount when the last hold has gone; where \
             the mount has gone by itself, forget the hold all the same."
        }
        "remove" => {
            "Refuse while somebody holds the volume; else remove data, record and mount directory, in an order in which a crash \
             leaves a volume that can be removed again."
        }
        "cap" => {
            "Answer `{\"Capabilities\":{\"Scope\":\"local\"}}` from a constant; `global` only where every host sees the same volumes."
        }
        "ref" => {
            "Count Mounts for each ID instead of keeping a set of IDs, and keep the counts on disk. An Unmount takes one hold of its \
             own ID and never another's."
        }
        "conc" => {
            "Take one lock per volume around check and change together, and none across volumes. Never hold a lock that List or Get \
             needs while the storage works."
        }
        "restart" => {
            "Write state to a new file, `fsync` it and rename it over the old one before a call is answered. At start compare it \
             with the mount table, and mount again what is held."
        }
        "prop" => {
            "Play the shortest sequence that was found by hand, with the curl lines of the report, and keep it with \
             `--regressions` so that each later run begins with it."
        }
        "sequence" => {
            "Mend the rule of a single call that explains the finding first. If none does, follow the calls of the report: what \
             Docker sent is what any container's user makes it send."
        }
        "sec" => {
            "Never make a path from a name: encode it so that no two names meet and none leaves the directory, or refuse it. Run \
             programs with an argument list, never through a shell, and with `--` before names. Follow no links."
        }
        "secret" => {
            "Keep secrets in a type that prints as stars, give them to programs through files or pipes, and leave them out of \
             `Status` and of error messages of tools."
        }
        "glob" => {
            "Keep the records where every host reads them, and hold a lock there for as long as a call takes."
        }
        "man" => {
            "Set `PropagatedMount` to the directory of the mounts, ask for no more capabilities than mounting needs, and expect no \
             Activate."
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{TABLES, of_section};
    use crate::catalogue;

    #[test]
    fn every_section_has_advice() {
        for section in catalogue::sections() {
            assert!(!of_section(section.name).is_empty(), "{}", section.name);
        }
    }

    /// What random play and docker commands show is mended as the section says, unless a case is known
    /// for one cause.
    #[test]
    fn every_case_that_judges_one_call_has_advice_of_its_own() {
        let ids: Vec<&str> = TABLES
            .iter()
            .copied()
            .flatten()
            .map(|(id, _)| *id)
            .collect();
        let known: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(known.len(), ids.len(), "a case has advice twice");
        let cases: BTreeSet<&str> = catalogue::all().map(|case| case.id).collect();
        let strangers: Vec<_> = known.difference(&cases).collect();
        assert!(strangers.is_empty(), "{strangers:?}");
        let general = ["prop.", "sequence."];
        let without: Vec<_> = cases
            .difference(&known)
            .filter(|id| !general.iter().any(|section| id.starts_with(section)))
            .collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
