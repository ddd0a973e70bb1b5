//! The calls of the volume plugin protocol: names, bodies, time limits, answers.
//!
//! Follows moby's `volume/drivers/proxy.go`. `VolumeDriver.Path` is missing because no engine was
//! ever seen to send it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::{CallError, Client};
use crate::json::{self, Json, Reader, Target};
use crate::volumes::created_at;

const LONG: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_secs(60);

/// A volume as a plugin tells of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ProxyVolume {
    /// The name, which may be another than was asked for.
    pub(crate) name: String,
    /// Where it is mounted; empty if it is not.
    pub(crate) mountpoint: String,
    /// RFC 3339, without fractions; Go's zero time if it was not told.
    pub(crate) created_at: Cow<'static, str>,
    /// What the plugin says about the volume; dockerd keeps nothing of it from a list.
    pub(crate) status: serde_json::Map<String, serde_json::Value>,
}

/// How the fields of a volume are called in error texts, and which of them are kept.
struct Shape {
    volume: &'static str,
    name: &'static str,
    mountpoint: &'static str,
    status: &'static str,
    keeps_status: bool,
}

const FOUND: Shape = Shape {
    volume: "Volume",
    name: "Volume.Name",
    mountpoint: "Volume.Mountpoint",
    status: "Volume.Status",
    keeps_status: true,
};
const LISTED: Shape = Shape {
    volume: "Volumes",
    name: "Volumes.Name",
    mountpoint: "Volumes.Mountpoint",
    status: "Volumes.Status",
    keeps_status: false,
};

/// The plugin's side of a volume driver.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    client: Arc<Client>,
}

/// The fields of any answer.
#[derive(Debug, Default)]
struct Answer {
    err: String,
    mountpoint: String,
    scope: String,
    volume: Option<ProxyVolume>,
    volumes: Vec<Option<ProxyVolume>>,
}

impl Proxy {
    /// A proxy that calls with `client`.
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self { client }
    }

    /// `VolumeDriver.Create`.
    pub(crate) async fn create(
        &self,
        name: &str,
        options: Option<&BTreeMap<String, String>>,
    ) -> Result<(), CallError> {
        self.call("Create", create_body(name, options), LONG)
            .await
            .map(drop)
    }

    /// `VolumeDriver.Remove`.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), CallError> {
        self.call("Remove", name_body(name), SHORT).await.map(drop)
    }

    /// `VolumeDriver.Mount`; where the volume is then.
    pub(crate) async fn mount(&self, name: &str, id: &str) -> Result<String, CallError> {
        let answer = self.call("Mount", mount_body(name, id), LONG).await?;
        Ok(answer.mountpoint)
    }

    /// `VolumeDriver.Unmount`.
    pub(crate) async fn unmount(&self, name: &str, id: &str) -> Result<(), CallError> {
        self.call("Unmount", mount_body(name, id), SHORT)
            .await
            .map(drop)
    }

    /// `VolumeDriver.Get`; no error and no volume is possible.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<ProxyVolume>, CallError> {
        Ok(self.call("Get", name_body(name), SHORT).await?.volume)
    }

    /// `VolumeDriver.List`; a `null` among the volumes is passed on.
    pub(crate) async fn list(&self) -> Result<Vec<Option<ProxyVolume>>, CallError> {
        Ok(self.call("List", "{}\n".to_owned(), SHORT).await?.volumes)
    }

    /// `VolumeDriver.Capabilities`; the scope as it was told.
    pub(crate) async fn capabilities(&self) -> Result<String, CallError> {
        let answer = self.call("Capabilities", "{}\n".to_owned(), SHORT).await?;
        Ok(answer.scope)
    }

    async fn call(
        &self,
        method: &'static str,
        body: String,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let service = format!("VolumeDriver.{method}");
        let json = self.client.call(&service, body, Some(limit)).await?;
        let answer = read(method, json).map_err(|text| {
            tracing::error!("{service}: error reading plugin resp: {text}");
            CallError::answered(text)
        })?;
        if answer.err.is_empty() {
            Ok(answer)
        } else {
            Err(CallError::answered(answer.err))
        }
    }
}

