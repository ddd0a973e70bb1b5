//! The shortest way to see a finding again: docker commands and curl lines.

use serde::Serialize;

use crate::suite::ledger::Record;
use crate::suite::{Case, Exchange};
use crate::target::Target;
use crate::wire::Request;

/// How many curl lines are shown at the most: the last ones.
const LINES: usize = 12;

/// Longer bodies are not typed by anybody.
const LONGEST_BODY: usize = 600;

/// Commands for a shell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reproduce {
    /// Docker commands that lead to the same calls; empty where none do.
    pub docker: Vec<String>,
    /// The calls themselves, and what was done between them as comments.
    pub curl: Vec<String>,
}

/// The commands for a case, from what it did.
#[must_use]
pub fn reproduce(case: &Case, record: &Record, target: &Target) -> Reproduce {
    let volume = record
        .exchanges
        .iter()
        .find_map(volume_of)
        .unwrap_or_else(|| "v1".to_owned());
    let docker = case
        .docker
        .iter()
        .map(|line| {
            line.replace("{plugin}", &target.driver)
                .replace("{volume}", &quoted(&volume))
        })
        .collect();
    let mut curl: Vec<String> = Vec::new();
    for exchange in &record.exchanges {
        curl.extend(exchange.before.iter().map(|step| format!("# {step}")));
        let line = line(exchange, target);
        if curl.last() != Some(&line) {
            curl.push(line);
        }
    }
    curl.extend(record.steps.iter().map(|step| format!("# {step}")));
    let over = curl.len().saturating_sub(LINES);
    if over > 0 {
        curl.drain(..over);
        curl.insert(0, format!("# … {over} lines before these"));
    }
    Reproduce { docker, curl }
}

/// One exchange as a curl line.
fn line(exchange: &Exchange, target: &Target) -> String {
    let request = &exchange.request;
    let (option, base) = target.address.curl();
    let mut words = vec!["curl -s".to_owned()];
    words.extend(option);
    if request.method != "POST" {
        words.push(format!("-X {}", request.method));
    }
    // Only what differs from dockerd's own headers has to be typed.
    let usual = Request::docker(&request.path, request.body.clone()).headers;
    for (name, value) in request
        .headers
        .iter()
        .filter(|header| !usual.contains(header))
    {
        let given = if value.is_empty() {
            format!("{name};")
        } else {
            format!("{name}: {value}")
        };
        words.push(format!("-H {}", quoted(&given)));
    }
    if request.body_bytes > LONGEST_BODY {
        words.push(format!("-d @- <<<'a body of {} bytes'", request.body_bytes));
    } else if request.method == "POST" {
        words.push(format!(
            "-d {}",
            quoted(request.body.trim_end_matches('\n'))
        ));
    }
    words.push(format!("{base}{}", request.path));
    words.join(" ")
}

/// The volume that an exchange is about.
fn volume_of(exchange: &Exchange) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(&exchange.request.body).ok()?;
    Some(body.get("Name")?.as_str()?.to_owned())
}

fn quoted(text: &str) -> String {
    shell_words::quote(text).into_owned()
}
