//! Takes secrets out of what is recorded, and nothing else: every other byte stays as it was.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::target::looks_secret;

/// What stands for a secret.
const MASKED: &str = "***";

/// A shorter value is masked where it stands, but not looked for elsewhere: it would be found in
/// half of all texts.
const TELLING: usize = 4;

/// Knows which options are secrets, and which values they had so far.
#[derive(Debug, Default)]
pub struct Mask {
    keys: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl Mask {
    /// Masks the options `keys` beside those whose names look secret.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = String>) -> Self {
        Self {
            keys: keys.into_iter().map(|key| key.to_lowercase()).collect(),
            values: BTreeSet::new(),
        }
    }

    fn is_secret(&self, key: &str) -> bool {
        let key = key.trim();
        looks_secret(key) || self.keys.contains(&key.to_lowercase())
    }

    /// Headers without secrets.
    #[must_use]
    pub fn headers(&self, headers: Vec<(String, String)>) -> Vec<(String, String)> {
        let masked = headers.into_iter().map(|(name, value)| {
            let lower = name.to_ascii_lowercase();
            let secret = lower.contains("authorization") || lower.contains("cookie");
            if secret || self.is_secret(&lower) {
                (name, MASKED.to_owned())
            } else {
                (name, self.known(value))
            }
        });
        masked.collect()
    }

    /// A text without the secrets that were seen so far.
    #[must_use]
    pub fn known(&self, mut text: String) -> String {
        for value in &self.values {
            text = text.replace(value, MASKED);
        }
        text
    }

    /// A body without secrets; their values are masked from now on wherever they appear. A body
    /// that is no JSON and speaks of a secret is masked as a whole.
    pub fn body(&mut self, body: String) -> String {
        if body.trim().is_empty() {
            return body;
        }
        let Ok(node) = serde_json::from_str::<Node<'_>>(&body) else {
            let lower = body.to_lowercase();
            let mut words = lower.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
            return if words.any(|word| self.is_secret(word)) {
                MASKED.to_owned()
            } else {
                self.known(body)
            };
        };
        let mut found = Vec::new();
        self.walk(&body, &node, false, &mut found);
        let mut masked = body.clone();
        // From the back, so that what comes before stays where it is.
        for (range, text) in found.into_iter().rev() {
            masked.replace_range(range, &text);
        }
        self.known(masked)
    }

    /// Finds what to replace in `node`, in the order of the text.
    fn walk(
        &mut self,
        body: &str,
        node: &Node<'_>,
        secret: bool,
        found: &mut Vec<(Range<usize>, String)>,
    ) {
        match node {
            Node::Object(members) => {
                for (key, value) in members {
                    let secret = secret || self.is_secret(key);
                    self.value(body, value, secret, found);
                }
            }
            Node::Array(values) => {
                for value in values {
                    self.value(body, value, secret, found);
                }
            }
            Node::Scalar => {}
        }
    }

    fn value(
        &mut self,
        body: &str,
        raw: &RawValue,
        secret: bool,
        found: &mut Vec<(Range<usize>, String)>,
    ) {
        let text = raw.get();
        // Both are parts of the same text.
        let start = text.as_ptr() as usize - body.as_ptr() as usize;
        let range = start..start + text.len();
        match serde_json::from_str::<Node<'_>>(text) {
            Ok(Node::Scalar) | Err(_) => {}
            Ok(node) => return self.walk(body, &node, secret, found),
        }
        let string = serde_json::from_str::<String>(text).ok();
        if secret {
            match &string {
                Some(value) if value.is_empty() => return,
                None if matches!(text, "null" | "true" | "false") => return,
                _ => {}
            }
            self.learn(text, string.as_deref());
            found.push((range, format!("\"{MASKED}\"")));
        } else if let Some(masked) = string.and_then(|value| self.within(&value)) {
            let masked = serde_json::Value::from(masked).to_string();
            found.push((range, masked));
        }
    }

    /// Keeps a secret in every form in which it may stand elsewhere.
    fn learn(&mut self, raw: &str, value: Option<&str>) {
        let inner = raw.trim_matches('"');
        for form in value.into_iter().chain([inner]) {
            if form.len() >= TELLING {
                self.values.insert(form.to_owned());
            }
        }
    }

    /// An option's value that has secrets of its own, masked: `username=u,password=p` as the mount
    /// options of CIFS, or `https://user:password@host`.
    fn within(&mut self, value: &str) -> Option<String> {
        let mut masked = String::new();
        for part in value.split_inclusive([',', ';', '&', ' ', '\n']) {
            let end = part.trim_end_matches([',', ';', '&', ' ', '\n']);
            let separator = part.get(end.len()..).unwrap_or_default();
            match end.split_once('=') {
                Some((key, secret)) if !secret.is_empty() && self.is_secret(key) => {
                    self.learn(secret, None);
                    masked += &format!("{key}={MASKED}{separator}");
                }
                _ => masked += &self.address(part),
            }
        }
        (masked != value).then_some(masked)
    }

    fn address(&mut self, part: &str) -> String {
        let userinfo = || {
            let (scheme, rest) = part.split_once("://")?;
            let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
            let (info, _) = authority.rsplit_once('@')?;
            let (user, password) = info.split_once(':')?;
            Some((format!("{scheme}://{user}:"), password.to_owned()))
        };
        match userinfo() {
            Some((before, password)) if !password.is_empty() => {
                self.learn(&password, None);
                part.replacen(
                    &format!("{before}{password}"),
                    &format!("{before}{MASKED}"),
                    1,
                )
            }
            _ => part.to_owned(),
        }
    }
}

