//! One report from those of a run that was split over several machines.

use std::collections::BTreeSet;

use super::{CaseReport, Report, Summary, Verdict};
use crate::catalogue;
use crate::expected::Outcome;
use crate::runner::{self, Partition};

/// Joins reports about one plugin. Where several judged a case, the worst verdict stands; what
/// explains what is found out again, since a cause and what follows from it may have been in
/// different parts.
///
/// # Errors
/// A sentence: there is none, they are about different plugins, or a part is missing.
pub fn merge(reports: Vec<Report>) -> Result<Report, String> {
    all_parts(&reports)?;
    let mut reports = reports.into_iter();
    let mut merged = reports.next().ok_or("there is no report to merge")?;
    for report in reports {
        if report.target.plugin != merged.target.plugin {
            return Err(format!(
                "one report is about `{}` and another about `{}`: `report compare` sets plugins \
                 side by side",
                merged.target.plugin.escape_debug(),
                report.target.plugin.escape_debug()
            ));
        }
        if report.seed != merged.seed {
            let notice = format!("a part was made with seed {}", report.seed);
            merged.notices.push(notice);
        }
        merged.duration_ms += report.duration_ms;
        merged.interrupted |= report.interrupted;
        merged.left_behind.extend(report.left_behind);
        merged.notices.extend(report.notices);
        for case in report.cases {
            add(&mut merged.cases, case);
        }
    }
    merged.target.partition = None;
    merged
        .cases
        .sort_by_key(|case| catalogue::all().position(|known| known.id == case.id));
    runner::explain(&mut merged.cases);
    for case in &mut merged.cases {
        if case.verdict == Verdict::Skipped
            && let Some(known) = &mut case.expectation
        {
            known.outcome = Outcome::NotJudged;
        }
    }
    merged.summary = Summary::of(&merged.cases);
    Ok(merged)
}

/// A part that is missing would pass for one in which nothing is broken.
fn all_parts(reports: &[Report]) -> Result<(), String> {
    let parts: Vec<Partition> = reports
        .iter()
        .filter_map(|report| report.target.partition.as_deref())
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let Some(first) = parts.first() else {
        return Ok(());
    };
    let given: BTreeSet<_> = parts.iter().map(|part| part.part).collect();
    if parts.iter().any(|part| part.of != first.of) || parts.len() != reports.len() {
        return Err("the reports are not parts of one run: their --partition differs".to_owned());
    }
    match (1..=first.of).find(|part| !given.contains(part)) {
        Some(missing) => Err(format!(
            "the report of --partition {missing}/{} is missing",
            first.of
        )),
        None => Ok(()),
    }
}

fn add(cases: &mut Vec<CaseReport>, case: CaseReport) {
    const fn rank(verdict: Verdict) -> u8 {
        match verdict {
            Verdict::Failed => 0,
            Verdict::Warned => 1,
            Verdict::Passed => 2,
            Verdict::Skipped => 3,
        }
    }
    match cases.iter_mut().find(|known| known.id == case.id) {
        Some(known) if rank(case.verdict) < rank(known.verdict) => *known = case,
        Some(_) => {}
        None => cases.push(case),
    }
}
