//! `explain ID`: all that there is to know about a case.

use crate::catalogue;
use crate::exit::Exit;
use crate::suggest;
use crate::suite::Case;

pub(super) fn explain(id: &str) -> Result<Exit, String> {
    let case = catalogue::find(id).ok_or_else(|| {
        let hint = suggest::hint(crate::runner::nearest(id).as_deref());
        format!("no case is called `{id}`{hint}")
    })?;
    super::run::print(&page(case))?;
    Ok(Exit::Ok)
}

fn page(case: &Case) -> String {
    let wrap =
        |text: &str| textwrap::fill(text, textwrap::Options::new(80).subsequent_indent("  "));
    let mut lines = vec![
        format!("{}  ({})", case.id, case.level),
        String::new(),
        wrap(&format!("Rule: {}.", case.title)),
        wrap(&format!("Why: {}.", case.why)),
        format!(
            "A plugin that breaks it: {}.",
            case.harm.heading().to_lowercase()
        ),
        String::new(),
        "Sources:".to_owned(),
    ];
    lines.extend(case.sources.iter().map(|source| format!("  {source}")));
    if !case.docker.is_empty() {
        lines.push(String::new());
        lines.push("With Docker:".to_owned());
        lines.extend(case.docker.iter().map(|line| {
            format!(
                "  {}",
                line.replace("{plugin}", "PLUGIN").replace("{volume}", "v1")
            )
        }));
    }
    if !case.needs.is_empty() {
        lines.push(String::new());
        lines.push("Where it is skipped, the reason is one of:".to_owned());
        lines.extend(
            case.needs
                .iter()
                .map(|need| wrap(&format!("  it {}", need.lacking()))),
        );
    }
    if !case.follows.is_empty() {
        lines.push(String::new());
        lines.push(format!(
            "A failure is explained by a failure of: {}",
            case.follows.join(", ")
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}
