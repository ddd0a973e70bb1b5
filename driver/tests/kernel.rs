//! Volumes on NFS and CIFS servers, mounted by a real kernel client. `ci/storage/test-kernel` starts
//! the servers and runs these tests on a kernel that can; without it they are skipped.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{
    env, fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use nix::mount::{MntFlags, umount2};
use support::{
    Client, ID,
    helpers::{Stage, is_mounted},
    process::Place,
    wait_until,
};

/// A setting of the servers; `None`, with the reason on stderr, outside `ci/storage/test-kernel`.
fn setting(name: &str) -> Option<String> {
    let value = env::var(name).ok();
    if value.is_none() {
        eprintln!("skipped: {name} is not set; ci/storage/test-kernel runs this");
    }
    value
}

/// Two volumes, two holders, data written and read back through another volume of the same share.
fn lifecycle(client: &mut Client, one: &str, same: &str) {
    let first = client.mount(one, "a").mountpoint();
    fs::write(Path::new(&first).join("file"), "data").unwrap();
    fs::rename(
        Path::new(&first).join("file"),
        Path::new(&first).join("renamed"),
    )
    .unwrap();
    assert_eq!(client.mount(one, "b").mountpoint(), first);
    client.unmount(one, "a").ok();
    assert!(is_mounted(&first));
    let second = client.mount(same, ID).mountpoint();
    assert_eq!(
        fs::read_to_string(Path::new(&second).join("renamed")).unwrap(),
        "data"
    );
    fs::remove_file(Path::new(&second).join("renamed")).unwrap();
    client.unmount(same, ID).ok();
    client.unmount(one, "b").ok();
    assert!(!is_mounted(&first) && !is_mounted(&second));
    // A mount that somebody took away is made anew.
    let first = client.mount(one, "c").mountpoint();
    umount2(Path::new(&first), MntFlags::MNT_DETACH).unwrap();
    client.mount(one, "d").ok();
    assert!(is_mounted(&first));
    client.unmount(one, "c").ok();
    client.unmount(one, "d").ok();
}

#[test]
fn nfs() {
    let (Some(host), Some(port)) = (setting("STORAGE_HOST"), setting("NFS_PORT")) else {
        return;
    };
    let Some(_stage) = Stage::new() else { return };
    let place = Place::new().on(&["nfs", "--mount-timeout", "15"]);
    let driver = place.start();
    let mut client = driver.client();
    let export = format!("{host}:/export");
    for version in ["4.2", "4.1", "4.0"] {
        let (one, same) = (format!("one-{version}"), format!("same-{version}"));
        let options = [
            ("share", export.as_str()),
            ("nfs-port", &port),
            ("nfsvers", version),
        ];
        let mut below = options.to_vec();
        below.extend([
            ("path", "made/here"),
            ("create", "true"),
            ("uid", "1000"),
            ("mode", "0770"),
        ]);
        client.create_with(&one, &below).ok();
        client.create_with(&same, &below).ok();
        lifecycle(&mut client, &one, &same);
    }
    let missing = format!("{host}:/missing");
    let error = client
        .create_with(
            "missing",
            &[("share", &missing), ("nfs-port", &port), ("nfsvers", "4.2")],
        )
        .failed(500);
    assert!(error.contains("No such file or directory"), "{error}");
    let read_only = [
        ("share", export.as_str()),
        ("nfs-port", &port),
        ("nfsvers", "4.2"),
        ("ro", ""),
    ];
    client.create_with("read", &read_only).ok();
    let mountpoint = client.mount("read", ID).mountpoint();
    assert!(fs::write(Path::new(&mountpoint).join("new"), "").is_err());
    client.unmount("read", ID).ok();
}

#[test]
fn two_drivers_see_each_others_volumes_on_one_nfs_share() {
    let (Some(host), Some(port)) = (setting("STORAGE_HOST"), setting("NFS_PORT")) else {
        return;
    };
    let Some(_stage) = Stage::new() else { return };
    let (share, options) = (
        format!("{host}:/export"),
        format!("soft,timeo=100,nfsvers=4.2,port={port}"),
    );
    let place = || {
        Place::new().on(&[
            "nfs",
            "--share",
            &share,
            "--mount-options",
            &options,
            "--scope",
            "global",
        ])
    };
    let (one, two) = (place(), place());
    let (driver, other) = (one.start(), two.start());
    let (mut client, mut peer) = (driver.client(), other.client());
    client.create("Gemeinsame Daten").ok();
    peer.get("Gemeinsame Daten").ok();
    lifecycle(&mut client, "Gemeinsame Daten", "Gemeinsame Daten");
    let mountpoint = peer.mount("Gemeinsame Daten", ID).mountpoint();
    fs::write(Path::new(&mountpoint).join("file"), "data").unwrap();
    peer.unmount("Gemeinsame Daten", ID).ok();
    client.remove("Gemeinsame Daten").ok();
    peer.get("Gemeinsame Daten").failed(500);
    client.create("Gemeinsame Daten").ok();
    peer.remove("Gemeinsame Daten").ok();
}

