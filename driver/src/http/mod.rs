//! Calls to the HTTP services of storage: S3, Quobyte's API, the metadata service of a cloud.

pub(crate) mod metadata;

use std::{path::Path, sync::Arc, time::Duration};

use ureq::{
    Agent,
    http::Request,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::error::{Error, ErrorKind};

/// Longest answer that is read.
const MAX_BYTES: u64 = 4 << 20;

/// A client with a time limit for each call as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Client(Agent);

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Whom to trust.
#[derive(Debug, Clone)]
pub(crate) enum Roots {
    /// The certificates of the system.
    System,
    /// These alone.
    Only(Vec<Certificate<'static>>),
}

impl Roots {
    /// The certificates in a PEM file.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let pem =
            std::fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
        let mut certificates = Vec::new();
        for item in parse_pem(&pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
                Ok(_) => {}
                Err(error) => return Err(format!("{shown} is no PEM file: {error}")),
            }
        }
        if certificates.is_empty() {
            return Err(format!("{shown} holds no certificate"));
        }
        Ok(Self::Only(certificates))
    }
}

impl Client {
    pub(crate) fn new(limit: Duration, roots: Roots) -> Self {
        let roots = match roots {
            Roots::System => RootCerts::PlatformVerifier,
            Roots::Only(certificates) => RootCerts::Specific(Arc::new(certificates)),
        };
        let config = Agent::config_builder()
            .timeout_global(Some(limit))
            .http_status_as_error(false)
            // Signatures and passwords are for the server that was named.
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        Self(config.build().new_agent())
    }

    /// The same, past any proxy: for addresses that exist on this host only.
    pub(crate) fn direct(limit: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(limit))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None);
        Self(config.build().new_agent())
    }

    /// Sends one request with a body, empty for none.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when there is no answer; `service` says whose.
    pub(crate) async fn call(
        &self,
        service: &str,
        request: Request<String>,
    ) -> Result<Answer, Error> {
        let agent = self.0.clone();
        let called = tokio::task::spawn_blocking(move || {
            let mut response = agent.run(request)?;
            let body = response
                .body_mut()
                .with_config()
                .limit(MAX_BYTES)
                .lossy_utf8(true)
                .read_to_string()?;
            Ok(Answer {
                status: response.status().as_u16(),
                body,
            })
        });
        let answered: Result<Answer, ureq::Error> = called
            .await
            .map_err(|cause| Error::internal("call a service", cause))?;
        answered.map_err(|cause| {
            let how = match cause {
                ureq::Error::Timeout(_) => "does not answer in time".to_owned(),
                cause => format!("cannot be reached: {cause}"),
            };
            Error::new(ErrorKind::Unavailable, format!("{service} {how}"))
        })
    }
}

/// A request; the parts come from the driver's own configuration or were checked before.
pub(crate) fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Result<Request<String>, Error> {
    let mut builder = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder
        .body(body)
        .map_err(|cause| Error::internal("make a request", cause))
}
