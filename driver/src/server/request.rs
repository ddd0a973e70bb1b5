//! Reading the JSON of a request.
//!
//! Strict about what it means and lenient about the rest: a body must be one object with the
//! fields that the call needs, of the right type, and each refusal names the field. Unknown
//! fields are ignored. An empty body is refused where a name is needed: dockerd's retry after a
//! broken connection sends one (the reader of the first attempt is drained, `callWithRetry` in
//! moby's `pkg/plugins/client.go`), and to answer it with success would report a volume that
//! does not exist.

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use crate::{
    error::{Error, Quoted},
    types::{CreateRequest, MountId, MountRequest, Options, VolumeName},
};

type Fields = Map<String, Value>;

/// A request that makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Activate,
    Capabilities,
    List,
    Get(VolumeName),
    Path(VolumeName),
    Create(CreateRequest),
    Mount(MountRequest),
    Unmount(MountRequest),
    Remove(VolumeName),
}

impl Request {
    /// Reads a body, or says what is wrong with it.
    pub(super) fn read(endpoint: Endpoint, body: &[u8]) -> Result<Self, Error> {
        Self::parse(endpoint, body)
            .map_err(|problem| Error::refused(format!("{}: {problem}", endpoint.name())))
    }

    fn parse(endpoint: Endpoint, body: &[u8]) -> Result<Self, String> {
        // Of these the body does not matter: dockerd sends none or `{}`, Podman none.
        match endpoint {
            Endpoint::Activate => return Ok(Self::Activate),
            Endpoint::Capabilities => return Ok(Self::Capabilities),
            Endpoint::List => return Ok(Self::List),
            _ => {}
        }
        let mut fields = object(body)?;
        let name = name(&mut fields)?;
        Ok(match endpoint {
            Endpoint::Create => Self::Create(CreateRequest::new(name, options(&mut fields)?)),
            Endpoint::Mount => Self::Mount(MountRequest::new(name, mount_id(&mut fields)?)),
            Endpoint::Unmount => Self::Unmount(MountRequest::new(name, mount_id(&mut fields)?)),
            Endpoint::Remove => Self::Remove(name),
            Endpoint::Path => Self::Path(name),
            _ => Self::Get(name),
        })
    }
}

fn object(body: &[u8]) -> Result<Fields, String> {
    if body.trim_ascii().is_empty() {
        return Err(
            "the request has no body, so nothing was done; dockerd sends such a request when it \
                    repeats one after a broken connection, please try again"
                .to_owned(),
        );
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => Err(format!(
            "the body must be a JSON object, not {}",
            kind(&other)
        )),
        Err(error) => Err(format!("the body is not valid JSON: {error}")),
    }
}

fn name(fields: &mut Fields) -> Result<VolumeName, String> {
    match fields.remove("Name") {
        Some(Value::String(name)) => VolumeName::new(name).map_err(|error| error.to_string()),
        None => Err("the field Name is missing".to_owned()),
        Some(other) => Err(format!(
            "the field Name must be a string, not {}",
            kind(&other)
        )),
    }
}

fn mount_id(fields: &mut Fields) -> Result<MountId, String> {
    match fields.remove("ID") {
        Some(Value::String(id)) => Ok(MountId::new(id)),
        // Cloud Foundry sends none.
        None | Some(Value::Null) => Ok(MountId::default()),
        Some(other) => Err(format!(
            "the field ID must be a string, not {}",
            kind(&other)
        )),
    }
}

fn options(fields: &mut Fields) -> Result<Options, String> {
    let options = match fields.remove("Opts") {
        Some(Value::Object(options)) => options,
        // `docker volume create` without -o, and every implicit create, sends null.
        None | Some(Value::Null) => return Ok(Options::new()),
        Some(other) => {
            return Err(format!(
                "the field Opts must be an object, not {}",
                kind(&other)
            ));
        }
    };
    let text = |(key, value): (String, Value)| match value {
        Value::String(value) => Ok((key, value)),
        other => Err(format!(
            "the value of option {} must be a string, not {}",
            Quoted(&key),
            kind(&other)
        )),
    };
    options.into_iter().map(text).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(endpoint: Endpoint, body: &str) -> String {
        Request::read(endpoint, body.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn opts_may_be_null_missing_or_empty() {
        for body in [
            r#"{"Name":"v1","Opts":null}"#,
            r#"{"Name":"v1"}"#,
            "{\"Name\":\"v1\",\"Opts\":{}}\n",
        ] {
            let expected = CreateRequest::new(VolumeName::new("v1").unwrap(), Options::new());
            assert_eq!(
                Request::read(Endpoint::Create, body.as_bytes()).unwrap(),
                Request::Create(expected)
            );
        }
    }

    #[test]
    fn a_missing_null_or_empty_id_is_anonymous() {
        for body in [
            r#"{"Name":"v1"}"#,
            r#"{"Name":"v1","ID":null}"#,
            r#"{"Name":"v1","ID":""}"#,
        ] {
            match Request::read(Endpoint::Mount, body.as_bytes()).unwrap() {
                Request::Mount(request) => assert!(request.id.is_anonymous()),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn escapes_and_raw_text_are_the_same_name() {
        let escaped = Request::read(
            Endpoint::Get,
            br#"{"Name":"\u003ca\u0026b\u003e\ud83d\ude00"}"#,
        )
        .unwrap();
        let raw = Request::read(Endpoint::Get, r#"{"Zzz":1,"Name":"<a&b>😀"}"#.as_bytes()).unwrap();
        assert_eq!(escaped, raw);
    }

    #[test]
    fn refusals_name_the_call_and_the_field() {
        for (endpoint, body, expected) in [
            (
                Endpoint::Create,
                "",
                "VolumeDriver.Create: the request has no body",
            ),
            (
                Endpoint::Remove,
                " \n",
                "VolumeDriver.Remove: the request has no body",
            ),
            (Endpoint::Get, "{}", "the field Name is missing"),
            (
                Endpoint::Get,
                r#"{"Name":1}"#,
                "the field Name must be a string, not a number",
            ),
            (Endpoint::Get, r#"{"Name":""}"#, "the volume name is empty"),
            (
                Endpoint::Get,
                r#"["v1"]"#,
                "must be a JSON object, not an array",
            ),
            (Endpoint::Get, r#"{"Name":"v1"} x"#, "trailing characters"),
            (Endpoint::Get, r#"{"Name":"v1""#, "not valid JSON"),
            (Endpoint::Get, r#"{"Name":"\ud800"}"#, "not valid JSON"),
            (
                Endpoint::Mount,
                r#"{"Name":"v1","ID":7}"#,
                "the field ID must be a string, not a number",
            ),
            (
                Endpoint::Create,
                r#"{"Name":"v1","Opts":[]}"#,
                "the field Opts must be an object, not an array",
            ),
            (
                Endpoint::Create,
                r#"{"Name":"v1","Opts":{"a":1}}"#,
                r#"the value of option "a" must be a string"#,
            ),
        ] {
            let text = refusal(endpoint, body);
            assert!(text.contains(expected), "{body}: {text}");
        }
    }
}