#[test]
fn cifs() {
    let (Some(host), Some(port)) = (setting("STORAGE_HOST"), setting("CIFS_PORT")) else {
        return;
    };
    let Some(password) = setting("CIFS_PASSWORD_FILE") else {
        return;
    };
    let Some(_stage) = Stage::new() else { return };
    let place = Place::new().on(&["cifs", "--mount-timeout", "15"]);
    let driver = place.start();
    let mut client = driver.client();
    let share = format!("{host}/volumes");
    let options = [
        ("share", share.as_str()),
        ("cifs-port", &port),
        ("username", "root"),
        ("password-file", &password),
    ];
    for version in ["3.1.1", "3.0", "2.1"] {
        let (one, same) = (format!("one-{version}"), format!("same-{version}"));
        let mut below = options.to_vec();
        below.extend([
            ("path", "made"),
            ("create", "true"),
            ("vers", version),
            ("uid", "1000"),
            ("dir_mode", "0770"),
        ]);
        client.create_with(&one, &below).ok();
        client.create_with(&same, &below).ok();
        lifecycle(&mut client, &one, &same);
    }
    let guest = format!("{host}/guest");
    client
        .create_with("guest", &[("share", &guest), ("cifs-port", &port)])
        .ok();
    let wrong = [
        ("share", share.as_str()),
        ("cifs-port", &port),
        ("username", "root"),
        ("password", "wrong,pass"),
    ];
    let error = client.create_with("wrong", &wrong).failed(500);
    assert!(
        error.contains("13") && !error.contains("wrong,pass"),
        "{error}"
    );
    let missing = format!("{host}/missing");
    let mut nowhere = options.to_vec();
    nowhere[0] = ("share", &missing);
    let error = client.create_with("missing", &nowhere).failed(500);
    assert!(error.contains("mount error(2)"), "{error}");
}

/// Cuts the servers off, and connects them again when dropped.
struct Cut {
    restore: String,
}

impl Cut {
    fn make() -> Option<Self> {
        let (cut, restore) = (setting("STORAGE_CUT")?, setting("STORAGE_RESTORE")?);
        run(&cut);
        Some(Self { restore })
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        run(&self.restore);
    }
}

fn run(command: &str) {
    let mut words = command.split(' ');
    let status = Command::new(words.next().unwrap()).args(words).status();
    assert!(status.unwrap().success(), "{command}");
}

#[test]
fn a_server_that_is_gone_freezes_nobody() {
    let (Some(host), Some(nfs), Some(cifs)) = (
        setting("STORAGE_HOST"),
        setting("NFS_PORT"),
        setting("CIFS_PORT"),
    ) else {
        return;
    };
    if setting("STORAGE_CUT").is_none() {
        return;
    }
    let Some(_stage) = Stage::new() else { return };
    let limits = ["--mount-timeout", "5", "--unmount-timeout", "2"];
    let (export, hard) = (
        format!("{host}:/export"),
        format!("hard,nfsvers=4.2,port={nfs}"),
    );
    let (share, soft) = (format!("{host}/guest"), format!("soft,port={cifs}"));
    for options in [
        ["nfs", "--share", &export, "--mount-options", &hard],
        ["cifs", "--share", &share, "--mount-options", &soft],
    ] {
        let place = Place::new().on(&[&options[..], &limits[..]].concat());
        let driver = place.start();
        let mut client = driver.client();
        for name in ["gone1", "gone2"] {
            client.create(name).ok();
        }
        let mountpoint = client.mount("gone1", ID).mountpoint();
        let names = client.names();
        let cut = Cut::make().unwrap();
        let timed = |what: &str, limit: u64, began: Instant| {
            assert!(
                began.elapsed() < Duration::from_secs(limit),
                "{what} took {:?}",
                began.elapsed()
            );
        };
        for _ in 0..3 {
            let began = Instant::now();
            client.get("gone1").ok();
            timed("Get", 2, began);
        }
        let began = Instant::now();
        assert_eq!(client.names(), names);
        timed("List", 5, began);
        let began = Instant::now();
        client.mount("gone1", "another").failed(500);
        timed("Mount of a mounted volume", 20, began);
        let began = Instant::now();
        client.mount("gone2", ID).failed(500);
        timed("Mount", 30, began);
        let began = Instant::now();
        client.unmount("gone1", ID).ok();
        timed("Unmount", 30, began);
        assert!(!is_mounted(&mountpoint));
        drop(cut);
        wait_until("the server is used again", || {
            client.mount("gone2", ID).status == 200
        });
        client.unmount("gone2", ID).ok();
        wait_until("volumes can be removed again", || {
            client.remove("gone1").status == 200
        });
        wait_until("and the other one", || client.remove("gone2").status == 200);
    }
}
