//! Volumes on real storage: MooseFS and S3, with the clients that users have.

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
    path::Path,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use support::{
    ID,
    helpers::{Stage, is_mounted},
    process::Place,
    storage::{Storage, processes_with},
    wait_until,
};

/// A MooseFS, and a place for a driver on it.
fn moosefs(options: &[&str]) -> Option<(Stage, Storage, Place)> {
    let stage = Stage::new()?;
    let storage = Storage::start(
        "moosefs",
        &[],
        &["mfsmaster", "mfschunkserver", "mfsmount", "ss"],
    )?;
    let mut words = vec!["moosefs", "--on-remove", "delete"];
    words.extend(options);
    let place = Place::new()
        .on(&words)
        .with_variable("HOST", storage.setting("HOST"))
        .with_variable("PORT", storage.setting("PORT"));
    Some((stage, storage, place))
}

/// An S3 server with the bucket `data`, and a place for a driver on it.
fn s3() -> Option<(Stage, Storage, Place)> {
    let stage = Stage::new()?;
    let storage = Storage::start("s3", &["data"], &["moto_server", "curl", "s3fs"])?;
    let options = [
        "s3",
        "--url",
        storage.setting("URL"),
        "--key-file",
        storage.setting("KEY_FILE"),
    ];
    let place = Place::new().on(&options);
    Some((stage, storage, place))
}

#[test]
fn moosefs_data_are_on_the_server_and_seen_by_every_driver() {
    let Some((_stage, storage, one)) = moosefs(&["--root-volume-name", "everything"]) else {
        return;
    };
    let two = Place::new().on(&[
        "moosefs",
        "--host",
        storage.setting("HOST"),
        "--port",
        storage.setting("PORT"),
    ]);
    let (driver, other) = (one.start(), two.start());
    let (mut client, mut peer) = (driver.client(), other.client());
    client.create("v1").ok();
    client.create("Mit Leerzeichen, Komma").ok();
    assert_eq!(peer.names(), ["Mit Leerzeichen, Komma", "v1"]);
    for name in ["v1", "Mit Leerzeichen, Komma"] {
        let mountpoint = client.mount(name, "a").mountpoint();
        fs::write(Path::new(&mountpoint).join("file"), name).unwrap();
        client.mount(name, "b").ok();
        client.unmount(name, "a").ok();
        let there = peer.mount(name, ID).mountpoint();
        assert_eq!(
            fs::read_to_string(Path::new(&there).join("file")).unwrap(),
            name
        );
        client.unmount(name, "b").ok();
        assert!(!is_mounted(&mountpoint) && is_mounted(&there));
        peer.unmount(name, ID).ok();
    }
    // A directory that somebody makes by hand is a volume.
    let root = client.mount("everything", ID).mountpoint();
    fs::create_dir(Path::new(&root).join("by hand")).unwrap();
    peer.get("by hand").ok();
    client.unmount("everything", ID).ok();
    client.remove("everything").failed(500);
    client.remove("by hand").ok();
    peer.get("by hand").failed(500);
    client
        .create_with("classy", &[("StorageClass", "no such class")])
        .failed(500);
    client.create_with("classy", &[("StorageClass", "2")]).ok();
    peer.create_with("classy", &[("StorageClass", "2")]).ok();
    peer.get("classy").ok();
}

#[test]
fn a_moosefs_master_that_hangs_freezes_nobody() {
    let Some((_stage, storage, place)) =
        moosefs(&["--connect-timeout", "5s", "--unmount-timeout", "2"])
    else {
        return;
    };
    let driver = place.start();
    let mut client = driver.client();
    client.create("v1").ok();
    client.create("v2").ok();
    let mountpoint = client.mount("v1", ID).mountpoint();
    assert_eq!(client.names(), ["v1", "v2"]);
    storage.signal("master.pid", Signal::SIGSTOP);

    let quick = |what: &str, limit: u64, began: Instant| {
        assert!(
            began.elapsed() < Duration::from_secs(limit),
            "{what} took {:?}",
            began.elapsed()
        );
    };
    for _ in 0..5 {
        let began = Instant::now();
        let status = client.get("v1").ok().json()["Volume"]["Status"]["storage"].clone();
        quick("Get", 2, began);
        assert_eq!(status["answers"], false, "{status}");
    }
    let began = Instant::now();
    assert_eq!(client.names(), ["v1", "v2"]);
    quick("List", 5, began);
    let began = Instant::now();
    client.mount("v2", ID).failed(500);
    quick("Mount", 30, began);
    let began = Instant::now();
    client.unmount("v1", ID).ok();
    quick("Unmount", 30, began);
    assert!(!is_mounted(&mountpoint));
    driver.kill();

    // What was known is known to the next start as well.
    let driver = place.start();
    let mut client = driver.client();
    assert_eq!(client.names(), ["v1", "v2"]);
    client.get("v2").ok();
    storage.signal("master.pid", Signal::SIGCONT);
    wait_until("the storage is used again", || {
        client.mount("v2", ID).status == 200
    });
    client.unmount("v2", ID).ok();
    wait_until("Status says so", || {
        client.get("v1").ok().json()["Volume"]["Status"]["storage"]["answers"] == true
    });
}

