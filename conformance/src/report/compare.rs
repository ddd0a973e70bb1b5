//! Several plugins side by side: cases × plugins, as a page and as Markdown.

use maud::{Markup, html};

use super::conclusion::{conclusion, counts};
use super::html::{document, prose, sign};
use super::markdown::{code, text};
use super::text::{printable, spans};
use super::{CaseReport, Report};
use crate::catalogue;

/// What filters the rows of the page.
const SCRIPT: &str = include_str!("compare.js");

/// The verdicts of several plugins on each case.
#[derive(Debug)]
pub struct Matrix<'a> {
    plugins: Vec<(String, &'a Report)>,
    rows: Vec<Row<'a>>,
}

/// One case, and what became of it with each plugin; none where a report does not have it.
#[derive(Debug)]
struct Row<'a> {
    id: &'a str,
    title: &'a str,
    section: &'a str,
    cells: Vec<Option<&'a CaseReport>>,
}

impl Row<'_> {
    /// Whether some plugin breaks the rule.
    fn broken(&self) -> bool {
        self.cells
            .iter()
            .flatten()
            .any(|case| case.verdict.is_finding())
    }

    /// Whether it is the same with all.
    fn same(&self) -> bool {
        let verdicts = || self.cells.iter().map(|cell| cell.map(|case| case.verdict));
        verdicts()
            .zip(verdicts().skip(1))
            .all(|(one, other)| one == other)
    }
}

impl<'a> Matrix<'a> {
    /// Sets reports side by side, each with what its plugin is called.
    ///
    /// # Errors
    /// A sentence when two are called the same: nobody could tell them apart.
    pub fn new(reports: &'a [(String, Report)]) -> Result<Self, String> {
        let plugins: Vec<(String, &Report)> = reports
            .iter()
            .map(|(name, report)| (printable(name), report))
            .collect();
        for (at, (name, _)) in plugins.iter().enumerate() {
            if plugins.iter().take(at).any(|(other, _)| other == name) {
                return Err(format!(
                    "two of the reports are about `{name}`: give them names, as in old=A.json new=B.json"
                ));
            }
        }
        let mut rows: Vec<Row<'a>> = Vec::new();
        for (column, (_, report)) in plugins.iter().enumerate() {
            for case in &report.cases {
                let known = rows.iter().position(|row| row.id == case.id);
                let at = known.unwrap_or_else(|| {
                    rows.push(Row {
                        id: &case.id,
                        title: &case.title,
                        section: &case.section,
                        cells: vec![None; plugins.len()],
                    });
                    rows.len() - 1
                });
                if let Some(cell) = rows.get_mut(at).and_then(|row| row.cells.get_mut(column)) {
                    *cell = Some(case);
                }
            }
        }
        // Cases that this program does not know, of another version, come last.
        rows.sort_by_key(|row| {
            let known = catalogue::all().position(|case| case.id == row.id);
            known.unwrap_or(usize::MAX)
        });
        Ok(Self { plugins, rows })
    }

    /// A page that needs no network.
    #[must_use]
    pub fn html(&self) -> String {
        let names: Vec<&str> = self.plugins.iter().map(|(name, _)| name.as_str()).collect();
        let title = format!("Volume plugins: {}", names.join(", "));
        let body = html! {
            header {
                h1 { (title) }
                p { "✓ the rule holds, ✗ a MUST is broken, ! a SHOULD is broken, – not judged. "
                    "What is underlined tells more." }
            }
            form id="filter" class="controls" role="search" {
                input id="search" type="search" placeholder="Search: id or rule" aria-label="Search the cases" autocomplete="off";
                label { input id="broken" type="checkbox"; " only what somebody breaks" }
                label { input id="differ" type="checkbox"; " only what differs" }
                p id="shown" aria-live="polite" {}
            }
            main {
                div class="scroll" tabindex="0" role="group" aria-label="Cases and plugins" {
                    table class="matrix" {
                        thead {
                            tr { th scope="col" { "rule" } @for (name, _) in &self.plugins { th scope="col" { (name) } } }
                            tr { th scope="row" { "all together" }
                                @for (_, report) in &self.plugins { td { (counts(report.summary)) } } }
                        }
                        @for section in catalogue::sections() { (self.section(section.name, section.title)) }
                        (self.others())
                    }
                }
            }
        };
        document(&title, &body, SCRIPT)
    }

    fn section(&self, name: &str, title: &str) -> Markup {
        let rows: Vec<_> = self.rows.iter().filter(|row| row.section == name).collect();
        self.group(title, &rows)
    }

    fn others(&self) -> Markup {
        let known =
            |row: &&Row<'_>| catalogue::sections().any(|section| section.name == row.section);
        let rows: Vec<_> = self.rows.iter().filter(|row| !known(row)).collect();
        self.group("Other", &rows)
    }

    fn group(&self, title: &str, rows: &[&Row<'_>]) -> Markup {
        html! {
            @if !rows.is_empty() {
                tbody {
                    tr { th class="heading" scope="rowgroup" colspan=(self.plugins.len() + 1) { (title) } }
                    @for row in rows {
                        tr class="row" id=(row.id) data-broken=(row.broken()) data-same=(row.same()) {
                            th scope="row" { code { (row.id) } span class="rule" { (prose(row.title)) } }
                            @for cell in &row.cells { td { (cell_markup(*cell)) } }
                        }
                    }
                }
            }
        }
    }

    /// Markdown: what somebody breaks as a table, the rest in a sentence.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut out = String::from("### Volume plugins side by side\n\n| rule |");
        for (name, _) in &self.plugins {
            out += &format!(" {} |", cell_text(name));
        }
        out += &format!("\n| --- |{}\n", " :-: |".repeat(self.plugins.len()));
        for row in self.rows.iter().filter(|row| row.broken()) {
            out += &format!("| `{}` {} |", row.id, cell_prose(row.title));
            for cell in &row.cells {
                out += &format!(" {} |", cell.map_or(" ", |case| sign(case.verdict)));
            }
            out.push('\n');
        }
        out += "| all together |";
        for (_, report) in &self.plugins {
            out += &format!(" {} |", counts(report.summary));
        }
        let whole = self.rows.iter().filter(|row| !row.broken()).count();
        out += &format!(
            "\n\n✓ the rule holds, ✗ a MUST is broken, ! a SHOULD is broken, – not judged. Of the {whole} \
             other rules nobody was seen to break any.\n"
        );
        for (name, report) in &self.plugins {
            out += &format!("\n- {}: {}", code(name), conclusion(report).1);
        }
        out + "\n"
    }
}

/// A name in code, in a table: there a `|` ends a cell even in code.
fn cell_text(name: &str) -> String {
    code(name).replace('|', "\\|")
}

/// A rule's sentences in a table, with what stands in backticks as code.
fn cell_prose(sentences: &str) -> String {
    spans(sentences)
        .map(|(is_code, piece)| {
            if is_code {
                cell_text(piece)
            } else {
                text(piece)
            }
        })
        .collect()
}

fn cell_markup(cell: Option<&CaseReport>) -> Markup {
    html! {
        @if let Some(case) = cell {
            @match case.reason.as_deref().filter(|reason| !reason.is_empty()) {
                Some(reason) => details {
                    summary class={ "sign " (case.verdict.word()) } { (sign(case.verdict)) }
                    p { (printable(reason)) }
                },
                None => span class={ "sign " (case.verdict.word()) } { (sign(case.verdict)) },
            }
        }
    }
}
