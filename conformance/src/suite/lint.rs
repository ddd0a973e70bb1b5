//! Rules that every answer must keep, checked on every answer of the run.
//!
//! The runner looks at each answer to a well-formed call as it comes in and keeps the first hit of
//! each kind; the cases of the sections `enc` and `err` come last and judge what was kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::answer::excerpt;
use super::{Answer, Exchange};
use crate::protocol::Endpoint;
use crate::wire::Response;

/// A rule about single answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lint {
    /// A 200 answer is no JSON object.
    NotAnObject,
    /// A 2xx status other than 200.
    OtherSuccess,
    /// `Err` is neither string nor null nor absent.
    ErrType,
    /// A field is spelt in other letters than documented.
    FieldNames,
    /// A byte order mark, or bytes behind the JSON value.
    UncleanJson,
    /// No JSON content type.
    ContentType,
    /// `CreatedAt` is there and no RFC 3339 time.
    CreatedAt,
    /// `Status` is there and neither object nor null.
    StatusType,
    /// `Volumes` holds a null.
    NullVolume,
    /// A 3xx status, or a `Content-Encoding` that nobody asked for.
    Redirect,
    /// A failure without a non-empty `Err`.
    FailureUntold,
    /// A failure told with status 200.
    FailureWith200,
    /// An `Err` that nobody can use.
    Unreadable,
}

/// The first answer that broke a rule.
#[derive(Debug, Clone)]
pub struct LintHit {
    /// The call.
    pub endpoint: Endpoint,
    /// What is wrong with its answer.
    pub what: String,
    /// The exchange.
    pub exchange: Exchange,
    /// How many answers broke the rule.
    pub times: usize,
}

/// What all answers of a run have shown.
#[derive(Debug, Default)]
pub struct Lints {
    hits: Mutex<BTreeMap<Lint, LintHit>>,
}

impl Lints {
    /// Looks at the answer to a well-formed call.
    pub(crate) fn look(&self, answer: &Answer, subject: Option<&str>, exchange: &Exchange) {
        let Some(response) = answer.response() else {
            return;
        };
        // Capabilities need not be served, and whatever says 404 then is no answer to the call.
        if answer.endpoint() == Endpoint::Capabilities && response.status == 404 {
            return;
        }
        for (lint, what) in broken(answer, response, subject) {
            let mut hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
            hits.entry(lint)
                .and_modify(|hit| hit.times += 1)
                .or_insert_with(|| LintHit {
                    endpoint: answer.endpoint(),
                    what,
                    exchange: exchange.clone(),
                    times: 1,
                });
        }
    }

    /// The first hit of a kind.
    #[must_use]
    pub fn first(&self, lint: Lint) -> Option<LintHit> {
        self.hits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&lint)
            .cloned()
    }
}

/// The rules that `response` breaks, each with what is wrong.
fn broken(answer: &Answer, response: &Response, subject: Option<&str>) -> Vec<(Lint, String)> {
    let mut found = Vec::new();
    let body = || match response.body.as_slice() {
        [] => "an empty body".to_owned(),
        _ => excerpt(&response.text()),
    };
    let status = response.status;
    let ok = status == 200;

    if (300..400).contains(&status) {
        found.push((Lint::Redirect, format!("status {status}")));
    }
    if let Some(encoding) = response.header("Content-Encoding")
        && !encoding.eq_ignore_ascii_case("identity")
    {
        found.push((Lint::Redirect, format!("Content-Encoding: {encoding}")));
    }
    if (200..300).contains(&status) && !ok {
        found.push((Lint::OtherSuccess, format!("status {status}")));
    }
    let text = response
        .body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(&response.body);
    if text.len() != response.body.len() {
        found.push((
            Lint::UncleanJson,
            "a byte order mark before the JSON".to_owned(),
        ));
    }
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    let value = values.next().and_then(Result::ok);
    // What is no JSON says so rightly.
    if value.is_some() && !response.header("Content-Type").is_some_and(is_json_type) {
        let shown = response.header("Content-Type").unwrap_or("none");
        found.push((Lint::ContentType, format!("Content-Type: {shown}")));
    }
    let end = values.byte_offset();
    let tail = text.get(end..).unwrap_or_default();
    if value.is_some() && !tail.iter().all(u8::is_ascii_whitespace) {
        let tail = excerpt(&String::from_utf8_lossy(tail));
        found.push((
            Lint::UncleanJson,
            format!("bytes behind the JSON value: {tail}"),
        ));
    }

    let map = value.as_ref().and_then(Value::as_object);
    if ok && map.is_none() {
        found.push((Lint::NotAnObject, format!("200 with {}", body())));
    }
    // dockerd reads `Err` of a successful Activate not at all.
    // How it is spelt has a rule of its own.
    let err = map.and_then(|map| {
        let any_case = || map.iter().find(|(key, _)| key.eq_ignore_ascii_case("Err"));
        map.get("Err").or_else(|| any_case().map(|(_, err)| err))
    });
    if let Some(err) = err
        && !matches!(err, Value::String(_) | Value::Null)
    {
        found.push((Lint::ErrType, format!("Err is {err}")));
    }
    if let Some(map) = map {
        fields(answer.endpoint(), map, &mut found);
    }

    // An `Err` in other letters is a failure to dockerd too.
    let told = answer
        .error()
        .filter(|_| ok)
        .or_else(|| err.and_then(Value::as_str))
        .unwrap_or_default();
    let failed = !ok
        || err
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty());
    if failed && !(200..400).contains(&status) && told.trim().is_empty() {
        found.push((
            Lint::FailureUntold,
            format!("status {status} with {}", body()),
        ));
    }
    if failed && ok {
        found.push((Lint::FailureWith200, format!("200 {}", body())));
    }
    if failed && let Some(what) = unreadable(told, subject) {
        found.push((Lint::Unreadable, what));
    }
    found
}

