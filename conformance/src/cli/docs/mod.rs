//! `docs DIR`: the catalogue as a book, in the form that mdBook takes: a page a case.

mod advice;

use std::fs;
use std::path::{Path, PathBuf};

use volplug_fixtures::faults::FAULTS;

use crate::catalogue::{self, Section};
use crate::exit::Exit;
use crate::report::{self, CaseReport, Report, prose};
use crate::suite::Case;

/// What mdBook has to know.
const BOOK: &str = "[book]\ntitle = \"What volplug judges\"\nlanguage = \"en\"\nsrc = \"src\"\n";

/// Writes the book into `directory`, with findings of `reports` as examples.
pub(super) fn docs(directory: &Path, reports: &[PathBuf]) -> Result<Exit, String> {
    let reports: Vec<Report> = reports
        .iter()
        .map(|path| report::read(path))
        .collect::<Result<_, _>>()?;
    write(&directory.join("book.toml"), BOOK)?;
    let source = directory.join("src");
    let mut summary = "# Summary\n\n[What volplug judges](introduction.md)\n\n".to_owned();
    for section in catalogue::sections() {
        let name = section.name;
        summary += &format!("- [{}]({name}/index.md)\n", section.title);
        write(&source.join(name).join("index.md"), &section_page(section))?;
        for case in section.cases {
            summary += &format!("  - [{}]({name}/{})\n", case.id, file(case));
            write(
                &source.join(name).join(file(case)),
                &case_page(case, &reports),
            )?;
        }
    }
    write(&source.join("SUMMARY.md"), &summary)?;
    write(&source.join("introduction.md"), &introduction())?;
    let cases = catalogue::all().count();
    let shown = directory.display();
    super::run::print(&format!(
        "{cases} pages in {shown}: `mdbook build {shown}`\n"
    ))?;
    Ok(Exit::Ok)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let told = |why: std::io::Error| format!("{}: {why}", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(told)?;
    }
    fs::write(path, text).map_err(told)
}

fn file(case: &Case) -> String {
    format!("{}.md", case.id)
}

/// Where the page of a case is, from that of another.
fn link(id: &str) -> String {
    let section = id.split_once('.').map_or(id, |(section, _)| section);
    format!("[{id}](../{section}/{id}.md)")
}

fn introduction() -> String {
    let mut text = "# What volplug judges\n\nEach page is one rule of the Docker volume plugin protocol: what it \
         asks, why, where it comes from, how plugins break it and how they are usually mended.\n\n\
         A **MUST** is documented by Docker, or dockerd breaks, loses data or is fooled without it. A **SHOULD** \
         costs users time, or matters to some engines only. A **MAY** is optional.\n\n\
         | section | rules |\n| --- | --: |\n"
        .to_owned();
    for section in catalogue::sections() {
        let Section { name, title, cases } = section;
        text += &format!("| [{title}]({name}/index.md) | {} |\n", cases.len());
    }
    text
}

fn section_page(section: &Section) -> String {
    let mut text = format!("# {}\n\n", section.title);
    for case in section.cases {
        text += &format!(
            "- [{}]({}) ({}): {}\n",
            case.id,
            file(case),
            case.level,
            prose(case.title)
        );
    }
    text + &format!(
        "\n## How plugins usually mend it\n\n{}\n",
        advice::of_section(section.name)
    )
}

fn case_page(case: &Case, reports: &[Report]) -> String {
    let mut text = format!(
        "# {}\n\n**{}**: {}.\n\n## Why\n\n{}.\n\nA plugin that breaks it: {}.\n\n## Source\n\n",
        case.id,
        case.level,
        prose(case.title),
        prose(case.why),
        case.harm.heading().to_lowercase()
    );
    for source in case.sources {
        text += &match source.starts_with("https://") {
            true => format!("- <{source}>\n"),
            false => format!("- {}\n", prose(source)),
        };
    }
    if !case.docker.is_empty() {
        let lines = case.docker.join("\n");
        let lines = lines
            .replace("{plugin}", "PLUGIN")
            .replace("{volume}", "v1")
            .replace("{other}", "v2");
        text += &format!("\n## With Docker\n\n```sh\n{lines}\n```\n");
    }
    text += &example(case, reports);
    text += &format!(
        "\n## How plugins usually mend it\n\n{}\n",
        advice::of_case(case)
    );
    if !case.follows.is_empty() {
        let links: Vec<String> = case.follows.iter().map(|id| link(id)).collect();
        text += &format!(
            "\nA failure here is explained by one of: {}.\n",
            links.join(", ")
        );
    }
    if !case.needs.is_empty() {
        text += "\n## Where it is skipped\n\n";
        for need in case.needs {
            text += &format!("- {}\n", prose(need.lacking()));
        }
    }
    text
}

/// How plugins break the rule: faults that the suite is tried on, and findings.
fn example(case: &Case, reports: &[Report]) -> String {
    let mut text = String::new();
    for fault in FAULTS {
        if fault.breaks.first() == Some(&case.id) {
            text += &format!(
                "- {} (`faulty-plugin --fault {}`)\n",
                prose(fault.about),
                fault.name
            );
        }
    }
    let cases = reports.iter().flat_map(Report::findings);
    if let Some(found) = cases.into_iter().find(|found| found.id == case.id) {
        text += &finding(found);
    }
    if text.is_empty() {
        return text;
    }
    format!("\n## A plugin that fails\n\n{text}")
}

fn finding(case: &CaseReport) -> String {
    let mut text = String::new();
    if let (Some(expected), Some(actual)) = (&case.expected, &case.actual) {
        text += &format!(
            "\nIt should: {}. It did: {}.\n",
            report::code(expected),
            report::code(actual)
        );
    }
    if !case.reproduce.curl.is_empty() {
        text += &format!("\n```sh\n{}\n```\n", case.reproduce.curl.join("\n"));
    }
    text
}
