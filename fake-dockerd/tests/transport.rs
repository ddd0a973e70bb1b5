#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

//! Answers that are odd as HTTP: what the engine makes of them, and what it sends next.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use fake_dockerd::discovery::{Directories, PluginAddress};
use fake_dockerd::{Clock, Config, Daemon, Engine, Error, Volume, VolumeCreate};

const ACTIVATE: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 31\r\n\r\n{\"Implements\":[\"VolumeDriver\"]}";
const CAPABILITIES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const UNKNOWN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"Err\":\"none\"}";

/// A plugin that answers `Create` with these bytes, one after the other, and closes the connection
/// behind each if `close` says so. What it was sent is kept.
fn plugin(socket: &Path, creates: &'static [&'static str], close: bool) -> Arc<Mutex<Vec<String>>> {
    let listener = UnixListener::bind(socket).unwrap();
    let requests: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&requests);
    std::thread::spawn(move || {
        let creates = Arc::new(Mutex::new(creates.iter()));
        for stream in listener.incoming() {
            let (kept, creates) = (Arc::clone(&kept), Arc::clone(&creates));
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                while let Some(request) = request(&mut stream) {
                    let path = request.split(' ').nth(1).unwrap().to_owned();
                    kept.lock().unwrap().push(request);
                    let (answer, closes) = match path.as_str() {
                        "/Plugin.Activate" => (ACTIVATE, false),
                        "/VolumeDriver.Capabilities" => (CAPABILITIES, false),
                        "/VolumeDriver.Get" => (UNKNOWN, false),
                        _ => (*creates.lock().unwrap().next().unwrap(), close),
                    };
                    stream.write_all(answer.as_bytes()).unwrap();
                    if closes {
                        return;
                    }
                }
            });
        }
    });
    requests
}

fn request(stream: &mut UnixStream) -> Option<String> {
    let mut text = String::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("Content-Length: ").nth(1);
            let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
    }
}

/// What a create comes to, and the requests behind the Get.
async fn create(
    engine: Engine,
    creates: &'static [&'static str],
    close: bool,
) -> (Result<Volume, Error>, Vec<String>) {
    let root = tempfile::tempdir().unwrap();
    let socket = root.path().join("p.sock");
    let requests = plugin(&socket, creates, close);
    let config = Config::new(root.path().join("data"))
        .engine(engine)
        .clock(Clock::scaled(100.0))
        .with_plugin("p", PluginAddress::Unix(socket));
    let daemon = Daemon::start(config).await.unwrap();
    let asked = VolumeCreate {
        name: "v1".to_owned(),
        driver: "p".to_owned(),
        ..VolumeCreate::default()
    };
    let created = daemon.volume_create(asked).await;
    daemon.shutdown().await;
    let requests = requests.lock().unwrap().split_off(3);
    (created, requests)
}

#[tokio::test]
async fn every_framing_is_understood() {
    for (answer, close) in [
        (
            &[
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"Err\r\n5;x=y\r\n\":\"\"}\r\n0\r\n\r\n",
            ],
            false,
        ),
        (
            &["HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n{\"Err\":\"\"}"],
            true,
        ),
        (&["HTTP/1.1 200 OK\r\n\r\n{\"Err\":\"\"}"], true),
        (
            &["HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 10\r\n\r\n{\"Err\":\"\"}"],
            true,
        ),
        (
            &["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull"],
            false,
        ),
        // An object that is closed is enough, whatever else was promised.
        (
            &["HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"Err\":\"\"}"],
            false,
        ),
    ] {
        let (created, requests) = create(Engine::V28_5, answer, close).await;
        assert!(created.is_ok(), "{answer:?}: {created:?}");
        assert_eq!(requests.len(), 1);
    }
}

