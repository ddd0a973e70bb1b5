//! What dockerd makes of an answer.
//!
//! Go's decoder is lenient in some ways (keys match without regard to case, bytes after the first
//! JSON value are ignored, `null` fits everywhere) and strict in others (a wrong type fails the
//! whole answer). Cases that need to know whether a call *worked* ask this reading, so that a
//! plugin which Docker works well with is not failed for its style; style has cases of its own.

use serde_json::{Map, Value};

use super::Endpoint;
use crate::wire::Response;

/// An answer as dockerd understands it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// The failure that dockerd would report; `None` is success.
    pub error: Option<String>,
    /// `Mountpoint` of Mount and Path; empty when absent.
    pub mountpoint: String,
    /// `Volume` of Get.
    pub volume: Option<Volume>,
    /// `Volumes` of List. A `null` entry is `None`: real engines crash on it.
    pub volumes: Vec<Option<Volume>>,
    /// `Implements` of Activate.
    pub implements: Vec<String>,
    /// `Capabilities.Scope`, as written.
    pub scope: Option<String>,
}

/// A volume as Get and List describe it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Volume {
    /// `Name`.
    pub name: String,
    /// `Mountpoint`, empty when absent.
    pub mountpoint: String,
    /// `CreatedAt`, if it is there.
    pub created_at: Option<String>,
    /// `Status`, if it is there.
    pub status: Option<Value>,
}

/// Reads `response` as dockerd reads the answer to `endpoint` (moby, `pkg/plugins/client.go` and
/// `daemon/volume/drivers/proxy.go`).
#[must_use]
pub fn read_as_docker(endpoint: Endpoint, response: &Response) -> Reading {
    let failed = |error: String| Reading {
        error: Some(error),
        ..Reading::default()
    };
    let call = endpoint.path().trim_start_matches('/');
    if response.status != 200 {
        // dockerd shows `Err` of a JSON body, and any other body as it is.
        let told = first_value(&response.body)
            .ok()
            .and_then(|value| {
                value
                    .as_object()
                    .and_then(|map| string(map, "Err").ok())
                    .flatten()
            })
            .filter(|text| !text.is_empty());
        return failed(format!(
            "{call}: {}",
            told.unwrap_or_else(|| response.text())
        ));
    }
    let value = match first_value(&response.body) {
        Ok(value) => value,
        Err(why) => return failed(why),
    };
    match &value {
        Value::Null => Reading::default(),
        Value::Object(map) => decode(endpoint, map).unwrap_or_else(failed),
        other => failed(format!(
            "json: cannot unmarshal {} into Go value",
            kind(other)
        )),
    }
}

/// The first JSON value of a body; what stands behind it is ignored, as Go's decoder does.
fn first_value(body: &[u8]) -> Result<Value, String> {
    match serde_json::Deserializer::from_slice(body)
        .into_iter::<Value>()
        .next()
    {
        None => Err("EOF".to_owned()),
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) if error.is_eof() => Err("unexpected EOF".to_owned()),
        Some(Err(error)) => Err(format!("invalid JSON: {error}")),
    }
}

fn decode(endpoint: Endpoint, map: &Map<String, Value>) -> Result<Reading, String> {
    let mut reading = Reading::default();
    match endpoint {
        Endpoint::Activate => {
            // dockerd ignores `Err` here when `Implements` is right.
            for item in array(map, "Implements")? {
                let Value::String(name) = item else {
                    return Err(mismatch("Implements", item));
                };
                reading.implements.push(name.clone());
            }
        }
        Endpoint::Capabilities => {
            if let Some(inner) = object(map, "Capabilities")? {
                reading.scope = string(inner, "Scope")?;
            }
        }
        Endpoint::Get => reading.volume = object(map, "Volume")?.map(volume).transpose()?,
        Endpoint::List => {
            for item in array(map, "Volumes")? {
                reading.volumes.push(match item {
                    Value::Null => None,
                    Value::Object(inner) => Some(volume(inner)?),
                    other => return Err(mismatch("Volumes", other)),
                });
            }
        }
        Endpoint::Mount | Endpoint::Path => {
            reading.mountpoint = string(map, "Mountpoint")?.unwrap_or_default();
        }
        Endpoint::Create | Endpoint::Unmount | Endpoint::Remove => {}
    }
    if endpoint != Endpoint::Activate {
        reading.error = string(map, "Err")?.filter(|text| !text.is_empty());
    }
    Ok(reading)
}

fn volume(map: &Map<String, Value>) -> Result<Volume, String> {
    let created_at = string(map, "CreatedAt")?;
    if let Some(text) = &created_at
        && !is_rfc3339(text)
    {
        return Err(format!("parsing time {text:?} as RFC 3339"));
    }
    let status = match field(map, "Status") {
        None | Some(Value::Null) => None,
        Some(status @ Value::Object(_)) => Some(status.clone()),
        Some(other) => return Err(mismatch("Status", other)),
    };
    Ok(Volume {
        name: string(map, "Name")?.unwrap_or_default(),
        mountpoint: string(map, "Mountpoint")?.unwrap_or_default(),
        created_at,
        status,
    })
}