/// One level of a JSON text; what is below stays text, and knows where it stands.
enum Node<'a> {
    Object(Vec<(Cow<'a, str>, &'a RawValue)>),
    Array(Vec<&'a RawValue>),
    Scalar,
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Level)
    }
}

struct Level;

impl<'de> Visitor<'de> for Level {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    /// Keeps members that are there twice, as no map would.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Node::Array(values))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Node::Scalar)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::Mask;

    fn masked(mask: &mut Mask, body: &str) -> String {
        mask.body(body.to_owned())
    }

    #[test]
    fn secret_options_are_masked_and_nothing_else_changes() {
        let mut mask = Mask::new(["code".to_owned()]);
        let body = "{\"Name\": \"a<b\",\"Opts\":{\"PASSWORD\":\"hunter2\\u003c\",\"mode\":\"0770\", \"Code\":\"wxyz\"}}\n";
        assert_eq!(
            masked(&mut mask, body),
            "{\"Name\": \"a<b\",\"Opts\":{\"PASSWORD\":\"***\",\"mode\":\"0770\", \"Code\":\"***\"}}\n"
        );
        // Wherever they come back.
        assert_eq!(
            masked(
                &mut mask,
                "{\"Err\":\"cannot log in with hunter2< at wxyz\"}"
            ),
            "{\"Err\":\"cannot log in with *** at ***\"}"
        );
        assert_eq!(mask.known("curl wxyz".to_owned()), "curl ***");
    }

    #[test]
    fn secrets_within_a_value_are_masked() {
        let mut mask = Mask::default();
        for (value, expected) in [
            (
                "addr=h,username=u,password=p@ss,vers=3.0",
                "addr=h,username=u,password=***,vers=3.0",
            ),
            ("https://me:pa55@host/bucket", "https://me:***@host/bucket"),
            ("rw,nosuid", "rw,nosuid"),
        ] {
            let body = format!("{{\"Opts\":{{\"o\":\"{value}\"}}}}");
            assert_eq!(
                masked(&mut mask, &body),
                format!("{{\"Opts\":{{\"o\":\"{expected}\"}}}}")
            );
        }
    }

    #[test]
    fn a_member_that_is_there_twice_is_masked_twice() {
        let body =
            "{\"Opts\":{\"token\":\"one1\",\"token\":\"two2\"},\"opts\":[{\"secret\":{\"a\":7}}]}";
        assert_eq!(
            masked(&mut Mask::default(), body),
            "{\"Opts\":{\"token\":\"***\",\"token\":\"***\"},\"opts\":[{\"secret\":{\"a\":\"***\"}}]}"
        );
    }

    #[test]
    fn half_a_body_that_speaks_of_a_secret_is_masked_as_a_whole() {
        let mut mask = Mask::default();
        assert_eq!(masked(&mut mask, "{\"Opts\":{\"password\":\"hun"), "***");
        assert_eq!(masked(&mut mask, "no such page"), "no such page");
    }
}
