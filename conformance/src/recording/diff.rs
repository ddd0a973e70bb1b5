//! How two recordings differ: what an engine sent in one and not in the other, and what was
//! answered to the same call.
//!
//! What differs from run to run is matched up and not compared: IDs, times, mountpoints, names that
//! only one of the two knows, the order in which an engine walks through several volumes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::format::{Call, RECORDED, Recording, Step};

/// How two recordings differ.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What differs in the calls to an endpoint, by its path.
    pub endpoints: BTreeMap<String, EndpointDifference>,
    /// Volumes that are asked about in another order, and the commands that end in another way.
    pub others: Vec<String>,
}

/// What differs in the calls to one endpoint.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct EndpointDifference {
    /// How many calls there are in each.
    pub calls: (usize, usize),
    /// What is sent in the first only.
    pub only_first: Vec<String>,
    /// What is sent in the second only.
    pub only_second: Vec<String>,
    /// Answers that differ to the same call.
    pub answers: Vec<AnswerDifference>,
}

/// Answers that differ to the same call.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct AnswerDifference {
    /// What was sent.
    pub sent: String,
    /// What the first recording has as answers to it.
    pub first: Vec<String>,
    /// What the second has.
    pub second: Vec<String>,
}

impl Difference {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.endpoints.is_empty() && self.others.is_empty()
    }
}

/// Compares two recordings.
#[must_use]
pub fn diff(first: &Recording, second: &Recording) -> Difference {
    let names = [first, second].map(|recording| {
        let calls = recording.calls().filter_map(|(_, call)| call.volume());
        calls.collect::<BTreeSet<_>>()
    });
    let common: BTreeSet<String> = names
        .iter()
        .fold(None, |common: Option<BTreeSet<String>>, names| {
            Some(common.map_or_else(|| names.clone(), |common| &common & names))
        })
        .unwrap_or_default();
    let plain = [first, second].map(|recording| Plain::of(recording, &common));
    let mut found = Difference {
        endpoints: endpoints(&plain),
        others: ends(first, second),
    };
    if found.endpoints.is_empty() {
        found.others.extend(orders(&plain));
    }
    found
}

/// A call of which only that is left which does not differ from run to run.
struct PlainCall {
    step: usize,
    endpoint: String,
    volume: Option<String>,
    sent: String,
    answer: String,
    id: Option<String>,
}

struct Plain {
    calls: Vec<PlainCall>,
    /// Steps in which calls come as they come.
    unordered: BTreeSet<usize>,
}

impl Plain {
    fn of(recording: &Recording, common: &BTreeSet<String>) -> Self {
        let mut normal = Normal {
            common,
            names: Vec::new(),
            ids: BTreeMap::new(),
            paths: Vec::new(),
        };
        let mut calls: Vec<(usize, &Call)> = recording.calls().collect();
        calls.sort_by_key(|(_, call)| call.seq);
        let calls = calls
            .into_iter()
            .map(|(step, call)| normal.call(step, call))
            .collect();
        let is_unordered = |step: &Step| {
            !step.parallel.is_empty()
                || step
                    .argv
                    .iter()
                    .any(|word| word == "@dockerd-start" || word == "@parallel")
        };
        let steps = recording.commands.iter().enumerate();
        Self {
            calls,
            unordered: steps
                .filter(|(_, step)| is_unordered(step))
                .map(|(at, _)| at)
                .collect(),
        }
    }
}

/// Gives what differs from run to run the same words.
struct Normal<'a> {
    common: &'a BTreeSet<String>,
    names: Vec<String>,
    /// The IDs of each volume: which comes first among several volumes differs from run to run.
    ids: BTreeMap<String, Vec<String>>,
    paths: Vec<String>,
}

