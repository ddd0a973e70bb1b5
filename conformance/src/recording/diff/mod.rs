//! How two recordings differ: what an engine sent in one and not in the other, and what was
//! answered to the same call.
//!
//! What differs from run to run is matched up and not compared: IDs, times, mountpoints, names that
//! only one of the two knows, the order in which an engine walks through several volumes.

mod normal;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::format::{RECORDED, Recording};
use normal::{Plain, PlainCall};

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

/// What was answered otherwise to calls that both have made, by the path of their endpoint. Names are
/// matched up, also those that both know.
pub(crate) fn answers(
    first: &Recording,
    second: &Recording,
) -> BTreeMap<String, Vec<AnswerDifference>> {
    let plain = [first, second].map(|recording| Plain::of(recording, &BTreeSet::new()));
    let differing = endpoints(&plain).into_iter();
    differing
        .map(|(path, endpoint)| (path, endpoint.answers))
        .filter(|(_, answers)| !answers.is_empty())
        .collect()
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
    use serde_json::Value;

    use super::*;
    use crate::recording::{Call, SentRequest, SentResponse, Step};

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