#[test]
fn a_fuse_daemon_that_dies_is_replaced_at_the_next_mount() {
    for system in ["moosefs", "s3"] {
        let started = if system == "s3" { s3() } else { moosefs(&[]) };
        let Some((_stage, _storage, place)) = started else {
            continue;
        };
        let driver = place.start();
        let mut client = driver.client();
        client.create("data").ok();
        let mountpoint = client.mount("data", "a").mountpoint();
        fs::write(Path::new(&mountpoint).join("file"), "data").unwrap();
        for pid in processes_with(&mountpoint) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
        wait_until("the mount is dead", || fs::metadata(&mountpoint).is_err());
        assert_eq!(client.mount("data", "b").mountpoint(), mountpoint);
        assert_eq!(
            fs::read_to_string(Path::new(&mountpoint).join("file")).unwrap(),
            "data",
            "{system}"
        );
        client.unmount("data", "a").ok();
        client.unmount("data", "b").ok();
        assert!(!is_mounted(&mountpoint));
    }
}

#[test]
fn s3_volumes_are_buckets_or_prefixes_and_errors_come_at_create() {
    let Some((_stage, storage, place)) = s3() else {
        return;
    };
    let driver = place.start();
    let mut client = driver.client();
    client.create_with("whole", &[("bucket", "data")]).ok();
    client
        .create_with("part", &[("bucket", "data"), ("prefix", "a/b")])
        .ok();
    let part = client.mount("part", ID).mountpoint();
    fs::write(Path::new(&part).join("file"), "data").unwrap();
    client.unmount("part", ID).ok();
    let whole = client.mount("whole", ID).mountpoint();
    assert_eq!(
        fs::read_to_string(Path::new(&whole).join("a/b/file")).unwrap(),
        "data"
    );
    client.unmount("whole", ID).ok();
    client
        .create_with("read", &[("bucket", "data"), ("ro", "")])
        .ok();
    let read = client.mount("read", ID).mountpoint();
    assert!(fs::write(Path::new(&read).join("new"), "").is_err());
    client.unmount("read", ID).ok();

    let error = client.create("missing-bucket").failed(500);
    assert!(
        error.contains("NoSuchBucket") && error.contains("create=true"),
        "{error}"
    );
    client
        .create_with("missing-bucket", &[("create", "true")])
        .ok();
    client.mount("missing-bucket", ID).ok();
    client.unmount("missing-bucket", ID).ok();
    for name in ["whole", "part"] {
        client.remove(name).ok();
    }
    client
        .create_with("part", &[("bucket", "data"), ("prefix", "a/b")])
        .ok();
    let part = client.mount("part", ID).mountpoint();
    assert_eq!(
        fs::read_to_string(Path::new(&part).join("file")).unwrap(),
        "data"
    );
    client.unmount("part", ID).ok();
    assert!(!place.log().contains("testing-secret"));
    assert!(processes_with("testing-secret").is_empty());

    storage.signal("pid", Signal::SIGSTOP);
    client.get("part").ok();
    assert_eq!(client.names(), ["missing-bucket", "part", "read"]);
    storage.signal("pid", Signal::SIGCONT);
}

#[test]
fn two_drivers_see_each_others_volumes_in_one_bucket() {
    let Some((_stage, storage, _)) = s3() else {
        return;
    };
    let place = || {
        Place::new().on(&[
            "s3",
            "--url",
            storage.setting("URL"),
            "--key-file",
            storage.setting("KEY_FILE"),
            "--bucket",
            "data",
            "--scope",
            "global",
        ])
    };
    let (one, two) = (place(), place());
    let (driver, other) = (one.start(), two.start());
    let (mut client, mut peer) = (driver.client(), other.client());
    client.create("Gemeinsame Daten").ok();
    peer.get("Gemeinsame Daten").ok();
    assert_eq!(peer.names(), ["Gemeinsame Daten"]);
    let mountpoint = client.mount("Gemeinsame Daten", ID).mountpoint();
    fs::write(Path::new(&mountpoint).join("file"), "data").unwrap();
    let there = peer.mount("Gemeinsame Daten", ID).mountpoint();
    assert_eq!(
        fs::read_to_string(Path::new(&there).join("file")).unwrap(),
        "data"
    );
    client.unmount("Gemeinsame Daten", ID).ok();
    assert!(is_mounted(&there));
    peer.unmount("Gemeinsame Daten", ID).ok();
    peer.remove("Gemeinsame Daten").ok();
    client.get("Gemeinsame Daten").failed(500);
    assert!(client.names().is_empty());
    client.create("Gemeinsame Daten").ok();
    storage.signal("pid", Signal::SIGSTOP);
    let began = Instant::now();
    let status = client.get("Gemeinsame Daten").ok().json()["Volume"]["Status"]["storage"].clone();
    assert_eq!(status["answers"], false, "{status}");
    assert_eq!(client.names(), ["Gemeinsame Daten"]);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "took {:?}",
        began.elapsed()
    );
    storage.signal("pid", Signal::SIGCONT);
}