impl Normal<'_> {
    fn call(&mut self, step: usize, call: &Call) -> PlainCall {
        let volume = call.volume();
        let of = volume.clone().unwrap_or_default();
        let id = call.id();
        let status = call.response.status.map_or_else(
            || {
                if call.response.hang {
                    "no answer".to_owned()
                } else {
                    "closed".to_owned()
                }
            },
            |status| status.to_string(),
        );
        let body = call.response.body.as_deref().unwrap_or_default();
        PlainCall {
            step,
            endpoint: call.path.clone(),
            sent: self.body(&of, &call.request.body),
            answer: format!("{status} {}", self.body(&of, body))
                .trim_end()
                .to_owned(),
            volume: volume.map(|name| self.name(&name)),
            id,
        }
    }

    fn body(&mut self, volume: &str, body: &str) -> String {
        match serde_json::from_str::<Value>(body) {
            Ok(mut value) => {
                self.value(volume, &mut value);
                value.to_string()
            }
            Err(_) => self.text(volume, body.trim_end()),
        }
    }

    fn value(&mut self, volume: &str, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (key, member) in members.iter_mut() {
                    match (key.as_str(), member.as_str()) {
                        ("Name", Some(name)) => *member = self.name(name).into(),
                        ("Mountpoint", Some(path)) if !path.is_empty() => {
                            self.paths.push(path.to_owned());
                            *member = "<path>".into();
                        }
                        ("CreatedAt", Some(_)) => *member = "<time>".into(),
                        _ => self.value(volume, member),
                    }
                }
            }
            Value::Array(values) => {
                for value in values.iter_mut() {
                    self.value(volume, value);
                }
                // Volumes are listed in any order.
                values.sort_by_key(ToString::to_string);
            }
            Value::String(text) => *text = self.text(volume, text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn name(&mut self, name: &str) -> String {
        if name.is_empty() || self.common.contains(name) {
            return name.to_owned();
        }
        format!("<volume {}>", number(&mut self.names, name))
    }

    fn text(&mut self, volume: &str, text: &str) -> String {
        let mut text = text.to_owned();
        for path in &self.paths {
            text = text.replace(path, "<path>");
        }
        for name in self.names.clone() {
            text = replace_word(&text, &name, &self.name(&name));
        }
        let ids = self.ids.entry(volume.to_owned()).or_default();
        let mut at = 0;
        while let Some(range) = next_id(&text, at) {
            let shown = format!(
                "<id {}>",
                number(ids, text.get(range.clone()).unwrap_or_default())
            );
            at = range.start + shown.len();
            text.replace_range(range, &shown);
        }
        text
    }
}

/// The position of `what` among those known, from 1.
fn number(known: &mut Vec<String>, what: &str) -> usize {
    if let Some(at) = known.iter().position(|known| known == what) {
        return at + 1;
    }
    known.push(what.to_owned());
    known.len()
}

/// A name may be as short as a part of any word.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut replaced = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices(word) {
        let end = at + word.len();
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(end..).and_then(|text| text.chars().next());
        if [before, after]
            .into_iter()
            .flatten()
            .any(char::is_alphanumeric)
        {
            continue;
        }
        replaced += text.get(done..at).unwrap_or_default();
        replaced += by;
        done = end;
    }
    replaced + text.get(done..).unwrap_or_default()
}

/// The next word of 64 hex digits.
fn next_id(text: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let mut start = from;
    let rest = text.get(from..)?;
    for word in rest.split(|c: char| !c.is_ascii_alphanumeric()) {
        if word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(start..start + 64);
        }
        start += word.len();
        start += text
            .get(start..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
    }
    None
}

/// The answers to each call, as often as it was made.
type Answers<'a> = BTreeMap<&'a str, Vec<&'a str>>;

fn endpoints(plain: &[Plain; 2]) -> BTreeMap<String, EndpointDifference> {
    let [first, second] = plain.each_ref().map(|plain| {
        let mut all: BTreeMap<&str, Answers<'_>> = BTreeMap::new();
        for call in &plain.calls {
            let answers = all.entry(&call.endpoint).or_default();
            answers.entry(&call.sent).or_default().push(&call.answer);
        }
        all
    });
    let none = Answers::new();
    let paths: BTreeSet<&str> = first.keys().chain(second.keys()).copied().collect();
    let mut found = BTreeMap::new();
    for path in paths {
        let (first, second) = (
            first.get(path).unwrap_or(&none),
            second.get(path).unwrap_or(&none),
        );
        let endpoint = endpoint(first, second);
        if let Some(endpoint) = endpoint {
            found.insert(path.to_owned(), endpoint);
        }
    }
    found
}