#[tokio::test]
async fn broken_answers_are_told_as_go_tells_them() {
    for (answer, close, error) in [
        (
            &["HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"Err\":"],
            true,
            "create v1: unexpected EOF",
        ),
        (
            &["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
            false,
            "create v1: EOF",
        ),
        (
            &["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"],
            false,
            "create v1: invalid character '<' looking for beginning of value",
        ),
        (
            &["HTTP/1.1 503 Down\r\nContent-Length: 9\r\n\r\ntry later"],
            false,
            "create v1: VolumeDriver.Create: try later",
        ),
    ] {
        let (created, requests) = create(Engine::V28_5, answer, close).await;
        assert_eq!(created.unwrap_err().message(), error);
        assert_eq!(requests.len(), 1, "an answer is never asked for twice");
    }
}

#[tokio::test]
async fn rubbish_is_asked_for_again_without_the_body() {
    let rubbish = &["SSH-2.0-x\r\n\r\n"; 5];
    let (created, requests) = create(Engine::V28_5, rubbish, true).await;
    assert_eq!(
        created.unwrap_err().message(),
        "create v1: Post \"http://plugin.moby.localhost/VolumeDriver.Create\": net/http: HTTP/1.x \
         transport connection broken: malformed HTTP response \"SSH-2.0-x\""
    );
    let bodies: Vec<_> = requests
        .iter()
        .map(|text| text.split_once("\r\n\r\n").unwrap().1)
        .collect();
    assert_eq!(
        bodies,
        ["{\"Name\":\"v1\",\"Opts\":null}\n", "", "", "", ""]
    );
}

#[tokio::test]
async fn a_moved_endpoint_is_followed_with_get_a_temporary_one_with_post() {
    for (status, first, rest) in [
        ("301 Moved", "GET /x HTTP/1.1", "Accept"),
        (
            "307 Temporary",
            "POST /x HTTP/1.1",
            "Content-Length: 26\r\nAccept",
        ),
    ] {
        let moved = format!("HTTP/1.1 {status}\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n");
        let answers: &'static [&'static str] = vec![
            &*moved.leak(),
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        ]
        .leak();
        let (created, requests) = create(Engine::V20_10, answers, false).await;
        created.unwrap();
        let followed = &requests[1];
        let (head, body) = followed.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!(
                "{first}\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\n{rest}"
            )),
            "{head}"
        );
        assert!(head.contains("\r\nReferer: http://%2F"), "{head}");
        assert!(head.ends_with("p.sock/VolumeDriver.Create"), "{head}");
        assert_eq!(body.is_empty(), first.starts_with("GET"));
    }
}

#[tokio::test]
async fn a_stranger_s_certificate_is_refused_and_no_authority_is_none_at_all() {
    let root = tempfile::tempdir().unwrap();
    let names = vec!["localhost".to_owned()];
    let server = rcgen::generate_simple_self_signed(names.clone()).unwrap();
    let other = rcgen::generate_simple_self_signed(names).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    tls_plugin(listener, &server);
    std::fs::write(root.path().join("ca.pem"), other.cert.pem()).unwrap();
    let file = |tls: &str| {
        let text = format!("{{\"Addr\":\"https://localhost:{port}\",\"TLSConfig\":{tls}}}");
        std::fs::write(root.path().join("p.json"), text).unwrap();
    };
    let try_it = |engine: Engine| {
        let directories = Directories {
            sockets: vec![],
            specs: vec![root.path().to_owned()],
        };
        let config = Config::new(root.path().join("data"))
            .engine(engine)
            .clock(Clock::scaled(100.0))
            .directories(directories);
        async move {
            let daemon = Daemon::start(config).await.unwrap();
            let asked = VolumeCreate {
                name: "v1".to_owned(),
                driver: "p".to_owned(),
                ..VolumeCreate::default()
            };
            daemon.volume_create(asked).await
        }
    };
    file(&format!(
        "{{\"CAFile\":\"{}/ca.pem\"}}",
        root.path().display()
    ));
    let refused = try_it(Engine::V28_5).await.unwrap_err();
    assert!(
        refused.message().ends_with(
            "/Plugin.Activate\": tls: failed to verify certificate: x509: certificate signed by \
             unknown authority"
        ),
        "{refused}"
    );
    file("{}");
    // It gets as far as the plugin, which is none.
    let reached = try_it(Engine::V28_5).await.unwrap_err();
    assert!(
        reached
            .message()
            .ends_with("legacy plugin: Plugin.Activate: no"),
        "{reached}"
    );
}

/// A TLS server that refuses every request.
fn tls_plugin(listener: std::net::TcpListener, certified: &rcgen::CertifiedKey<rcgen::KeyPair>) {
    use tokio_rustls::rustls::{ServerConfig, ServerConnection, Stream, crypto::ring};
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut socket = stream.unwrap();
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = Stream::new(&mut connection, &mut socket);
            if stream.read(&mut [0; 4096]).is_ok() {
                let answer = b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno";
                let _ = stream.write_all(answer);
            }
        }
    });
}