fn name_body(name: &str) -> String {
    let mut body = String::from("{\"Name\":");
    json::string(&mut body, name);
    body.push_str("}\n");
    body
}

fn mount_body(name: &str, id: &str) -> String {
    let mut body = String::from("{\"Name\":");
    json::string(&mut body, name);
    body.push_str(",\"ID\":");
    json::string(&mut body, id);
    body.push_str("}\n");
    body
}

/// `null` where no options were given, `{}` where an empty set of them was.
fn create_body(name: &str, options: Option<&BTreeMap<String, String>>) -> String {
    let mut body = String::from("{\"Name\":");
    json::string(&mut body, name);
    body.push_str(",\"Opts\":");
    match options {
        None => body.push_str("null"),
        Some(options) => {
            body.push('{');
            for (position, (key, value)) in options.iter().enumerate() {
                if position > 0 {
                    body.push(',');
                }
                json::string(&mut body, key);
                body.push(':');
                json::string(&mut body, value);
            }
            body.push('}');
        }
    }
    body.push_str("}\n");
    body
}

/// Reads the fields that the answer to `method` has in dockerd; others are ignored there.
fn read(method: &'static str, json: Json) -> Result<Answer, String> {
    let name = match method {
        "Create" => "volumeDriverProxyCreateResponse",
        "Remove" => "volumeDriverProxyRemoveResponse",
        "Mount" => "volumeDriverProxyMountResponse",
        "Unmount" => "volumeDriverProxyUnmountResponse",
        "Get" => "volumeDriverProxyGetResponse",
        "List" => "volumeDriverProxyListResponse",
        _ => "volumeDriverProxyCapabilitiesResponse",
    };
    let package = "drivers";
    let mut reader = Reader::new(Target { package, name });
    let mut answer = Answer::default();
    for (key, value) in reader.fields(json) {
        let is = |field: &str| key.eq_ignore_ascii_case(field);
        if is("Err") {
            reader.string(&mut answer.err, "Err", value);
        } else if method == "Mount" && is("Mountpoint") {
            reader.string(&mut answer.mountpoint, "Mountpoint", value);
        } else if method == "Get" && is("Volume") {
            answer.volume = volume(&mut reader, &FOUND, value);
        } else if method == "List" && is("Volumes") {
            answer.volumes = volumes(&mut reader, value);
        } else if method == "Capabilities" && is("Capabilities") {
            scope(&mut reader, &mut answer.scope, value);
        }
    }
    reader.finish().map(|()| answer)
}

fn volumes(reader: &mut Reader, json: Json) -> Vec<Option<ProxyVolume>> {
    match json {
        Json::Array(items) => items
            .into_iter()
            .map(|item| volume(reader, &LISTED, item))
            .collect(),
        Json::Null => Vec::new(),
        other => {
            reader.mismatch(LISTED.volume, &other, "[]*drivers.proxyVolume");
            Vec::new()
        }
    }
}

fn volume(reader: &mut Reader, shape: &Shape, json: Json) -> Option<ProxyVolume> {
    let fields = match json {
        Json::Object(fields) => fields,
        Json::Null => return None,
        other => {
            reader.mismatch(shape.volume, &other, "drivers.proxyVolume");
            return None;
        }
    };
    let mut volume = ProxyVolume {
        created_at: created_at::ZERO.into(),
        ..ProxyVolume::default()
    };
    for (key, value) in fields {
        let is = |field: &str| key.eq_ignore_ascii_case(field);
        if is("Name") {
            reader.string(&mut volume.name, shape.name, value);
        } else if is("Mountpoint") {
            reader.string(&mut volume.mountpoint, shape.mountpoint, value);
        } else if is("CreatedAt") {
            match created_at::read(&value) {
                Ok(Some(time)) => volume.created_at = time.into(),
                Ok(None) => {}
                Err(error) => reader.fail(error),
            }
        } else if is("Status") {
            match value {
                Json::Object(status) if shape.keeps_status => volume.status = map(status),
                Json::Object(_) | Json::Null => {}
                _ => reader.fail(format!(
                    "json: cannot unmarshal into Go struct field {} of type map[string]interface {{}}",
                    shape.status
                )),
            }
        }
    }
    Some(volume)
}

