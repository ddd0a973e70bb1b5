//! TCP, TLS with client certificates, and the files that tell Docker of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::Arc,
};

use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use support::{
    request,
    several::{BINARY, Process, Yard},
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

/// An authority, and certificates for `localhost` and for a client that it has signed.
struct Authority {
    prefix: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(yard: &Yard, prefix: &'static str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        yard.write(&format!("{prefix}-ca.pem"), &certificate.pem());
        let issuer = Issuer::new(params, key);
        let authority = Self { prefix, issuer };
        authority.sign(yard, "server", "localhost");
        authority.sign(yard, "client", "engine");
        authority
    }

    fn sign(&self, yard: &Yard, role: &str, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let prefix = self.prefix;
        yard.write(&format!("{prefix}-{role}.pem"), &certificate.pem());
        yard.write(&format!("{prefix}-{role}.key"), &key.serialize_pem());
    }
}

/// Asks for the capabilities over TLS; the first line of the answer, or what went wrong.
fn ask(yard: &Yard, address: SocketAddr, client: Option<&str>) -> Result<String, String> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(yard.path("our-ca.pem")).unwrap())
        .unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(prefix) => {
            let chain = CertificateDer::from_pem_file(yard.path(&format!("{prefix}-client.pem")));
            let key = PrivateKeyDer::from_pem_file(yard.path(&format!("{prefix}-client.key")));
            builder
                .with_client_auth_cert(vec![chain.unwrap()], key.unwrap())
                .unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    let sent = stream.write_all(request("/VolumeDriver.Capabilities", "{}").as_bytes());
    sent.map_err(|error| error.to_string())?;
    let mut answer = [0; 15];
    stream
        .read_exact(&mut answer)
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The arguments of a driver on TLS with these options.
fn arguments(yard: &Yard, more: &[&str]) -> Vec<String> {
    let (root, certificate, key) = (
        yard.text("root"),
        yard.text("our-server.pem"),
        yard.text("our-server.key"),
    );
    [
        "local",
        "--data-root",
        &root,
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
        "--name",
        "safe",
    ]
    .iter()
    .chain(more)
    .map(|&word| word.to_owned())
    .collect()
}

/// Starts a driver that announces itself, and returns where it listens.
fn start(yard: &Yard, more: &[&str]) -> (Process, SocketAddr) {
    let process = yard.spawn(Command::new(BINARY).args(arguments(yard, more)));
    yard.wait_for_log("listening");
    let log = yard.log();
    let listening = log.split("listening").nth(1).unwrap_or_default();
    let address = listening
        .split("https://")
        .nth(1)
        .unwrap_or_else(|| panic!("{log}"));
    let address = address.split_whitespace().next().unwrap();
    (process, address.trim_matches('"').parse().unwrap())
}

#[test]
fn only_clients_with_a_certificate_of_ours_get_in() {
    let yard = Yard::new();
    let (_ours, _others) = (Authority::new(&yard, "our"), Authority::new(&yard, "their"));
    let ca = yard.text("our-ca.pem");
    let (driver, address) = start(&yard, &["--tcp", "127.0.0.1:0", "--tls-client-ca", &ca]);
    assert_eq!(ask(&yard, address, Some("our")).unwrap(), "HTTP/1.1 200 OK");
    ask(&yard, address, None).unwrap_err();
    ask(&yard, address, Some("their")).unwrap_err();
    // A client that says nothing keeps nobody out.
    let _silent = TcpStream::connect(address).unwrap();
    assert_eq!(ask(&yard, address, Some("our")).unwrap(), "HTTP/1.1 200 OK");
    assert!(driver.stop().success());
}

#[test]
fn certificates_are_read_anew_on_sighup() {
    let yard = Yard::new();
    drop(Authority::new(&yard, "our"));
    let (driver, address) = start(&yard, &["--tcp", "127.0.0.1:0"]);
    ask(&yard, address, None).unwrap();
    let renewed = Authority::new(&yard, "our");
    ask(&yard, address, None).unwrap_err();
    driver.signal(Signal::SIGHUP);
    yard.wait_for_log("read anew");
    ask(&yard, address, None).unwrap();
    fs::write(yard.path("our-server.pem"), "nonsense").unwrap();
    driver.signal(Signal::SIGHUP);
    yard.wait_for_log("the certificates stay as they were");
    ask(&yard, address, None).unwrap();
    drop(renewed);
}

#[test]
fn strangers_are_not_let_in() {
    let yard = Yard::new();
    drop(Authority::new(&yard, "our"));
    let root = yard.text("root");
    let plain = yard.fails(&["local", "--data-root", &root, "--tcp", "0.0.0.0:0"]);
    for part in ["0.0.0.0:0", "only served on loopback", "--tls-client-ca"] {
        assert!(plain.contains(part), "{part}: {plain}");
    }
    let words = arguments(&yard, &["--tcp", "0.0.0.0:0"]);
    let anyone = yard.fails(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(anyone.contains("without --tls-client-ca"), "{anyone}");
}

#[test]
fn files_that_make_no_certificate_are_told_by_name() {
    let yard = Yard::new();
    let (_ours, _others) = (Authority::new(&yard, "our"), Authority::new(&yard, "their"));
    yard.write("empty.pem", "");
    for (option, file, reason) in [
        ("--tls-cert", "absent.pem", "No such file"),
        ("--tls-cert", "empty.pem", "no certificate"),
        ("--tls-key", "their-server.key", "is not the key of"),
        ("--tls-client-ca", "empty.pem", "no certificate"),
    ] {
        let mut words = arguments(&yard, &["--tcp", "127.0.0.1:0"]);
        match words.iter().position(|word| word == option) {
            Some(index) => words[index + 1] = yard.text(file),
            None => words.extend([option.to_owned(), yard.text(file)]),
        }
        let refusal = yard.fails(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            refusal.contains(file) && refusal.contains(reason),
            "{refusal}"
        );
    }
}

#[test]
fn docker_is_told_by_a_json_file_while_the_plugin_listens() {
    let yard = Yard::new();
    drop(Authority::new(&yard, "our"));
    let (ca, specs) = (yard.text("our-ca.pem"), yard.text("specs"));
    let (driver, address) = start(
        &yard,
        &[
            "--tcp",
            "127.0.0.1:0",
            "--tls-client-ca",
            &ca,
            "--spec-dir",
            &specs,
            "--spec-address",
            "localhost:1234",
            "--spec-tls-ca",
            "/etc/ca.pem",
            "--spec-tls-cert",
            "/etc/cert.pem",
            "--spec-tls-key",
            "/etc/key.pem",
        ],
    );
    let file = yard.path("specs/safe.json");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(json["Name"], "safe");
    assert_eq!(json["Addr"], "https://localhost:1234");
    assert_eq!(json["TLSConfig"]["CAFile"], "/etc/ca.pem");
    assert_eq!(json["TLSConfig"]["InsecureSkipVerify"], false);
    ask(&yard, address, Some("our")).unwrap();
    assert!(driver.stop().success());
    assert_eq!(fs::read_dir(&specs).unwrap().count(), 0);

    let words = arguments(&yard, &["--tcp", "127.0.0.1:0", "--spec-dir", &specs]);
    let refusal = yard.fails(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(refusal.contains("--spec-tls-ca is missing"), "{refusal}");
}

#[test]
fn a_spec_file_names_the_address_and_takes_no_name_of_the_living() {
    let yard = Yard::new();
    let (root, specs) = (yard.text("root"), yard.text("specs"));
    let words = [
        "local",
        "--data-root",
        &root,
        "--tcp",
        "127.0.0.1:0",
        "--name",
        "mine",
        "--spec-dir",
        &specs,
    ];
    let file = yard.path("specs/mine.spec");
    let driver = yard.spawn(Command::new(BINARY).args(words));
    yard.wait_for_log("listening");
    let address = fs::read_to_string(&file).unwrap();
    let host = address.trim().strip_prefix("tcp://").unwrap();
    TcpStream::connect(host).unwrap();

    // Killed, it leaves the file; the next start takes it over, for nobody answers there.
    driver.signal(Signal::SIGKILL);
    drop(driver);
    assert!(file.exists());
    let driver = yard.spawn(Command::new(BINARY).args(words));
    yard.wait_for_log("listening");
    assert!(driver.stop().success());
    assert!(!file.exists());

    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let theirs = format!("tcp://{}", other.local_addr().unwrap());
    fs::write(&file, &theirs).unwrap();
    let refusal = yard.fails(&words);
    assert!(
        refusal.contains("mine.spec") && refusal.contains(&theirs),
        "{refusal}"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), theirs);
}

#[test]
fn an_address_that_nobody_can_connect_to_is_not_announced() {
    let yard = Yard::new();
    let (root, specs) = (yard.text("root"), yard.text("specs"));
    let refusal = yard.fails(&[
        "local",
        "--data-root",
        &root,
        "--tcp",
        "0.0.0.0:0",
        "--allow-plain-tcp",
        "--spec-dir",
        &specs,
    ]);
    assert!(refusal.contains("give --spec-address"), "{refusal}");
}