fn endpoint(first: &Answers<'_>, second: &Answers<'_>) -> Option<EndpointDifference> {
    let count = |answers: &Answers<'_>| answers.values().map(Vec::len).sum();
    let mut found = EndpointDifference {
        calls: (count(first), count(second)),
        ..EndpointDifference::default()
    };
    let sent: BTreeSet<&str> = first.keys().chain(second.keys()).copied().collect();
    for sent in sent {
        let of = |answers: &Answers<'_>| {
            let mut all: Vec<String> = answers
                .get(sent)
                .into_iter()
                .flatten()
                .map(|&text| text.to_owned())
                .collect();
            all.sort();
            all
        };
        let (before, now) = (of(first), of(second));
        let more = |by: usize| match by {
            1 => sent.to_owned(),
            by => format!("{sent} ({by} times)"),
        };
        match before.len().cmp(&now.len()) {
            std::cmp::Ordering::Greater => found.only_first.push(more(before.len() - now.len())),
            std::cmp::Ordering::Less => found.only_second.push(more(now.len() - before.len())),
            std::cmp::Ordering::Equal => {}
        }
        let kinds = |all: &[String]| all.iter().cloned().collect::<BTreeSet<_>>();
        let (kinds_before, kinds_now) = (kinds(&before), kinds(&now));
        let same = if before.len() == now.len() {
            before == now
        } else {
            kinds_before == kinds_now
        };
        if !same && !before.is_empty() && !now.is_empty() {
            found.answers.push(AnswerDifference {
                sent: sent.to_owned(),
                first: kinds_before.difference(&kinds_now).cloned().collect(),
                second: kinds_now.difference(&kinds_before).cloned().collect(),
            });
        }
    }
    let none =
        found.only_first.is_empty() && found.only_second.is_empty() && found.answers.is_empty();
    (!none).then_some(found)
}

/// The volumes about which the same calls are made in another order.
fn orders(plain: &[Plain; 2]) -> Vec<String> {
    let [first, second] = plain.each_ref().map(|plain| {
        let mut all: BTreeMap<&str, BTreeMap<usize, Vec<&PlainCall>>> = BTreeMap::new();
        for call in &plain.calls {
            let Some(volume) = &call.volume else {
                continue;
            };
            all.entry(volume)
                .or_default()
                .entry(call.step)
                .or_default()
                .push(call);
        }
        let in_order = |steps: BTreeMap<usize, Vec<&PlainCall>>| {
            let mut order: Vec<String> = Vec::new();
            for (step, calls) in steps {
                let ids: BTreeSet<_> = calls.iter().filter_map(|call| call.id.as_ref()).collect();
                let mut words: Vec<String> = calls
                    .iter()
                    .map(|call| format!("{} {}", call.endpoint, call.sent))
                    .collect();
                // One volume under several IDs comes in the order of a Go map, too.
                if ids.len() > 1 || plain.unordered.contains(&step) {
                    words.sort();
                }
                order.extend(words);
            }
            order
        };
        all.into_iter()
            .map(|(volume, steps)| (volume, in_order(steps)))
            .collect::<BTreeMap<_, _>>()
    });
    let other = first.iter().filter_map(|(volume, order)| {
        let now = second.get(volume)?;
        let at = order
            .iter()
            .zip(now)
            .position(|(before, now)| before != now)?;
        Some(format!(
            "about {volume}, call {}: {}, and in the second {}",
            at + 1,
            order.get(at)?,
            now.get(at)?
        ))
    });
    other.collect()
}

