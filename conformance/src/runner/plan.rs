//! Which cases to run, from what the user selected.

use globset::{Glob, GlobSet, GlobSetBuilder};
use thiserror::Error;

use crate::catalogue;
use crate::suggest;
use crate::suite::{Case, Level};

/// What the user selected.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Ids, sections or globs to run; all if empty.
    pub only: Vec<String>,
    /// Ids, sections or globs to leave out.
    pub skip: Vec<String>,
    /// The lowest level to run; all if none.
    pub level: Option<Level>,
}

/// The cases of a run, in the order of the catalogue.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The cases.
    pub cases: Vec<&'static Case>,
    /// Those that belong to another part of the run, and are told only where they find something.
    pub(super) watched: Vec<&'static str>,
}

/// Why there is nothing to run.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// A pattern is no glob.
    #[error("`{pattern}` is no pattern: {why}")]
    BadPattern {
        /// What the user gave.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A pattern fits no case.
    #[error("no case is called `{pattern}`{}; `volplug-conformance list` shows all", suggest::hint(.nearest.as_deref()))]
    NoSuchCase {
        /// What the user gave.
        pattern: String,
        /// The nearest id or section.
        nearest: Option<String>,
    },
    /// Everything was left out.
    #[error("the selection leaves no case to run: --only, --skip and --level exclude each other")]
    Empty,
}

impl Plan {
    /// Selects from the catalogue.
    ///
    /// # Errors
    /// [`PlanError`]: a misspelt id is an error, and so is a run of nothing.
    pub fn new(selection: &Selection) -> Result<Self, PlanError> {
        let only = patterns(&selection.only)?;
        let skip = patterns(&selection.skip)?;
        let chosen = |case: &&Case| {
            (selection.only.is_empty() || only.is_match(case.id))
                && !skip.is_match(case.id)
                && selection.level.is_none_or(|lowest| case.level <= lowest)
        };
        let cases: Vec<_> = catalogue::all().filter(chosen).collect();
        if cases.is_empty() {
            Err(PlanError::Empty)
        } else {
            Ok(Self {
                cases,
                watched: Vec::new(),
            })
        }
    }
}

/// Compiles patterns. A section's name alone stands for all of its cases.
fn patterns(given: &[String]) -> Result<GlobSet, PlanError> {
    let mut set = GlobSetBuilder::new();
    let bad = |pattern: &str, why: globset::Error| PlanError::BadPattern {
        pattern: pattern.to_owned(),
        why: why.kind().to_string(),
    };
    for pattern in given {
        let is_section = catalogue::sections().any(|section| section.name == pattern);
        let text = if is_section {
            format!("{pattern}.*")
        } else {
            pattern.clone()
        };
        let glob = Glob::new(&text).map_err(|why| bad(pattern, why))?;
        let matcher = glob.compile_matcher();
        if !catalogue::all().any(|case| matcher.is_match(case.id)) {
            let nearest = nearest(pattern);
            return Err(PlanError::NoSuchCase {
                pattern: pattern.clone(),
                nearest,
            });
        }
        set.add(glob);
    }
    set.build().map_err(|why| bad("", why))
}

/// The id or section most like `text`, if any is like it at all.
pub(crate) fn nearest(text: &str) -> Option<String> {
    let names = catalogue::all()
        .map(|case| case.id)
        .chain(catalogue::sections().map(|s| s.name));
    suggest::nearest(text, names).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{Plan, PlanError, Selection};
    use crate::suite::Level;

    fn only(pattern: &str) -> Result<Plan, PlanError> {
        Plan::new(&Selection {
            only: vec![pattern.to_owned()],
            ..Selection::default()
        })
    }

    #[test]
    fn ids_sections_and_globs_select() {
        assert_eq!(only("create.works").unwrap().cases.len(), 1);
        let section = only("create").unwrap().cases;
        assert!(section.len() > 3 && section.iter().all(|case| case.section() == "create"));
        assert_eq!(only("create.*").unwrap().cases.len(), section.len());
    }

    #[test]
    fn a_misspelt_id_is_an_error_with_a_suggestion() {
        let error = only("create.wroks").unwrap_err().to_string();
        assert!(error.contains("did you mean `create.works`?"), "{error}");
        assert!(matches!(only("a["), Err(PlanError::BadPattern { .. })));
    }

    #[test]
    fn a_run_of_nothing_is_an_error() {
        let selection = Selection {
            only: vec!["create".into()],
            skip: vec!["create".into()],
            level: Some(Level::May),
        };
        assert_eq!(Plan::new(&selection).unwrap_err(), PlanError::Empty);
    }
}
