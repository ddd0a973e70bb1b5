//! The shortest way to see a finding again: docker commands and curl lines.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::suite::ledger::Record;
use crate::suite::{Case, Exchange};
use crate::target::Target;
use crate::wire::Request;

/// How many curl lines are shown at the most: the last ones.
const LINES: usize = 12;

/// Longer bodies are not typed by anybody.
const LONGEST_BODY: usize = 600;

/// Commands for a shell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reproduce {
    /// Docker commands that lead to the same calls; empty where none do.
    pub docker: Vec<String>,
    /// The calls themselves, and what was done between them as comments.
    pub curl: Vec<String>,
}

/// The commands for a case, from what it did.
#[must_use]
pub fn reproduce(case: &Case, record: &Record, target: &Target) -> Reproduce {
    let first = created_first(case.docker, target);
    let lines = first
        .iter()
        .map(String::as_str)
        .chain(case.docker.iter().copied());
    let docker = lines.map(|line| docker_line(line, target)).collect();
    let aliases = Aliases::of(record, target);
    let mut curl: Vec<String> = Vec::new();
    for exchange in &record.exchanges {
        curl.extend(
            exchange
                .before
                .iter()
                .map(|step| aliases.apply(&format!("# {step}"))),
        );
        let line = aliases.apply(&line(exchange, target));
        if curl.last() != Some(&line) {
            curl.push(line);
        }
    }
    curl.extend(
        record
            .steps
            .iter()
            .map(|step| aliases.apply(&format!("# {step}"))),
    );
    let over = curl.len().saturating_sub(LINES);
    if over > 0 {
        curl.drain(..over);
        curl.insert(0, format!("# … {over} lines before these"));
    }
    Reproduce { docker, curl }
}

/// Docker commands with the plugin's name and the user's options in them.
#[must_use]
pub fn docker_lines(lines: &[String], target: &Target) -> Vec<String> {
    lines.iter().map(|line| docker_line(line, target)).collect()
}

/// The volumes that have to be created before `lines`: `docker run` creates volumes on the way, but
/// cannot give them options.
pub(crate) fn created_first(lines: &[&str], target: &Target) -> Vec<String> {
    let created = lines.iter().any(|line| line.contains("volume create"));
    if target.opts.is_empty() || lines.is_empty() || created {
        return Vec::new();
    }
    let create = |volume: &str| format!("docker volume create -d {{plugin}} {volume}");
    let other = lines.iter().any(|line| line.contains("{other}"));
    let more = other.then(|| create("{other}"));
    std::iter::once(create("{volume}")).chain(more).collect()
}

/// A docker command with the plugin's name and the user's options in it.
fn docker_line(line: &str, target: &Target) -> String {
    let alias = if line.contains("{other}") { "v2" } else { "v1" };
    let mut create = "volume create -d {plugin}".to_owned();
    for (key, value) in &target.opts {
        let shown = if target.secrets().contains(value) {
            "***"
        } else {
            value
        };
        create += &format!(
            " -o {}",
            quoted(&format!("{key}={}", shown.replace("{volume}", alias)))
        );
    }
    line.replace("volume create -d {plugin}", &create)
        .replace("{plugin}", &target.driver)
        .replace("{volume}", "v1")
        .replace("{other}", "v2")
}

/// One exchange as a curl line.
fn line(exchange: &Exchange, target: &Target) -> String {
    let request = &exchange.request;
    let address = match &target.peer {
        Some(peer) if exchange.peer => &peer.address,
        _ => &target.address,
    };
    let (option, base) = address.curl();
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

/// Short names for the run's own volumes and mount IDs: `v1` and `id1` show the same thing, and a
/// person can type them.
struct Aliases(Vec<(String, String)>);

impl Aliases {
    fn of(record: &Record, target: &Target) -> Self {
        let (mut volumes, mut ids) = (Vec::new(), Vec::new());
        for exchange in &record.exchanges {
            let body: Value = serde_json::from_str(&exchange.request.body).unwrap_or_default();
            let field = |name| body.get(name).and_then(Value::as_str).map(str::to_owned);
            if let Some(name) = field("Name").filter(|name| target.naming.is_own(name))
                && !volumes.contains(&name)
            {
                volumes.push(name);
            }
            if let Some(id) = field("ID").filter(|id| is_engine_id(id))
                && !ids.contains(&id)
            {
                ids.push(id);
            }
        }
        let number = |prefix: &'static str, texts: Vec<String>| {
            texts
                .into_iter()
                .enumerate()
                .map(move |(at, text)| (text, format!("{prefix}{}", at + 1)))
        };
        let volumes = number("v", volumes).flat_map(|(name, alias)| alike(name, &alias));
        let mut all: Vec<_> = volumes.chain(number("id", ids)).collect();
        // The longest first: one name may be the start of another.
        all.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        Self(all)
    }

    fn apply(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (long, short)| {
            text.replace(long, short)
        })
    }
}

/// A volume's name and the names that differ from it in case or slashes only, each with an alias that
/// differs from the others just so: what is sent stays as it was.
fn alike(name: String, alias: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let alias = if name.contains('_') {
        let alias = alias.replacen('v', "v_", 1);
        all.push((name.replace('_', "/"), alias.replace('_', "/")));
        alias
    } else {
        alias.to_owned()
    };
    all.push((name.to_uppercase(), alias.to_uppercase()));
    all.push((name, alias));
    all
}

/// Whether an ID has the form of dockerd's own.
fn is_engine_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn quoted(text: &str) -> String {
    shell_words::quote(text).into_owned()
}
