//! Starting and stopping: sockets, data roots, signals and usage.

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
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use support::{ID, process::Place, request, wait_until};

#[test]
fn a_stale_socket_is_replaced_and_others_are_left_alone() {
    let place = Place::new();
    place.start().kill();
    assert!(place.socket().exists(), "a killed driver leaves its socket");
    let driver = place.start();
    driver.client().create("v1").ok();

    let elsewhere = place.path("elsewhere");
    let refusal = place.fails(&["--data-root", elsewhere.to_str().unwrap()]);
    assert!(
        refusal.contains("another process listens on it"),
        "{refusal}"
    );
    driver.client().get("v1").ok();
    assert!(driver.stop().success());
    assert!(!place.socket().exists(), "the socket stays behind");

    fs::write(place.socket(), "not a socket").unwrap();
    let refusal = place.fails(&[]);
    assert!(refusal.contains("not a socket"), "{refusal}");
    assert_eq!(fs::read_to_string(place.socket()).unwrap(), "not a socket");
}

#[test]
fn a_socket_that_is_no_longer_ours_is_not_removed() {
    let place = Place::new();
    let driver = place.start();
    fs::remove_file(place.socket()).unwrap();
    let _other = UnixListener::bind(place.socket()).unwrap();
    assert!(driver.stop().success());
    assert!(place.socket().exists());
}

#[test]
fn a_path_too_long_for_a_socket_is_refused() {
    let place = Place::new();
    let long = place.path(&"x".repeat(120));
    let refusal = place.fails(&["--socket", long.to_str().unwrap()]);
    assert!(refusal.contains("a socket's may have 107"), "{refusal}");
}

#[test]
fn a_data_root_belongs_to_one_driver() {
    let place = Place::new();
    let driver = place.start();
    let other = place.path("other.sock");
    let refusal = place.fails(&["--socket", other.to_str().unwrap()]);
    assert!(
        refusal.contains(&format!(
            "another driver (process {}) is using it",
            driver.child.id()
        )),
        "{refusal}"
    );
    assert!(!other.exists());
    driver.client().create("v1").ok();
}

#[test]
fn state_is_private() {
    let place = Place::new();
    fs::create_dir(place.root()).unwrap();
    fs::set_permissions(place.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let driver = place.start();
    driver.client().create_with("v1", &[("mode", "0777")]).ok();
    let mode = |path: &str| {
        fs::metadata(place.root().join(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    for directory in ["", "volumes", "volumes/v1", "staging", "trash"] {
        assert_eq!(mode(directory), 0o700, "{directory}");
    }
    for file in ["state.redb", "lock", "volumes/v1/volume.json"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    assert_eq!(mode("volumes/v1/data"), 0o777);
    assert_eq!(
        fs::metadata(place.socket()).unwrap().permissions().mode() & 0o7777,
        0o660
    );
}

#[test]
fn sigterm_lets_a_call_in_flight_finish() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir(&source).unwrap();
    (0..1500).for_each(|file| fs::write(source.join(file.to_string()), "x").unwrap());
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut driver = place.start();
        let mut client = driver.client();
        let name = format!("{signal:?}");
        let body = serde_json::json!({ "Name": name, "Opts": { "from": source } }).to_string();
        client.send(request("/VolumeDriver.Create", &body));
        let staging = place.root().join("staging");
        wait_until("the copy is under way", || {
            fs::read_dir(&staging).unwrap().next().is_some()
        });
        let start = Instant::now();
        driver.signal(signal);
        client.answer().unwrap().ok();
        assert_eq!(driver.child.wait().unwrap().code(), Some(0));
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(!place.socket().exists());
        let driver = place.start();
        let mountpoint = driver.client().mount(&name, ID).mountpoint();
        assert_eq!(fs::read_dir(mountpoint).unwrap().count(), 1500);
        assert!(driver.stop().success());
    }
}

#[test]
fn bad_usage_has_a_status_of_its_own() {
    let binary = env!("CARGO_BIN_EXE_volplug-driver");
    for arguments in [
        &["local", "--nope"][..],
        &["nope"],
        &[],
        &["local", "--scope", "galactic"],
        &["local", "--request-timeout", "0"],
    ] {
        let output = std::process::Command::new(binary)
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}
