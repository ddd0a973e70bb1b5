//! A plugin behind HTTPS, with and without client certificates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Certificates of one authority, and another authority that signed nothing.
struct Certificates {
    directory: tempfile::TempDir,
    server: Arc<ServerConfig>,
}

fn authority() -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params, KeyPair::generate().unwrap())
}

impl Certificates {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: String| std::fs::write(directory.path().join(name), text).unwrap();
        let (params, key) = authority();
        let ca = params.self_signed(&key).unwrap();
        write("ca.pem", ca.pem());
        let issuer = Issuer::new(params, key);
        let signed = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let cert = CertificateParams::new(vec![name.to_owned()])
                .unwrap()
                .signed_by(&key, &issuer)
                .unwrap();
            (cert, key)
        };
        let (client, client_key) = signed("client");
        write("cert.pem", client.pem());
        write("key.pem", client_key.serialize_pem());
        let (other, other_key) = authority();
        write("other.pem", other.self_signed(&other_key).unwrap().pem());

        let (cert, key) = signed("localhost");
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self {
            directory,
            server: Arc::new(server),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// A TLS front for the reference driver, which listens on `socket`.
fn front(config: Arc<ServerConfig>, socket: &Path) -> u16 {
    let (tell, told) = std::sync::mpsc::channel();
    let socket = socket.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap().port()).unwrap();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (acceptor, socket) = (TlsAcceptor::from(Arc::clone(&config)), socket.clone());
                tokio::spawn(async move {
                    let Ok(mut tls) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let mut unix = tokio::net::UnixStream::connect(socket).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut tls, &mut unix).await;
                    let _ = tls.shutdown().await;
                });
            }
        });
    });
    told.recv().unwrap()
}

#[test]
fn https_is_verified_both_ways() {
    let certificates = Certificates::new();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("p.sock");
    let mut driver = Command::new(env!("CARGO_BIN_EXE_volplug-conformance"))
        .args([
            "reference-driver",
            "local",
            "--log-level",
            "error",
            "--socket",
        ])
        .arg(&socket)
        .arg("--data-root")
        .arg(directory.path().join("data"))
        .spawn()
        .unwrap();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(driver.try_wait().unwrap().is_none(), "the driver ended");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let port = front(Arc::clone(&certificates.server), &socket);
    let judge = |files: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_volplug-conformance"));
        command.args([
            "--socket",
            &format!("https://localhost:{port}"),
            "--only",
            "create.works",
            "--timeout",
            "5",
        ]);
        for (flag, file) in files {
            command.arg(flag).arg(certificates.file(file));
        }
        let output = command.output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let mine = [("--cert", "cert.pem"), ("--key", "key.pem")];
    let (status, told) = judge(&[&[("--ca", "ca.pem")][..], &mine].concat());
    assert_eq!(status, 0, "{told}");

    let (status, told) = judge(&[&[("--ca", "other.pem")][..], &mine].concat());
    assert!(
        status == 2 && told.contains("invalid peer certificate"),
        "{status} {told}"
    );
    let (status, told) = judge(&[("--ca", "ca.pem")]);
    assert!(
        status == 2 && told.starts_with("error: "),
        "{status} {told}"
    );
    let (status, told) = judge(&[]);
    assert!(
        status == 2 && told.contains("needs --ca FILE"),
        "{status} {told}"
    );
    let (status, told) = judge(&[("--ca", "absent.pem")]);
    assert!(
        status == 2 && told.contains("absent.pem"),
        "{status} {told}"
    );

    driver.kill().unwrap();
    driver.wait().unwrap();
}
