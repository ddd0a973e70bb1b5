//! The protocol over a real socket, as dockerd and its relatives speak it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use support::{Client, ID, process::Place, request, wait_until};

const CALLS: [&str; 6] = ["Create", "Get", "Mount", "Unmount", "Remove", "Path"];

#[test]
fn a_volume_lives_as_dockerd_drives_it() {
    let place = Place::new();
    let driver = place.start();
    let mut dockerd = driver.client();

    dockerd.send(request("/Plugin.Activate", ""));
    let answer = dockerd.answer().unwrap();
    assert_eq!(answer.ok().json()["Implements"], json!(["VolumeDriver"]));
    assert_eq!(
        answer.header("content-type"),
        Some("application/vnd.docker.plugins.v1.2+json")
    );
    assert_eq!(
        dockerd.call("Capabilities", "{}").ok().json()["Capabilities"],
        json!({ "Scope": "local" })
    );

    dockerd.call("Get", r#"{"Name":"v1"}"#).failed(500);
    dockerd.call("Create", r#"{"Name":"v1","Opts":null}"#).ok();
    let volume = dockerd.call("Get", r#"{"Name":"v1"}"#).ok().json()["Volume"].clone();
    assert_eq!(
        (&volume["Name"], &volume["Mountpoint"]),
        (&json!("v1"), &json!(""))
    );
    assert!(
        volume["CreatedAt"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok(),
        "{volume}"
    );
    assert_eq!(volume["Status"]["data_on_remove"], "deleted");

    let mountpoint = dockerd
        .call("Mount", &format!(r#"{{"Name":"v1","ID":"{ID}"}}"#))
        .mountpoint();
    assert!(std::fs::metadata(&mountpoint).unwrap().is_dir());
    assert_eq!(dockerd.named("Path", "v1").mountpoint(), mountpoint);
    assert_eq!(
        dockerd.get("v1").json()["Volume"]["Mountpoint"],
        mountpoint.as_str()
    );
    assert_eq!(
        dockerd.call("List", "{}").json()["Volumes"],
        json!([{ "Name": "v1", "Mountpoint": mountpoint }])
    );

    assert!(dockerd.remove("v1").failed(500).contains(&ID[..12]));
    dockerd
        .call("Unmount", &format!(r#"{{"Name":"v1","ID":"{ID}"}}"#))
        .ok();
    assert_eq!(dockerd.named("Path", "v1").mountpoint(), "");
    dockerd.call("Remove", r#"{"Name":"v1"}"#).ok();
    dockerd.get("v1").failed(500);
    dockerd.remove("v1").failed(500);
    assert_eq!(dockerd.call("List", "{}").json()["Volumes"], json!([]));
    assert!(driver.stop().success());
}

#[test]
fn an_empty_body_is_refused_and_changes_nothing() {
    let place = Place::new();
    let driver = place.start();
    let mut dockerd = driver.client();
    dockerd.create("v1").ok();
    for call in CALLS {
        assert!(
            dockerd.call(call, "").failed(400).contains("no body"),
            "{call}"
        );
    }
    assert_eq!(dockerd.names(), ["v1"]);
    // Podman lists without a body.
    for call in ["List", "Capabilities"] {
        dockerd.call(call, "").ok();
    }
}

#[test]
fn senseless_requests_are_answered_and_the_connection_goes_on() {
    let place = Place::new();
    let driver = place.start();
    let mut dockerd = driver.client();
    dockerd.create("v1").ok();
    for body in [
        "{",
        "[]",
        "null",
        "7",
        "\"v1\"",
        "{}",
        r#"{"Name":null}"#,
        r#"{"Name":["v1"]}"#,
        r#"{"Name":""}"#,
        r#"{"Name":"v1"} {}"#,
        r#"{"Name":"v1"}]"#,
        "\u{feff}{\"Name\":\"v1\"}",
        r#"{"Name":"\ud800"}"#,
        r#"{"Name":"a\u0000b"}"#,
        r#"{"name":"v1"}"#,
        &format!(
            r#"{{"Name":"v1","Deep":{}1{}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        ),
    ] {
        for call in CALLS {
            let err = dockerd.call(call, body).failed(400);
            assert!(err.starts_with(&format!("VolumeDriver.{call}: ")), "{err}");
        }
    }
    for options in [
        "[]",
        "7",
        "\"a=b\"",
        r#"{"mode":493}"#,
        r#"{"mode":{}}"#,
        r#"{"mode":null}"#,
    ] {
        let err = dockerd
            .call("Create", &format!(r#"{{"Name":"v2","Opts":{options}}}"#))
            .failed(400);
        assert!(
            err.contains("Opts") || err.contains("option \"mode\""),
            "{err}"
        );
    }
    for path in [
        "/VolumeDriver.Nope",
        "/",
        "/VolumeDriver.Get/",
        "/volumedriver.get",
        "/NetworkDriver.GetCapabilities",
    ] {
        dockerd.send(request(path, "{}"));
        dockerd.answer().unwrap().failed(404);
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        dockerd.send(format!(
            "{method} /VolumeDriver.List HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        ));
        let answer = dockerd.answer().unwrap();
        answer.failed(405);
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    assert_eq!(dockerd.names(), ["v1"]);
}

#[test]
fn any_content_type_accept_and_host_will_do() {
    let place = Place::new();
    let driver = place.start();
    let mut client = driver.client();
    client.create("v1").ok();
    let body = r#"{"Zzz":{"a":[1]},"Name":"v1"}"#;
    for header in [
        "Host: ",
        "Host: plugin",
        "Host: %2Frun%2Fdocker%2Fplugins%2Fx.sock",
        "Content-Type: application/json",
        "Content-Type: application/vnd.docker.plugins.v1.1+json",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: nonsense",
        "Accept: text/html",
        "Accept: */*",
        "Accept-Encoding: gzip",
    ] {
        let length = body.len();
        client.send(format!("POST /VolumeDriver.Get HTTP/1.1\r\nHost: x\r\n{header}\r\nContent-Length: {length}\r\n\r\n{body}"));
        let answer = client.answer().unwrap();
        assert_eq!(answer.ok().header("content-encoding"), None, "{header}");
    }
    // Chunked, and a request in two pieces.
    client.send("POST /VolumeDriver.Get HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("8\r\n{\"Name\":\r\n5\r\n\"v1\"}\r\n0\r\n\r\n");
    client.answer().unwrap().ok();
}

#[test]
fn moby_37314_cp_on_a_running_container_keeps_the_mount() {
    let place = Place::new();
    let driver = place.start();
    let mut dockerd = driver.client();
    dockerd.create("v1").ok();
    dockerd.mount("v1", ID).ok();
    dockerd.mount("v1", ID).ok();
    dockerd.unmount("v1", ID).ok();
    assert_eq!(dockerd.holders("v1"), 1);
    dockerd.remove("v1").failed(500);
    dockerd.unmount("v1", ID).ok();
    assert!(
        dockerd
            .unmount("v1", ID)
            .failed(500)
            .contains("is not mounted")
    );
    dockerd.remove("v1").ok();
}

#[test]
fn stray_unmounts_take_nobodys_hold() {
    let place = Place::new();
    let driver = place.start();
    let mut dockerd = driver.client();
    dockerd.create("v1").ok();
    dockerd.call("Mount", r#"{"Name":"v1"}"#).ok();
    dockerd.mount("v1", "a").ok();
    dockerd.unmount("v1", "b").failed(500);
    dockerd.unmount("nope", "a").failed(500);
    dockerd.mount("nope", "a").failed(500);
    dockerd.call("Unmount", r#"{"Name":"v1","ID":""}"#).ok();
    dockerd.call("Unmount", r#"{"Name":"v1"}"#).failed(500);
    assert_eq!(dockerd.holders("v1"), 1);
    let long = "x".repeat(4096);
    dockerd.mount("v1", &long).ok();
    dockerd.unmount("v1", &long).ok();
}

#[test]
fn create_again_keeps_options_and_holders() {
    let place = Place::new();
    let driver = place.start();
    let mut dockerd = driver.client();
    dockerd.create_with("v1", &[("mode", "0700")]).ok();
    let mountpoint = dockerd.mount("v1", ID).mountpoint();
    std::fs::write(format!("{mountpoint}/file"), "data").unwrap();
    dockerd.create_with("v1", &[("mode", "0700")]).ok();
    let err = dockerd.create_with("v1", &[("mode", "0755")]).failed(500);
    assert!(
        err.contains("option \"mode\"") && err.contains("v1"),
        "{err}"
    );
    dockerd.create("v1").failed(500);
    assert_eq!(dockerd.holders("v1"), 1);
    assert_eq!(
        std::fs::read_to_string(format!("{mountpoint}/file")).unwrap(),
        "data"
    );
}

#[test]
fn parallel_calls_on_one_volume_agree() {
    let place = Place::new();
    let driver = place.start();
    let all = |call: &(dyn Fn(&mut Client, usize) -> u16 + Sync)| -> Vec<u16> {
        thread::scope(|scope| {
            let callers: Vec<_> = (0..16)
                .map(|index| {
                    scope.spawn({
                        let driver = &driver;
                        move || call(&mut driver.client(), index)
                    })
                })
                .collect();
            callers
                .into_iter()
                .map(|caller| caller.join().unwrap())
                .collect()
        })
    };
    assert_eq!(all(&|client, _| client.create("v1").status), [200; 16]);
    assert_eq!(
        all(&|client, index| client.mount("v1", &index.to_string()).status),
        [200; 16]
    );
    let mut client = driver.client();
    assert_eq!(client.names(), ["v1"]);
    assert_eq!(client.holders("v1"), 16);
    assert_eq!(
        all(&|client, index| client.unmount("v1", &index.to_string()).status),
        [200; 16]
    );
    client.remove("v1").ok();
}

#[test]
fn of_remove_and_mount_at_once_one_fails() {
    let place = Place::new();
    let driver = place.start();
    let (mut one, mut two) = (driver.client(), driver.client());
    for _ in 0..100 {
        one.create("v1").ok();
        let (removed, mounted) = thread::scope(|scope| {
            let removed = scope.spawn(|| one.remove("v1").status == 200);
            let mounted = two.mount("v1", ID).status == 200;
            (removed.join().unwrap(), mounted)
        });
        assert_ne!(removed, mounted);
        if mounted {
            one.unmount("v1", ID).ok();
            one.remove("v1").ok();
        }
    }
}

#[test]
fn nine_hundred_idle_connections_are_no_burden() {
    // This process holds the other ends.
    volplug_driver::server::raise_open_files_limit();
    let place = Place::new();
    let driver = place.start();
    let mut idle: Vec<_> = (0..900).map(|_| driver.client()).collect();
    let mut dockerd = driver.client();
    dockerd.create("v1").ok();
    for _ in 0..100 {
        dockerd.mount("v1", ID).ok();
        dockerd.unmount("v1", ID).ok();
    }
    for client in &mut idle {
        client.get("v1").ok();
    }
}

#[test]
fn oversized_bodies_are_refused_politely() {
    let place = Place::new();
    let driver = place.start();
    let mut client = driver.client();
    let megabytes = |count: usize| format!(r#"{{"Name":"{}"}}"#, "x".repeat(count << 20));
    assert!(
        client
            .call("Get", &megabytes(3))
            .failed(413)
            .contains("at most 1048576 bytes")
    );
    assert!(
        driver
            .client()
            .call("Create", &megabytes(64))
            .failed(413)
            .contains("too long")
    );
    let mut client = driver.client();
    client.create("v1").ok();
    // Below the limit, it is just a long name.
    client
        .call("Get", &format!(r#"{{"Name":"{}"}}"#, "x".repeat(900_000)))
        .failed(400);
}

#[test]
fn slow_clients_are_cut_off_and_idle_ones_are_not() {
    let place = Place::new();
    let driver = place.start();
    let mut idle = driver.client();
    idle.create("v1").ok();
    idle.get("v1").ok();
    let mut slow = driver.client();
    let start = Instant::now();
    slow.send("POST /VolumeDriver.List HTTP/1.1\r\nHost: ");
    // One byte a second does not buy more time.
    let mut writer = slow.stream.try_clone().unwrap();
    let drip = thread::spawn(move || {
        while std::io::Write::write_all(&mut writer, b"x").is_ok() {
            thread::sleep(Duration::from_secs(1));
        }
    });
    assert!(slow.answer().is_err());
    assert!(
        (9..15).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    drop(slow);
    drip.join().unwrap();
    // Idle for longer than that, and between two requests as well as before the first.
    idle.get("v1").ok();
}

#[test]
fn tcp_is_served_on_loopback_only() {
    let place = Place::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("127.0.0.1:{port}");
    let socket = place.socket();
    let driver = place.start_with(&["--socket", socket.to_str().unwrap(), "--tcp", &address]);
    let mut stream = TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut stream, request("/VolumeDriver.List", "{}").as_bytes()).unwrap();
    let mut answer = [0; 512];
    let read = std::io::Read::read(&mut stream, &mut answer).unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 200 OK\r\n"));
    drop(driver);
    let refusal = place.fails(&["--tcp", "0.0.0.0:0"]);
    assert!(
        refusal.contains("only served on loopback addresses"),
        "{refusal}"
    );
}

#[test]
fn a_client_that_leaves_in_the_middle_leaves_nothing_behind() {
    let place = Place::new();
    let driver = place.start();
    let mut client = driver.client();
    for round in 0..30 {
        let name = format!("v{round}");
        for (call, body) in [
            ("Create", json!({ "Name": name })),
            ("Mount", json!({ "Name": name, "ID": ID })),
        ] {
            let mut leaver = driver.client();
            leaver.send(request(&format!("/VolumeDriver.{call}"), &body.to_string()));
            drop(leaver);
        }
        client.create(&name).ok();
    }
    // A mount may stand when its answer was on the way already; what may not is a stuck lock.
    for round in 0..30 {
        let name = format!("v{round}");
        wait_until("the leavers' calls are over", || {
            let held = client.holders(&name);
            (0..held).for_each(|_| drop(client.unmount(&name, ID)));
            client.remove(&name).status == 200 || client.get(&name).status == 500
        });
    }
}