fn scope(reader: &mut Reader, scope: &mut String, json: Json) {
    match json {
        Json::Object(fields) => {
            for (key, value) in fields {
                if key.eq_ignore_ascii_case("Scope") {
                    reader.string(scope, "Capabilities.Scope", value);
                }
            }
        }
        Json::Null => {}
        other => reader.mismatch("Capabilities", &other, "volume.Capability"),
    }
}

/// The same value for those who only show it.
fn plain(json: Json) -> serde_json::Value {
    match json {
        Json::Null => serde_json::Value::Null,
        Json::Bool(value) => value.into(),
        Json::Number(text) => text
            .parse::<i64>()
            .map(Into::into)
            .or_else(|_| text.parse::<f64>().map(Into::into))
            .unwrap_or_default(),
        Json::String(text) => text.into(),
        Json::Array(items) => items.into_iter().map(plain).collect(),
        Json::Object(fields) => map(fields).into(),
    }
}

fn map(fields: Vec<(String, Json)>) -> serde_json::Map<String, serde_json::Value> {
    let fields = fields.into_iter();
    fields.map(|(key, value)| (key, plain(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::{create_body, json, mount_body, read};

    fn answer(method: &'static str, body: &str) -> Result<super::Answer, String> {
        read(method, json::decode(body.as_bytes()).unwrap())
    }

    #[test]
    fn bodies_look_as_recorded() {
        assert_eq!(create_body("v", None), "{\"Name\":\"v\",\"Opts\":null}\n");
        let mut options = std::collections::BTreeMap::new();
        assert_eq!(
            create_body("v", Some(&options)),
            "{\"Name\":\"v\",\"Opts\":{}}\n"
        );
        options.insert("foo".to_owned(), "bar".to_owned());
        options.insert("aaa".to_owned(), String::new());
        assert_eq!(
            create_body("v", Some(&options)),
            "{\"Name\":\"v\",\"Opts\":{\"aaa\":\"\",\"foo\":\"bar\"}}\n"
        );
        assert_eq!(mount_body("v", "i"), "{\"Name\":\"v\",\"ID\":\"i\"}\n");
    }

    #[test]
    fn wrong_types_are_told_as_go_tells_them() {
        assert_eq!(
            answer("Create", "[]").unwrap_err(),
            "json: cannot unmarshal array into Go value of type drivers.volumeDriverProxyCreateResponse"
        );
        assert_eq!(
            answer("Remove", "{\"Err\":1}").unwrap_err(),
            "json: cannot unmarshal number into Go struct field volumeDriverProxyRemoveResponse.Err of type string"
        );
    }

    #[test]
    fn keys_match_whatever_their_case_and_the_last_one_wins() {
        assert_eq!(answer("Create", r#"{"err":"boom"}"#).unwrap().err, "boom");
        assert_eq!(
            answer("Create", r#"{"err":"boom","Err":""}"#).unwrap().err,
            ""
        );
        assert_eq!(
            answer("Create", r#"{"err":"boom","Err":null}"#)
                .unwrap()
                .err,
            "boom"
        );
    }

    #[test]
    fn a_null_among_volumes_is_passed_on() {
        let listed = answer("List", r#"{"Volumes":[null,{"Name":"d1"}]}"#).unwrap();
        assert_eq!(listed.volumes.len(), 2);
        assert!(listed.volumes.first().unwrap().is_none());
    }
}
