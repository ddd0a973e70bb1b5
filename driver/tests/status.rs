//! What a running driver tells of itself: `status`, JSON and OpenMetrics.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{net::TcpStream, os::unix::net::UnixStream, path::Path, process::Command};

use support::{
    Client, ID,
    several::{BINARY, Process, Yard},
};

fn start(yard: &Yard, status: &str) -> Process {
    let (socket, root) = (yard.path("plug.sock"), yard.text("root"));
    let arguments = [
        "local",
        "--socket",
        socket.to_str().unwrap(),
        "--data-root",
        &root,
        "--status-listen",
        status,
    ];
    yard.start(&arguments, &socket)
}

/// What `volplug-driver status` prints.
fn shown(status: &str, more: &[&str]) -> String {
    let output = Command::new(BINARY)
        .args(["status", "--status-listen", status])
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn http(mut stream: impl std::io::Read + std::io::Write, request: &str) -> String {
    write!(stream, "{request} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn metrics(socket: &Path) -> String {
    let answer = http(UnixStream::connect(socket).unwrap(), "GET /metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    body.to_owned()
}

#[test]
fn volumes_holders_and_calls_are_shown() {
    let yard = Yard::new();
    let status = yard.text("status.sock");
    let driver = start(&yard, &status);
    let mut client = Client::connect(&yard.path("plug.sock"));
    client.create_with("v1", &[("mode", "0700")]).ok();
    client.create("a\"b\\c\nd").ok();
    client.mount("v1", ID).ok();
    client.mount("v1", "other").ok();
    client.remove("v1").failed(500);
    client.get("nobody").failed(500);

    let json: serde_json::Value =
        serde_json::from_str(&shown(&status, &["--output", "json"])).unwrap();
    assert_eq!(json["schema"], "volplug-driver/status@1");
    let plugin = &json["plugins"][0];
    assert_eq!(plugin["name"], "plug");
    assert_eq!(plugin["backend"], "local");
    assert_eq!(plugin["healthy"], true);
    assert_eq!(plugin["volumes"][1]["name"], "v1");
    assert_eq!(plugin["volumes"][1]["holders"], 2);
    let operations = plugin["operations"].as_array().unwrap();
    let remove = operations
        .iter()
        .find(|operation| operation["operation"] == "remove")
        .unwrap();
    assert_eq!(remove["failures"]["in-use"], 1);

    let text = shown(&status, &[]);
    for part in [
        "plug  (local, scope local)  healthy",
        "2, 1 mounted",
        "\"v1\"  2 holders",
        "in-use 1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let text = metrics(Path::new(&status));
    for line in [
        r#"volplug_backend_up{plugin="plug",backend="local"} 1"#,
        r#"volplug_volumes{plugin="plug"} 2"#,
        r#"volplug_volume_holders{plugin="plug",volume="v1"} 2"#,
        r#"volplug_operation_failures_total{plugin="plug",operation="get",kind="not-found"} 1"#,
        r#"volplug_operation_duration_seconds_count{plugin="plug",operation="create"} 2"#,
        r#"volplug_operation_duration_seconds_bucket{le="+Inf",plugin="plug",operation="mount"} 2"#,
    ] {
        assert!(
            text.lines().any(|present| present == line),
            "{line}\n{text}"
        );
    }
    assert!(text.ends_with("# EOF\n"), "{text}");
    client.mount("a\"b\\c\nd", ID).ok();
    let escaped = r#"volume="a\"b\\c\nd"} 1"#;
    assert!(metrics(Path::new(&status)).contains(escaped));

    assert!(driver.stop().success());
    assert!(!Path::new(&status).exists());
}

#[test]
fn secrets_are_in_none_of_them() {
    let yard = Yard::new();
    let status = yard.text("status.sock");
    let _driver = start(&yard, &status);
    let mut client = Client::connect(&yard.path("plug.sock"));
    client
        .create_with("v1", &[("password", "hunter2")])
        .failed(500);
    client.create_with("v1", &[("mode", "hunter2")]).failed(500);
    let all =
        shown(&status, &[]) + &shown(&status, &["--output", "json"]) + &metrics(Path::new(&status));
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn a_storage_that_is_gone_is_told() {
    let yard = Yard::new();
    let status = yard.text("status.sock");
    let _driver = start(&yard, &status);
    std::fs::rename(yard.path("root/volumes"), yard.path("root/elsewhere")).unwrap();
    let text = shown(&status, &[]);
    assert!(
        text.contains("NOT HEALTHY") && text.contains("cannot be read"),
        "{text}"
    );
    let text = metrics(Path::new(&status));
    assert!(
        text.contains(r#"volplug_backend_up{plugin="plug",backend="local"} 0"#),
        "{text}"
    );
}

#[test]
fn only_this_machine_may_look() {
    let yard = Yard::new();
    let refusal = yard.fails(&[
        "local",
        "--socket",
        &yard.text("plug.sock"),
        "--data-root",
        &yard.text("root"),
        "--status-listen",
        "0.0.0.0:0",
    ]);
    assert!(refusal.contains("only served on loopback"), "{refusal}");
    let absent = Command::new(BINARY)
        .args(["status", "--status-listen", &yard.text("absent.sock")])
        .output()
        .unwrap();
    assert_eq!(absent.status.code(), Some(1));
    let told = String::from_utf8(absent.stderr).unwrap();
    assert!(
        told.contains("start the driver with --status-listen"),
        "{told}"
    );
}

#[test]
fn other_requests_are_turned_away() {
    let yard = Yard::new();
    let _driver = start(&yard, "127.0.0.1:0");
    yard.wait_for_log("serving status");
    let log = yard.log();
    let address = log
        .lines()
        .find(|line| line.contains("serving status"))
        .and_then(|line| line.split("tcp://").nth(1))
        .unwrap_or_else(|| panic!("{log}"));
    let ask = |request: &str| http(TcpStream::connect(address.trim()).unwrap(), request);
    assert!(ask("GET /").starts_with("HTTP/1.0 404"));
    assert!(ask("POST /status").starts_with("HTTP/1.0 405"));
    assert!(ask("GET /status").contains("volplug-driver/status@1"));
    assert!(shown(address.trim(), &[]).contains("plug  (local"));
}
