//! Calls without what differs from run to run: IDs, times, mountpoints, names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::recording::{Call, Recording, Step};

/// A call of which only that is left which does not differ from run to run.
pub(super) struct PlainCall {
    pub(super) step: usize,
    pub(super) endpoint: String,
    pub(super) volume: Option<String>,
    pub(super) sent: String,
    pub(super) answer: String,
    pub(super) id: Option<String>,
}

/// The calls of a recording, made plain.
pub(super) struct Plain {
    pub(super) calls: Vec<PlainCall>,
    /// Steps in which calls come as they come.
    pub(super) unordered: BTreeSet<usize>,
}

impl Plain {
    /// `common` are the names that need not be matched up.
    pub(super) fn of(recording: &Recording, common: &BTreeSet<String>) -> Self {
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
        let response = &call.response;
        let status = match (response.status, &response.reason) {
            (Some(status), _) => status.to_string(),
            (None, Some(why)) => why.clone(),
            (None, None) if response.hang => "no answer".to_owned(),
            (None, None) => "closed".to_owned(),
        };
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
