//! Writing the JSON of an answer.
//!
//! Failures are told twice, for dockerd understands both and Podman looks at the status alone:
//! a status other than 200 and a non-empty `Err`. Successes are exactly 200, for dockerd takes
//! 201 or 204 for failures, and always an object.

use std::path::Path;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue},
};
use serde::{Serialize, Serializer, ser::Error as _};

use super::endpoint::Endpoint;
use crate::{
    error::Error,
    types::{Capabilities, Volume},
};

/// What dockerd's `Accept` asks for.
const JSON: HeaderValue = HeaderValue::from_static("application/vnd.docker.plugins.v1.2+json");

/// An answer, ready for the wire but for its HTTP frame.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    allow_post: bool,
    close: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failure<'a> {
    err: &'a str,
}

/// The fields that any success may have, in the spelling of
/// <https://docs.docker.com/engine/extend/plugins_volume/>.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Success<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    implements: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Scoped<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mountpoint: Option<Mountpoint<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volumes: Option<Shelf<'a>>,
    err: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Scoped<'a> {
    scope: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown<'a> {
    name: &'a str,
    mountpoint: Mountpoint<'a>,
    // dockerd takes anything but RFC 3339 for "no such volume", so absent rather than empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<jiff::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

impl<'a> From<&'a Volume> for Shown<'a> {
    fn from(volume: &'a Volume) -> Self {
        Self {
            name: &volume.name,
            mountpoint: Mountpoint(volume.mountpoint.as_deref()),
            created_at: volume.created_at,
            status: (!volume.status.is_empty()).then_some(&volume.status),
        }
    }
}

/// Volumes written one after the other: with a hundred thousand, a list of what is to be written
/// would take more memory than the answer.
struct Shelf<'a>(&'a [Volume]);

impl Serialize for Shelf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Shown::from))
    }
}

/// A mountpoint that Docker can use, or the empty text. An empty or relative one from a driver is
/// a failure: dockerd would take it as it is, and the container would find its own OCI bundle
/// mounted, writable.
struct Mountpoint<'a>(Option<&'a Path>);

impl Serialize for Mountpoint<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            None => serializer.serialize_str(""),
            Some(path) => match path.to_str() {
                Some(text) if path.is_absolute() => serializer.serialize_str(text),
                _ => Err(S::Error::custom(format_args!(
                    "the driver's mountpoint {path:?} is not an absolute path in UTF-8"
                ))),
            },
        }
    }
}

impl Answer {
    pub(super) fn activate() -> Self {
        Self::success(&Success {
            implements: Some(["VolumeDriver"]),
            ..Success::default()
        })
    }

    pub(super) fn capabilities(capabilities: Capabilities) -> Self {
        let scope = capabilities.scope.as_str();
        Self::success(&Success {
            capabilities: Some(Scoped { scope }),
            ..Success::default()
        })
    }

    /// Create, Unmount, Remove.
    pub(super) fn done() -> Self {
        Self::success(&Success::default())
    }

    /// Mount and Path.
    pub(super) fn path(path: Option<&Path>) -> Self {
        Self::success(&Success {
            mountpoint: Some(Mountpoint(path)),
            ..Success::default()
        })
    }

    pub(super) fn volume(volume: &Volume) -> Self {
        Self::success(&Success {
            volume: Some(volume.into()),
            ..Success::default()
        })
    }

    pub(super) fn volumes(volumes: &[Volume]) -> Self {
        Self::success(&Success {
            volumes: Some(Shelf(volumes)),
            ..Success::default()
        })
    }

    /// A failure of the driver.
    pub(super) fn error(error: &Error) -> Self {
        Self::failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
    }

    /// A request that no driver was asked about.
    pub(super) fn failure(status: StatusCode, message: &str) -> Self {
        let err = if message.is_empty() {
            "unknown error"
        } else {
            message
        };
        Self {
            status,
            ..Self::json(&Failure { err })
        }
    }

    pub(super) fn not_allowed(endpoint: Endpoint) -> Self {
        let message = format!("{} is called with POST", endpoint.name());
        Self {
            allow_post: true,
            ..Self::failure(StatusCode::METHOD_NOT_ALLOWED, &message)
        }
    }

    /// The same answer, after which the connection is closed: the rest of the request was not read.
    pub(super) fn closing(self) -> Self {
        Self {
            close: true,
            ..self
        }
    }

    fn success(fields: &Success<'_>) -> Self {
        Self::json(fields)
    }

    fn json(fields: &impl Serialize) -> Self {
        let (status, body) = match serde_json::to_vec(fields) {
            Ok(body) => (StatusCode::OK, body),
            // What fails is a mountpoint that Docker could not use.
            Err(error) => {
                let failure = serde_json::json!({ "Err": error.to_string() }).to_string();
                (StatusCode::INTERNAL_SERVER_ERROR, failure.into_bytes())
            }
        };
        Self {
            status,
            body: body.into(),
            allow_post: false,
            close: false,
        }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if self.allow_post {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(answer: &Answer) -> &str {
        std::str::from_utf8(&answer.body).unwrap()
    }

    #[test]
    fn answers_have_the_documented_fields() {
        assert_eq!(
            body(&Answer::activate()),
            r#"{"Implements":["VolumeDriver"],"Err":""}"#
        );
        assert_eq!(
            body(&Answer::capabilities(Capabilities::default())),
            r#"{"Capabilities":{"Scope":"local"},"Err":""}"#
        );
        assert_eq!(body(&Answer::done()), r#"{"Err":""}"#);
        assert_eq!(body(&Answer::path(None)), r#"{"Mountpoint":"","Err":""}"#);
        assert_eq!(
            body(&Answer::path(Some(Path::new("/m")))),
            r#"{"Mountpoint":"/m","Err":""}"#
        );
        let volume = Volume::new("v")
            .created_at(jiff::Timestamp::UNIX_EPOCH)
            .with_status("a", 1);
        assert_eq!(
            body(&Answer::volume(&volume)),
            r#"{"Volume":{"Name":"v","Mountpoint":"","CreatedAt":"1970-01-01T00:00:00Z","Status":{"a":1}},"Err":""}"#
        );
        assert_eq!(body(&Answer::volumes(&[])), r#"{"Volumes":[],"Err":""}"#);
    }

    #[test]
    fn a_driver_cannot_hand_out_a_mountpoint_that_docker_would_misread() {
        let listed = Answer::volumes(&[Volume::new("v").mounted_at("relative")]);
        assert_eq!(listed.status, StatusCode::INTERNAL_SERVER_ERROR);
        for path in ["", "relative"] {
            let answer = Answer::path(Some(Path::new(path)));
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert!(body(&answer).starts_with(r#"{"Err":"the driver's mountpoint"#));
        }
    }

    #[test]
    fn an_error_is_never_empty() {
        assert_eq!(
            body(&Answer::failure(StatusCode::NOT_FOUND, "")),
            r#"{"Err":"unknown error"}"#
        );
    }
}
