//! How two reports differ in what was answered: endpoint by endpoint, over all cases that both have.
//!
//! The exchanges of a case are compared as two recordings are: what was sent is the same but for
//! names, IDs and paths, and so has to be what came back. How an answer is laid out (the order of
//! its fields, an `Err` that is empty or missing), its headers, and bodies of which a report has only
//! the start, are not compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{CaseReport, Report};
use crate::recording::{self, Call, RECORDED, Recording, SentRequest, SentResponse, Step};
use crate::snapshot;
use crate::suite::Exchange;

/// Answers that differ to the same call.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Answered {
    /// What was sent.
    pub(crate) sent: String,
    /// What is answered in the first report only.
    pub(crate) first: Vec<String>,
    /// What is answered in the second only.
    pub(crate) second: Vec<String>,
    /// The cases in which it was.
    pub(crate) cases: Vec<String>,
}

/// What differs, by the path of the endpoint; what most cases show first.
pub(crate) fn answers(first: &Report, second: &Report) -> BTreeMap<String, Vec<Answered>> {
    let mut found: BTreeMap<String, Vec<Answered>> = BTreeMap::new();
    let stable = |case: &&CaseReport| !snapshot::is_left_out(&case.id);
    for case in first.cases.iter().filter(stable) {
        let Some(other) = second.cases.iter().find(|other| other.id == case.id) else {
            continue;
        };
        for (path, differing) in recording::answers(&recorded(case), &recorded(other)) {
            let known = found.entry(path).or_default();
            for one in differing {
                let all = |texts: Vec<String>| texts.into_iter().map(snapshot::replaced);
                let answered = Answered {
                    sent: snapshot::replaced(one.sent),
                    first: all(one.first).collect(),
                    second: all(one.second).collect(),
                    cases: Vec::new(),
                };
                if answered.first != answered.second {
                    add(known, answered, &case.id);
                }
            }
        }
    }
    found.retain(|_, known| !known.is_empty());
    for known in found.values_mut() {
        known.sort_by_key(|answered| std::cmp::Reverse(answered.cases.len()));
    }
    found
}

fn add(known: &mut Vec<Answered>, answered: Answered, case: &str) {
    let same = |other: &&mut Answered| {
        (&other.sent, &other.first, &other.second)
            == (&answered.sent, &answered.first, &answered.second)
    };
    match known.iter_mut().find(same) {
        Some(other) => other.cases.push(case.to_owned()),
        None => known.push(Answered {
            cases: vec![case.to_owned()],
            ..answered
        }),
    }
}

/// The exchanges of a case as a recording of one step.
fn recorded(case: &CaseReport) -> Recording {
    let name = |exchange: &Exchange| {
        let body: Value = serde_json::from_str(&exchange.request.body).ok()?;
        Some(body.get("Name")?.as_str()?.to_owned())
    };
    let own: BTreeSet<String> = case.transcript.iter().filter_map(name).collect();
    let calls = case.transcript.iter().zip(0..);
    let step = Step {
        argv: vec![RECORDED.to_owned()],
        calls: calls
            .map(|(exchange, seq)| call(exchange, seq, &own))
            .collect(),
        ..Step::default()
    };
    Recording {
        commands: vec![step],
        ..Recording::default()
    }
}

fn call(exchange: &Exchange, seq: u64, own: &BTreeSet<String>) -> Call {
    let request = &exchange.request;
    let response = exchange.response.as_ref();
    Call {
        plugin: String::new(),
        seq,
        conn: 1,
        conn_req: seq + 1,
        t: 0.0,
        took: None,
        method: request.method.clone(),
        path: request.path.clone(),
        http_version: "HTTP/1.1".to_owned(),
        request: SentRequest {
            headers: Vec::new(),
            body: request.body.clone(),
        },
        response: SentResponse {
            status: response.map(|response| response.status),
            reason: exchange.error.clone(),
            // What is cut somewhere says nothing.
            body: response
                .filter(|response| !response.is_cut())
                .map(|response| plain(&response.body, own)),
            ..SentResponse::default()
        },
        fault: Value::Null,
    }
}

/// An answer without what dockerd does not look at, and without volumes that are not the case's own.
fn plain(body: &str, own: &BTreeSet<String>) -> String {
    let Ok(Value::Object(mut members)) = serde_json::from_str(body) else {
        return body.to_owned();
    };
    let is_empty = |error: &Value| error.is_null() || error == "";
    if members.get("Err").is_some_and(is_empty) {
        members.remove("Err");
    }
    if let Some(volumes) = members.get_mut("Volumes").and_then(Value::as_array_mut) {
        let name = |volume: &Value| volume.get("Name")?.as_str().map(str::to_owned);
        volumes.retain(|volume| name(volume).is_some_and(|name| own.contains(&name)));
    }
    sorted(Value::Object(members)).to_string()
}

/// The same value with all members in the order of their names.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let ordered: BTreeMap<String, Value> = members.into_iter().collect();
            let ordered = ordered.into_iter();
            Value::Object(
                ordered
                    .map(|(key, member)| (key, sorted(member)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        value => value,
    }
}
