//! Where a plugin listens, and how Docker is told.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::builder::FalseyValueParser;

use crate::{
    StartError,
    server::{ClientTls, TcpAccess, Tls, TlsFiles},
};

/// Where a plugin listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct ListenOptions {
    /// The unix socket to listen on; Docker knows the plugin by its file name
    /// [default: /run/docker/plugins/NAME.sock, unless --tcp or --systemd is given]
    #[arg(long, value_name = "PATH", env = "VOLPLUG_SOCKET")]
    pub socket: Option<PathBuf>,

    /// Listen on this TCP address; a loopback address, unless clients show a certificate
    #[arg(long, value_name = "ADDR", env = "VOLPLUG_TCP")]
    pub tcp: Option<SocketAddr>,

    /// Serve TCP over TLS with this certificate chain, PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "VOLPLUG_TLS_CERT",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,

    /// The key of --tls-cert, PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "VOLPLUG_TLS_KEY",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,

    /// Only clients with a certificate that one of these authorities has signed may connect, PEM
    #[arg(
        long,
        value_name = "FILE",
        env = "VOLPLUG_TLS_CLIENT_CA",
        requires = "tls_cert"
    )]
    pub tls_client_ca: Option<PathBuf>,

    /// Serve TCP on any address, without encryption or passwords: whoever can connect can mount
    /// and delete volumes
    #[arg(long, env = "VOLPLUG_ALLOW_PLAIN_TCP", value_parser = FalseyValueParser::new())]
    pub allow_plain_tcp: bool,

    /// Listen on the sockets that systemd passes under the plugin's name (FileDescriptorName=);
    /// the only plugin of a process takes all of them
    #[arg(long, env = "VOLPLUG_SYSTEMD", value_parser = FalseyValueParser::new())]
    pub systemd: bool,
}

/// How Docker is told of a plugin whose socket is not in /run/docker/plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct AnnounceOptions {
    /// Write NAME.spec, or NAME.json with TLS, into this directory while the plugin listens, as
    /// /etc/docker/plugins
    #[arg(long, value_name = "DIR", env = "VOLPLUG_SPEC_DIR")]
    pub spec_dir: Option<PathBuf>,

    /// The same, into this very file
    #[arg(
        long,
        value_name = "FILE",
        env = "VOLPLUG_SPEC_FILE",
        conflicts_with = "spec_dir"
    )]
    pub spec_file: Option<PathBuf>,

    /// The address to write, HOST:PORT [default: the one that --tcp listens on]
    #[arg(long, value_name = "HOST:PORT", env = "VOLPLUG_SPEC_ADDRESS")]
    pub spec_address: Option<String>,

    /// The authority by which the engine verifies the plugin: a file on the engine's machine
    #[arg(long, value_name = "FILE", env = "VOLPLUG_SPEC_TLS_CA")]
    pub spec_tls_ca: Option<PathBuf>,

    /// The engine's own certificate, for --tls-client-ca: a file on the engine's machine
    #[arg(
        long,
        value_name = "FILE",
        env = "VOLPLUG_SPEC_TLS_CERT",
        requires = "spec_tls_key"
    )]
    pub spec_tls_cert: Option<PathBuf>,

    /// The key of --spec-tls-cert: a file on the engine's machine
    #[arg(
        long,
        value_name = "FILE",
        env = "VOLPLUG_SPEC_TLS_KEY",
        requires = "spec_tls_cert"
    )]
    pub spec_tls_key: Option<PathBuf>,
}

impl ListenOptions {
    /// Who may connect over TCP; reads the certificates.
    pub(super) fn tcp_access(&self) -> Result<TcpAccess, StartError> {
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            let files = TlsFiles::new(certificate, key);
            let files = match &self.tls_client_ca {
                Some(authority) => files.with_client_ca(authority),
                None => files,
            };
            return Ok(TcpAccess::Tls(Tls::load(files)?));
        }
        Ok(if self.allow_plain_tcp {
            TcpAccess::Everybody
        } else {
            TcpAccess::Loopback
        })
    }
}

impl AnnounceOptions {
    /// The file to write for a plugin of this name, whose kind is `extension`.
    pub(super) fn file(&self, name: &str, extension: &str) -> Option<PathBuf> {
        let in_directory = |directory: &PathBuf| directory.join(format!("{name}.{extension}"));
        self.spec_file
            .clone()
            .or_else(|| self.spec_dir.as_ref().map(in_directory))
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.spec_file.is_some() || self.spec_dir.is_some()
    }

    /// What the engine needs for TLS.
    pub(super) fn client_tls(&self, listen: &ListenOptions) -> Result<ClientTls, StartError> {
        let missing = |option: &str, why: &str| {
            let file = self.spec_file.as_deref().or(self.spec_dir.as_deref());
            StartError::spec_file(
                file.unwrap_or(Path::new("")),
                format!("{option} is missing: {why}"),
            )
        };
        let ca = self.spec_tls_ca.clone().ok_or_else(|| {
            missing(
                "--spec-tls-ca",
                "without it dockerd does not verify the plugin at all",
            )
        })?;
        let identity = self.spec_tls_cert.clone().zip(self.spec_tls_key.clone());
        if listen.tls_client_ca.is_some() && identity.is_none() {
            return Err(missing(
                "--spec-tls-cert",
                "with --tls-client-ca the engine needs a certificate of its own",
            ));
        }
        Ok(ClientTls { ca, identity })
    }
}
