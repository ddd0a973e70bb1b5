//! Quobyte's API: JSON-RPC 2.0 over HTTPS with a user and a password.
//!
//! Method and parameter names are those of Quobyte's public Go client (github.com/quobyte/api).

use std::sync::atomic::{AtomicU64, Ordering};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    backend::Provisioned,
    error::{Error, ErrorKind},
    http::{Client, request},
    mount::{helper::one_line, secrets::Secret},
};

const SERVICE: &str = "the Quobyte API";

/// The API of one cluster.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    url: String,
    authorization: Secret,
    next_id: AtomicU64,
}

/// A volume to make.
#[derive(Debug)]
pub(super) struct NewVolume {
    pub(super) name: String,
    pub(super) user: String,
    pub(super) group: String,
    pub(super) configuration: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) access_mode: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Reply {
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    error: Option<Fault>,
}

/// An error as the API tells it.
#[derive(Debug, Deserialize)]
struct Fault {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl Api {
    pub(super) fn new(client: Client, url: &str, user: &str, password: Option<Secret>) -> Self {
        let password = password.as_ref().map_or("", Secret::expose);
        let basic = BASE64_STANDARD.encode(format!("{user}:{password}"));
        Self {
            client,
            url: url.to_owned(),
            authorization: Secret::new(format!("Basic {basic}")),
            next_id: AtomicU64::new(1),
        }
    }

    /// Makes a volume; one of that name may exist.
    pub(super) async fn create(&self, volume: &NewVolume) -> Result<Provisioned, Error> {
        let mut parameters = parameters(&[
            ("name", Some(&volume.name)),
            ("root_user_id", Some(&volume.user)),
            ("root_group_id", Some(&volume.group)),
            ("configuration_name", volume.configuration.as_deref()),
            ("tenant_id", volume.tenant.as_deref()),
        ]);
        if let Some(mode) = volume.access_mode {
            parameters.insert("access_mode".to_owned(), mode.into());
        }
        match self.call("createVolume", parameters).await? {
            Ok(_) => Ok(Provisioned::Made),
            Err(fault) if fault.message.contains("ENTITY_EXISTS_ALREADY") => Ok(Provisioned::Found),
            Err(fault) => Err(fault.about("make the volume")),
        }
    }

    /// Deletes a volume with its data; none of that name is fine.
    pub(super) async fn delete(&self, name: &str, tenant: Option<&str>) -> Result<(), Error> {
        let named = parameters(&[("volume_name", Some(name)), ("tenant_domain", tenant)]);
        let found = match self.call("resolveVolumeName", named).await? {
            Ok(found) => found,
            Err(fault) if fault.message.contains("ENTITY_NOT_FOUND") => return Ok(()),
            Err(fault) => return Err(fault.about("find the volume")),
        };
        let Some(uuid) = found.get("volume_uuid").and_then(Value::as_str) else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("{SERVICE} named no volume"),
            ));
        };
        match self
            .call("deleteVolume", parameters(&[("volume_uuid", Some(uuid))]))
            .await?
        {
            Ok(_) => Ok(()),
            Err(fault) => Err(fault.about("delete the volume")),
        }
    }

    async fn call(
        &self,
        method: &str,
        mut parameters: Map<String, Value>,
    ) -> Result<Result<Value, Fault>, Error> {
        // The API tries again by itself for as long as a person would wait.
        parameters.insert("retry".to_owned(), "INTERACTIVE".into());
        let body = json!({
            "jsonrpc": "2.0",
            "id": self.next_id.fetch_add(1, Ordering::Relaxed).to_string(),
            "method": method,
            "params": parameters,
        });
        let headers = [
            ("Content-Type", "application/json"),
            ("Authorization", self.authorization.expose()),
        ];
        let answer = self
            .client
            .call(
                SERVICE,
                request("POST", &self.url, &headers, body.to_string())?,
            )
            .await?;
        let unusable =
            |what: String| Error::new(ErrorKind::Unavailable, format!("{SERVICE} {what}"));
        match answer.status {
            200..=299 => {}
            401 | 403 => {
                return Err(unusable(
                    "refuses the driver's user and password".to_owned(),
                ));
            }
            status => return Err(unusable(format!("answers with status {status}"))),
        }
        let reply: Reply = serde_json::from_str(&answer.body)
            .map_err(|_| unusable("answers with something that is no JSON-RPC".to_owned()))?;
        Ok(match reply {
            Reply {
                error: Some(fault), ..
            } => Err(fault),
            Reply { result, .. } => Ok(result.unwrap_or(Value::Null)),
        })
    }
}

impl Fault {
    fn about(&self, attempt: &str) -> Error {
        let said = one_line(&self.message, &[]);
        let reason = if said.is_empty() {
            format!("error {}", self.code)
        } else {
            said
        };
        Error::new(
            ErrorKind::Unavailable,
            format!("{SERVICE} cannot {attempt}: {reason}"),
        )
    }
}

fn parameters(given: &[(&str, Option<&str>)]) -> Map<String, Value> {
    given
        .iter()
        .filter_map(|(key, value)| Some(((*key).to_owned(), Value::from((*value)?))))
        .collect()
}