/// Commands that end with another status; where both know commands at all.
fn ends(first: &Recording, second: &Recording) -> Vec<String> {
    let known = |recording: &Recording| {
        recording
            .commands
            .iter()
            .all(|step| step.argv.first().is_none_or(|word| word != RECORDED))
    };
    if !known(first) || !known(second) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (before, now) in first.commands.iter().zip(&second.commands) {
        let shown = before.argv.join(" ");
        // Files on the host are called as whoever recorded liked.
        let same = before.argv.iter().take(2).eq(now.argv.iter().take(2));
        if !same {
            found.push(format!(
                "`{shown}` is `{}` in the second",
                now.argv.join(" ")
            ));
        } else if before.exit != now.exit {
            let status = |exit: Option<i32>| {
                exit.map_or_else(|| "no status".to_owned(), |exit| exit.to_string())
            };
            found.push(format!(
                "`{shown}` ended with {}, and with {} in the second",
                status(before.exit),
                status(now.exit)
            ));
        }
    }
    if first.commands.len() != second.commands.len() {
        found.push(format!(
            "{} commands, and {} in the second",
            first.commands.len(),
            second.commands.len()
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{SentRequest, SentResponse};

    fn call(seq: u64, path: &str, sent: &str, answer: &str) -> Call {
        Call {
            plugin: "p".to_owned(),
            seq,
            conn: 1,
            conn_req: seq + 1,
            t: 0.0,
            took: None,
            method: "POST".to_owned(),
            path: path.to_owned(),
            http_version: "HTTP/1.1".to_owned(),
            request: SentRequest {
                headers: Vec::new(),
                body: sent.to_owned(),
            },
            response: SentResponse {
                status: Some(200),
                body: Some(answer.to_owned()),
                ..SentResponse::default()
            },
            fault: Value::Null,
        }
    }

    fn recording(name: &str, id: char, root: &str, err: &str) -> Recording {
        let id = id.to_string().repeat(64);
        let calls = vec![
            call(
                0,
                "/Mount",
                &format!("{{\"Name\":\"{name}\",\"ID\":\"{id}\"}}"),
                &format!("{{\"Mountpoint\":\"{root}/{name}\",\"Err\":\"\"}}"),
            ),
            call(
                1,
                "/Get",
                &format!("{{\"Name\":\"{name}\"}}"),
                &format!(
                    "{{\"Volume\":{{\"Name\":\"{name}\",\"CreatedAt\":\"{root}\"}},\"Err\":\"{err}\"}}"
                ),
            ),
            call(
                2,
                "/Unmount",
                &format!("{{\"Name\":\"{name}\",\"ID\":\"{id}\"}}"),
                &format!("{{\"Err\":\"{id} was at {root}/{name}\"}}"),
            ),
        ];
        Recording {
            commands: vec![Step {
                argv: vec![RECORDED.to_owned()],
                calls,
                ..Step::default()
            }],
            ..Recording::default()
        }
    }

    #[test]
    fn names_ids_paths_and_times_are_matched_up() {
        let found = diff(
            &recording("v", 'a', "/x", ""),
            &recording("w", 'b', "/y", ""),
        );
        assert!(found.is_none(), "{found:?}");
    }

    #[test]
    fn other_answers_and_calls_are_told_by_endpoint() {
        let first = recording("v", 'a', "/x", "");
        let mut second = recording("v", 'a', "/x", "no");
        second.commands[0].calls.pop();
        let found = diff(&first, &second);
        assert_eq!(
            found.endpoints.keys().collect::<Vec<_>>(),
            ["/Get", "/Unmount"]
        );
        assert_eq!(found.endpoints["/Get"].answers.len(), 1);
        assert_eq!(found.endpoints["/Unmount"].only_first.len(), 1);
    }

    #[test]
    fn another_order_about_a_volume_is_told() {
        let first = recording("v", 'a', "/x", "");
        let mut second = first.clone();
        second.commands[0].calls[1].seq = 9;
        assert_eq!(diff(&first, &second).others.len(), 1);
    }
}
