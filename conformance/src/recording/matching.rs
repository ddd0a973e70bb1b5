//! What stands for what between a recording and its replay: volume names that are ours to choose,
//! and mountpoints that the plugin chooses. One thing stands for one thing, both ways.

use std::collections::HashMap;

/// Pairs, each part of which is in one pair only.
#[derive(Debug, Default)]
struct Pairs {
    ours: HashMap<String, String>,
    theirs: HashMap<String, String>,
}

impl Pairs {
    /// Whether `ours` may stand for `theirs`; the pair is kept if neither is in another.
    fn pair(&mut self, theirs: &str, ours: &str) -> bool {
        match (self.ours.get(theirs), self.theirs.get(ours)) {
            (None, None) => {
                self.ours.insert(theirs.to_owned(), ours.to_owned());
                self.theirs.insert(ours.to_owned(), theirs.to_owned());
                true
            }
            (Some(known), Some(_)) => known == ours,
            _ => false,
        }
    }

    fn forget(&mut self, theirs: &str) {
        if let Some(ours) = self.ours.remove(theirs) {
            self.theirs.remove(&ours);
        }
    }
}

/// What was learnt so far in a replay.
#[derive(Debug, Default)]
pub(super) struct Matching {
    names: Pairs,
    paths: Pairs,
    /// The recorded mountpoints of each recorded volume.
    of_volume: HashMap<String, Vec<String>>,
}

impl Matching {
    /// The name that stands for a recorded one, made by `fresh` when it is met first.
    pub(super) fn name(&mut self, recorded: &str, fresh: impl FnOnce() -> String) -> String {
        if let Some(ours) = self.names.ours.get(recorded) {
            return ours.clone();
        }
        let ours = fresh();
        self.names.pair(recorded, &ours);
        ours
    }

    /// The recorded name that one of ours stands for.
    pub(super) fn recorded_name(&self, ours: &str) -> Option<&str> {
        self.names.theirs.get(ours).map(String::as_str)
    }

    /// Whether the mountpoint `ours` of the recorded volume may stand for `recorded`.
    pub(super) fn path(&mut self, volume: &str, recorded: &str, ours: &str) -> bool {
        let fits = self.paths.pair(recorded, ours);
        if fits {
            let known = self.of_volume.entry(volume.to_owned()).or_default();
            if !known.iter().any(|path| path == recorded) {
                known.push(recorded.to_owned());
            }
        }
        fits
    }

    /// The recorded volume is gone: one of its name may be mounted elsewhere.
    pub(super) fn gone(&mut self, volume: &str) {
        for path in self.of_volume.remove(volume).unwrap_or_default() {
            self.paths.forget(&path);
        }
    }

    /// A recorded text with what stands for its names and paths.
    pub(super) fn translated(&self, recorded: &str) -> String {
        let mut pairs: Vec<_> = self.names.ours.iter().chain(&self.paths.ours).collect();
        // The longest first: one may be the start of another.
        pairs.sort_by_key(|(theirs, _)| std::cmp::Reverse(theirs.len()));
        pairs
            .into_iter()
            .fold(recorded.to_owned(), |text, (theirs, ours)| {
                text.replace(theirs.as_str(), ours)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::Matching;

    #[test]
    fn one_thing_stands_for_one_thing_both_ways() {
        let mut matching = Matching::default();
        assert_eq!(matching.name("v", || "x1".to_owned()), "x1");
        assert_eq!(matching.name("v", || "x2".to_owned()), "x1");
        assert_eq!(matching.recorded_name("x1"), Some("v"));
        assert!(matching.path("v", "/old/v", "/new/1"));
        assert!(matching.path("v", "/old/v", "/new/1"));
        assert!(!matching.path("v", "/old/v", "/new/2"));
        assert!(!matching.path("w", "/old/w", "/new/1"));
        assert_eq!(matching.translated("v is at /old/v"), "x1 is at /new/1");
        matching.gone("v");
        assert!(matching.path("v", "/old/v", "/new/2"));
    }
}
