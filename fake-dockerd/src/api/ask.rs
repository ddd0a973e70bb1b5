//! A request, taken apart.

use std::collections::BTreeMap;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::profile::Profile;

/// No JSON that a client sends is longer.
const MAX_BODY: usize = 16 << 20;

/// A request.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// The path behind the version, decoded.
    pub(super) path: String,
    /// The version that the client speaks: of the path, or the engine's own.
    pub(super) version: Version,
    query: Vec<(String, String)>,
    pub(super) profile: &'static Profile,
    pub(super) request: Request<Incoming>,
}

/// A version of the Engine API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32, pub(super) u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl Ask {
    /// Takes a request apart; a version that the engine does not speak is refused.
    pub(super) fn new(request: Request<Incoming>, profile: &'static Profile) -> Result<Self> {
        let path = percent_decode_str(request.uri().path()).decode_utf8_lossy();
        let newest = Version::parse(profile.api_version).unwrap_or(Version(1, 0));
        let oldest = Version::parse(profile.min_api_version).unwrap_or(newest);
        let versioned = path.strip_prefix("/v").and_then(|rest| {
            let (version, rest) = rest.split_once('/')?;
            Some((Version::parse(version)?, version, rest))
        });
        let (version, path) = match versioned {
            Some((version, text, _)) if version > newest => {
                return Err(Error::invalid(format!(
                    "client version {text} is too new. Maximum supported API version is {}",
                    profile.api_version
                )));
            }
            Some((version, text, _)) if version < oldest => {
                return Err(Error::invalid(format!(
                    "client version {text} is too old. Minimum supported API version is {}, please \
                     upgrade your client to a newer version",
                    profile.min_api_version
                )));
            }
            Some((version, _, rest)) => (version, format!("/{rest}")),
            None => (newest, path.into_owned()),
        };
        let query = request.uri().query().unwrap_or_default();
        Ok(Self {
            profile,
            method: request.method().clone(),
            path,
            version,
            query: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            request,
        })
    }

    /// What was asked, in short.
    pub(super) fn command(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// A value of the query; empty if it is not there.
    pub(super) fn value(&self, key: &str) -> &str {
        let mut pairs = self.query.iter().filter(|(name, _)| name == key);
        pairs.next().map_or("", |(_, value)| value.as_str())
    }

    /// Every value of the query under a key.
    pub(super) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.query.iter().filter(move |(name, _)| name == key);
        pairs.map(|(_, value)| value.as_str())
    }

    /// A switch of the query, as moby's `httputils.BoolValue`.
    pub(super) fn flag(&self, key: &str) -> bool {
        let value = self.value(key).trim().to_lowercase();
        !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// A number of the query.
    pub(super) fn number(&self, key: &str) -> Result<Option<i64>> {
        let value = self.value(key);
        if value.is_empty() {
            return Ok(None);
        }
        let number = value.parse();
        number
            .map(Some)
            .map_err(|_| Error::invalid(format!("strconv.Atoi: parsing {value:?}: invalid syntax")))
    }

    /// The filters, of which only `known` are taken.
    pub(super) fn filters(&self, known: &[&str]) -> Result<Filters> {
        let filters = Filters::parse(self.value("filters"))?;
        match filters.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(self.invalid_filter(key)),
            None => Ok(filters),
        }
    }

    /// A filter that is a switch. Other values beside one that makes sense are passed over.
    pub(super) fn switch(&self, filters: &Filters, key: &str) -> Result<Option<bool>> {
        let values = filters.get(key);
        if values.is_empty() {
            return Ok(None);
        }
        let says = |words: [&str; 2]| values.iter().any(|value| words.contains(&value.as_str()));
        match (says(["true", "1"]), says(["false", "0"])) {
            (true, false) => Ok(Some(true)),
            (false, true) => Ok(Some(false)),
            (true, true) if self.profile.contradiction_is_true => Ok(Some(true)),
            // As Go's %s writes a list.
            _ => Err(self.invalid_filter(&format!("{key}=[{}]", values.join(" ")))),
        }
    }

    fn invalid_filter(&self, what: &str) -> Error {
        Error::invalid(self.profile.worded(&format!("invalid filter '{what}'")))
    }

    /// The body, from JSON; no body is like `{}`.
    pub(super) async fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        let body = Limited::new(self.request.body_mut(), MAX_BODY);
        let body = body.collect().await;
        let body = body.map_err(|error| Error::invalid(error.to_string()))?;
        let body = body.to_bytes();
        let text = if body.trim_ascii().is_empty() {
            b"{}"
        } else {
            body.as_ref()
        };
        serde_json::from_slice(text)
            .map_err(|error| Error::invalid(format!("invalid JSON: {error}")))
    }
}

/// Filters: values by key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// `{"key":{"value":true}}`, or `{"key":["value"]}` of old clients.
    fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let new = serde_json::from_str::<BTreeMap<String, BTreeMap<String, bool>>>(text);
        if let Ok(new) = new {
            let filters = new.into_iter().map(|(key, values)| {
                let given = values.into_iter().filter(|(_, is_given)| *is_given);
                (key, given.map(|(value, _)| value).collect())
            });
            return Ok(Self(filters.collect()));
        }
        serde_json::from_str(text)
            .map(Self)
            .map_err(|error| Error::invalid(format!("invalid filters: {error}")))
    }

    /// The values of a filter.
    pub(super) fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether one of the values is `value`, or none is given.
    pub(super) fn allows(&self, key: &str, value: &str) -> bool {
        let wanted = self.get(key);
        wanted.is_empty() || wanted.iter().any(|wanted| wanted == value)
    }

    /// The values of a filter as an owned list.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        self.get(key).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::Filters;

    #[test]
    fn filters_come_in_two_forms() {
        let new = Filters::parse(r#"{"label":{"a=1":true,"b":false}}"#).unwrap();
        assert_eq!(new, Filters::parse(r#"{"label":["a=1"]}"#).unwrap());
        assert_eq!(new.get("label"), ["a=1"]);
        assert!(new.allows("name", "x") && !new.allows("label", "b"));
        assert!(Filters::parse("[]").is_err());
    }
}
