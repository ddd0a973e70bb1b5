//! `list`: the catalogue, for people and for tools.

use clap::ValueEnum;
use serde_json::json;

use crate::catalogue;
use crate::exit::Exit;
use crate::runner::{Plan, Selection};

/// How to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListFormat {
    /// One line a case.
    Text,
    /// An array of objects.
    Json,
}

pub(super) fn list(only: &[String], format: ListFormat) -> Result<Exit, String> {
    let selection = Selection {
        only: only.to_vec(),
        ..Selection::default()
    };
    let plan = Plan::new(&selection).map_err(|error| error.to_string())?;
    match format {
        ListFormat::Json => {
            let cases: Vec<_> = plan
                .cases
                .iter()
                .map(|case| {
                    json!({
                        "id": case.id,
                        "section": case.section(),
                        "level": case.level,
                        "title": case.title,
                        "why": case.why,
                        "harm": case.harm,
                        "source": case.sources,
                        "needs": case.needs.iter().map(|need| need.lacking()).collect::<Vec<_>>(),
                    })
                })
                .collect();
            let text = serde_json::to_string_pretty(&cases).map_err(|error| error.to_string())?;
            super::run::print(&(text + "\n"))?;
        }
        ListFormat::Text => {
            let mut text = String::new();
            let longest = plan
                .cases
                .iter()
                .map(|case| case.id.len())
                .max()
                .unwrap_or_default();
            for section in catalogue::sections() {
                let cases: Vec<_> = plan
                    .cases
                    .iter()
                    .filter(|case| case.section() == section.name)
                    .collect();
                if cases.is_empty() {
                    continue;
                }
                text += &format!("{}\n", section.title);
                for case in cases {
                    let level = case.level.to_string();
                    text += &format!("  {:longest$}  {level:6}  {}\n", case.id, case.title);
                }
            }
            text += &format!("{} cases\n", plan.cases.len());
            super::run::print(&text)?;
        }
    }
    Ok(Exit::Ok)
}
