//! TLS towards a plugin that a `.json` file names.
//!
//! dockerd verifies a plugin's certificate only if the file has a `CAFile`; a `TLSConfig` without
//! one switches verification off (`readPluginJSONInfo` in moby's `pkg/plugins/discovery.go`).

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::discovery::TlsConfig;
use crate::profile::Profile;

/// A connector for `tls`. `named` says whether there was a `TLSConfig`: an `https` address without
/// one is verified against the system's authorities, of which a fake engine has none.
pub(super) fn connector(
    plugin: &str,
    tls: &TlsConfig,
    named: bool,
) -> Result<TlsConnector, String> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = if tls.insecure || (named && tls.ca.is_none()) {
        tracing::warn!(
            plugin,
            "nothing is verified: the plugin's file has no CAFile, and dockerd takes that for leave"
        );
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
    } else {
        builder.with_root_certificates(authorities(tls.ca.as_deref())?)
    };
    let config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates(cert)?, private_key(key)?)
            .map_err(|error| format!("Could not load X509 key pair: {error}"))?,
        _ => builder.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn authorities(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if let Some(ca) = ca {
        for certificate in certificates(ca)? {
            store.add(certificate).map_err(|_| {
                format!(
                    "failed to append certificates from PEM file: {:?}",
                    ca.display()
                )
            })?;
        }
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error: String| {
        format!(
            "could not read CA certificate {:?}: {error}",
            path.display()
        )
    };
    let file = open(path).map_err(unreadable)?;
    let all: Vec<_> = CertificateDer::pem_reader_iter(file)
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(error.to_string()))?;
    if all.is_empty() {
        return Err(format!(
            "failed to append certificates from PEM file: {:?}",
            path.display()
        ));
    }
    Ok(all)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let file = open(path)?;
    PrivateKeyDer::from_pem_reader(file)
        .map_err(|error| format!("could not read private key: {error}"))
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path)
        .map_err(|error| format!("open {}: {}", path.display(), super::errno::text(&error)))
}

/// What Go says about a handshake that failed.
pub(super) fn error_text(error: &io::Error, profile: &Profile) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => {
            use rustls::CertificateError as Why;
            let why = match why {
                // An authority of the same name with another key is a stranger too.
                Why::UnknownIssuer | Why::BadSignature => {
                    "certificate signed by unknown authority".to_owned()
                }
                Why::Expired | Why::ExpiredContext { .. } | Why::NotValidYet => {
                    "certificate has expired or is not yet valid".to_owned()
                }
                Why::NotValidForName | Why::NotValidForNameContext { .. } => {
                    "certificate is not valid for the plugin's host".to_owned()
                }
                other => other.to_string(),
            };
            format!("{}x509: {why}", profile.certificate_error)
        }
        Some(rustls::Error::AlertReceived(alert)) => format!("remote error: tls: {alert:?}"),
        Some(rustls::Error::InvalidMessage(_)) => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        _ => super::errno::text(error),
    }
}

/// Takes any certificate; signatures are still checked, as Go's `InsecureSkipVerify` does.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