/// Looks at the spelling and the types of documented fields.
fn fields(
    endpoint: Endpoint,
    map: &serde_json::Map<String, Value>,
    found: &mut Vec<(Lint, String)>,
) {
    let mut spelling = |map: &serde_json::Map<String, Value>, known: &[&str]| {
        for key in map.keys() {
            let meant = known.iter().find(|name| name.eq_ignore_ascii_case(key));
            if let Some(meant) = meant.filter(|meant| *meant != key) {
                found.push((Lint::FieldNames, format!("`{key}` instead of `{meant}`")));
            }
        }
    };
    spelling(map, &["Err"]);
    let mut volumes: Vec<&Value> = Vec::new();
    match endpoint {
        Endpoint::Activate => spelling(map, &["Implements"]),
        Endpoint::Capabilities => {
            spelling(map, &["Capabilities"]);
            if let Some(inner) = map.get("Capabilities").and_then(Value::as_object) {
                spelling(inner, &["Scope"]);
            }
        }
        Endpoint::Mount | Endpoint::Path => spelling(map, &["Mountpoint"]),
        Endpoint::Get => {
            spelling(map, &["Volume"]);
            volumes.extend(map.get("Volume"));
        }
        Endpoint::List => {
            spelling(map, &["Volumes"]);
            volumes.extend(
                map.get("Volumes")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten(),
            );
        }
        Endpoint::Create | Endpoint::Unmount | Endpoint::Remove => {}
    }
    for volume in volumes.iter().filter_map(|volume| volume.as_object()) {
        spelling(volume, &["Name", "Mountpoint", "CreatedAt", "Status"]);
    }
    let in_list = endpoint == Endpoint::List;
    for volume in volumes {
        let Some(volume) = volume.as_object() else {
            if volume.is_null() && in_list {
                found.push((Lint::NullVolume, "Volumes holds a null".to_owned()));
            }
            continue;
        };
        match volume.get("CreatedAt") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if crate::protocol::is_rfc3339(text) => {}
            Some(other) => found.push((Lint::CreatedAt, format!("CreatedAt is {other}"))),
        }
        match volume.get("Status") {
            None | Some(Value::Null | Value::Object(_)) => {}
            Some(other) => found.push((Lint::StatusType, format!("Status is {other}"))),
        }
    }
}

fn is_json_type(value: &str) -> bool {
    let kind = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Why nobody could act on an `Err`: it is empty of meaning, torn over lines, or a tool's dump.
fn unreadable(text: &str, subject: Option<&str>) -> Option<String> {
    let shown = excerpt(text);
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if text.contains('\n') {
        return Some(format!("several lines: {shown}"));
    }
    if text.chars().count() > 500 + subject.map_or(0, |name| name.chars().count()) {
        return Some(format!("{} characters: {shown}", text.chars().count()));
    }
    let bare = text.trim_end_matches(|c: char| c.is_ascii_digit()).trim();
    if matches!(
        bare,
        "exit status" | "exit code" | "exit status:" | "exit code:"
    ) {
        return Some(format!("only an exit code: {shown}"));
    }
    [
        "goroutine ",
        "panicked at",
        "Traceback (most recent call last)",
        "stack backtrace",
    ]
    .iter()
    .find(|mark| text.contains(**mark))
    .map(|_| format!("a stack trace: {shown}"))
}