/// Whether Go's `time.Time` takes `text`: a date, a capital `T`, a time, and `Z` or `±hh:mm`.
///
/// The parser used here is more lenient about the shape, so that is looked at first.
#[must_use]
pub fn is_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let zone = text.ends_with('Z')
        || bytes
            .len()
            .checked_sub(6)
            .and_then(|at| bytes.get(at..))
            .is_some_and(|zone| matches!(zone, [b'+' | b'-', _, _, b':', _, _]));
    bytes.get(10) == Some(&b'T')
        && bytes.get(16) == Some(&b':')
        && zone
        && text.parse::<jiff::Timestamp>().is_ok()
}

/// The value of `key`; Go prefers the exact spelling and takes any other by case folding.
fn field<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).or_else(|| {
        map.iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    })
}

fn string(map: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match field(map, key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(mismatch(key, other)),
    }
}

fn object<'a>(
    map: &'a Map<String, Value>,
    key: &str,
) -> Result<Option<&'a Map<String, Value>>, String> {
    match field(map, key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(other) => Err(mismatch(key, other)),
    }
}

fn array<'a>(map: &'a Map<String, Value>, key: &str) -> Result<&'a [Value], String> {
    match field(map, key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(mismatch(key, other)),
    }
}

fn mismatch(key: &str, value: &Value) -> String {
    format!(
        "json: cannot unmarshal {} into Go struct field {key}",
        kind(value)
    )
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::{Reading, Response, read_as_docker};
    use crate::protocol::Endpoint;

    fn read(endpoint: Endpoint, status: u16, body: &str) -> Reading {
        let response = Response {
            status,
            headers: vec![],
            body: body.into(),
        };
        read_as_docker(endpoint, &response)
    }

    /// The table of failures that recorded engines showed to the user.
    #[test]
    fn failures_read_as_recorded_engines_read_them() {
        let error = |status, body| read(Endpoint::Create, status, body).error;
        assert_eq!(error(200, "{\"Err\":\"boom\"}").as_deref(), Some("boom"));
        assert_eq!(error(200, "{\"err\":\"boom\"}").as_deref(), Some("boom"));
        assert_eq!(
            error(500, "{\"Err\":\"boom\"}").as_deref(),
            Some("VolumeDriver.Create: boom")
        );
        assert_eq!(
            error(500, "oops").as_deref(),
            Some("VolumeDriver.Create: oops")
        );
        assert_eq!(
            error(201, "{\"Err\":\"\"}").as_deref(),
            Some("VolumeDriver.Create: {\"Err\":\"\"}")
        );
        assert_eq!(error(200, "").as_deref(), Some("EOF"));
        assert_eq!(error(200, "{\"Err\":").as_deref(), Some("unexpected EOF"));
        assert!(error(200, "[]").unwrap().contains("cannot unmarshal array"));
        for success in [
            "{}",
            "null",
            "{\"Err\":null}",
            "{\"Err\":\"\"} trailing",
            "{\"Zzz\":1}",
        ] {
            assert_eq!(error(200, success), None, "{success}");
        }
    }

    #[test]
    fn a_bad_field_of_a_volume_fails_the_whole_answer() {
        let get = |inner: &str| {
            read(
                Endpoint::Get,
                200,
                &format!("{{\"Volume\":{{\"Name\":\"v\"{inner}}}}}"),
            )
        };
        assert_eq!(get("").volume.unwrap().name, "v");
        assert!(get(",\"CreatedAt\":\"\"").error.is_some());
        assert!(get(",\"CreatedAt\":5").error.is_some());
        assert!(
            get(",\"CreatedAt\":\"2026-01-02 03:04:05Z\"")
                .error
                .is_some()
        );
        assert!(
            get(",\"CreatedAt\":\"2026-01-02T03:04:05\"")
                .error
                .is_some()
        );
        assert_eq!(get(",\"CreatedAt\":\"0001-01-01T00:00:00Z\"").error, None);
        assert!(get(",\"Status\":\"ok\"").error.is_some());
        assert_eq!(
            get(",\"CreatedAt\":\"2026-01-02T03:04:05.678+02:00\"").error,
            None
        );
    }

    #[test]
    fn a_null_entry_of_a_list_is_kept_as_such() {
        let list = read(
            Endpoint::List,
            200,
            "{\"Volumes\":[null,{\"Name\":\"d1\"}]}",
        );
        assert_eq!(list.volumes.len(), 2);
        assert!(list.volumes[0].is_none());
    }
}
