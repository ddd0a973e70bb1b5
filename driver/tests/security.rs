//! Hostile names, hostile content and secrets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use support::{ID, process::Place, wait_until};

#[test]
fn every_name_is_a_volume_of_its_own_inside_the_root() {
    let place = Place::new();
    let driver = place.start();
    let mut client = driver.client();
    let long = "n".repeat(4096);
    let names = [
        "a",
        "A",
        "a/b",
        "a_b",
        "a%2fb",
        "../../etc",
        "..",
        ".",
        "/",
        "/etc/passwd",
        " ",
        "a b",
        "a\nb",
        "<a&b>",
        "é",
        "e\u{301}",
        "$(touch canary)",
        "`id`",
        "; rm -rf /",
        "-oallow_other",
        "con",
        "a.",
        ".a",
        "\u{202e}x",
        "😀",
        &long,
        &long[1..],
    ];
    let mut seen = BTreeSet::new();
    for name in names {
        client.create(name).ok();
        assert_eq!(client.get(name).json()["Volume"]["Name"], name);
        let mountpoint = client.mount(name, ID).mountpoint();
        let real = fs::canonicalize(&mountpoint).unwrap();
        assert!(
            real.starts_with(fs::canonicalize(place.root()).unwrap().join("volumes")),
            "{real:?}"
        );
        assert!(
            seen.insert(mountpoint.to_lowercase()),
            "{name:?} shares {mountpoint}"
        );
        fs::write(real.join("owner"), name).unwrap();
    }
    assert_eq!(client.names().len(), names.len());
    for name in names {
        let mountpoint = client.named("Path", name).mountpoint();
        assert_eq!(
            fs::read_to_string(Path::new(&mountpoint).join("owner")).unwrap(),
            name
        );
        client.unmount(name, ID).ok();
        client.remove(name).ok();
    }
    assert!(client.names().is_empty());
    client.create(&"n".repeat(4097)).failed(400);
}

#[test]
fn links_planted_in_a_volume_are_never_followed() {
    let place = Place::new();
    let driver = place.start();
    let mut client = driver.client();
    let canary = place.path("canary");
    fs::create_dir(&canary).unwrap();
    fs::write(canary.join("file"), "alive").unwrap();
    let before = fs::metadata(&canary).unwrap();
    client.create("v1").ok();
    let mountpoint = client.mount("v1", ID).mountpoint();
    fs::create_dir(format!("{mountpoint}/deep")).unwrap();
    for link in ["link", "deep/link"] {
        symlink(&canary, format!("{mountpoint}/{link}")).unwrap();
        symlink(canary.join("file"), format!("{mountpoint}/{link}-to-file")).unwrap();
    }
    client.unmount("v1", ID).ok();
    client.remove("v1").ok();
    wait_until("the data are deleted", || {
        fs::read_dir(place.root().join("trash"))
            .unwrap()
            .next()
            .is_none()
    });
    assert_eq!(fs::read_to_string(canary.join("file")).unwrap(), "alive");
    assert_eq!(fs::metadata(&canary).unwrap().mode(), before.mode());
    assert!(!Path::new(&mountpoint).exists());
}

#[test]
fn a_volume_whose_directory_became_a_link_is_not_mounted() {
    let place = Place::new();
    let driver = place.start();
    let mut client = driver.client();
    client.create("v1").ok();
    let data = place.root().join("volumes/v1/data");
    fs::remove_dir(&data).unwrap();
    assert!(
        client
            .mount("v1", ID)
            .failed(500)
            .contains("cannot be used")
    );
    symlink("/etc", &data).unwrap();
    assert!(
        client
            .mount("v1", ID)
            .failed(500)
            .contains("is no directory")
    );
    assert_eq!(client.holders("v1"), 0);
    client.remove("v1").ok();
    assert!(Path::new("/etc/passwd").exists());
}

#[test]
fn a_volume_starts_with_what_from_names() {
    let place = Place::new();
    let driver = place.start();
    let mut client = driver.client();
    let source = place.path("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    fs::write(source.join("sub/file"), "content").unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o750)).unwrap();
    symlink("/etc/passwd", source.join("link")).unwrap();
    let from = source.to_str().unwrap();

    client.create_with("v1", &[("from", from)]).ok();
    let mountpoint = client.mount("v1", ID).mountpoint();
    assert_eq!(
        fs::read_to_string(format!("{mountpoint}/sub/file")).unwrap(),
        "content"
    );
    assert_eq!(
        fs::read_link(format!("{mountpoint}/link")).unwrap(),
        Path::new("/etc/passwd")
    );
    assert_eq!(fs::metadata(&mountpoint).unwrap().mode() & 0o7777, 0o750);
    client
        .create_with("v2", &[("from", from), ("mode", "1777")])
        .ok();
    assert_eq!(
        fs::metadata(client.mount("v2", ID).mountpoint())
            .unwrap()
            .mode()
            & 0o7777,
        0o1777
    );

    let root = place.root();
    let _listener = std::os::unix::net::UnixListener::bind(source.join("sub/socket")).unwrap();
    for bad in [
        "relative",
        "/nonexistent",
        "/etc/passwd",
        "/",
        root.to_str().unwrap(),
        from,
    ] {
        let err = client.create_with("v3", &[("from", bad)]).failed(500);
        assert!(err.contains("option \"from\""), "{err}");
        client.get("v3").failed(500);
    }
    assert_eq!(
        fs::read_dir(root.join("staging")).unwrap().count(),
        0,
        "a failed Create left something behind"
    );
    // A corrected one works.
    client.create("v3").ok();
}

#[test]
fn bad_options_are_named_and_leave_nothing() {
    let place = Place::new();
    let driver = place.start();
    let mut client = driver.client();
    for (key, value, expected) in [
        ("volplug_bogus", "1", "accepted are from, gid, mode, uid"),
        ("mod", "0700", "did you mean mode?"),
        ("mode", "rw", "octal"),
        ("uid", "root", "numeric"),
    ] {
        let err = client.create_with("v1", &[(key, value)]).failed(500);
        assert!(
            err.contains(&format!("option \"{key}\""))
                && err.contains(expected)
                && err.contains("v1"),
            "{err}"
        );
    }
    assert!(client.names().is_empty());
}

#[test]
fn secrets_show_up_nowhere() {
    const SECRET: &str = "hunter2,\"'$%\\";
    for format in ["text", "json"] {
        let place = Place::new();
        let driver = place.start_with(&["--log-level", "trace", "--log-format", format]);
        let mut client = driver.client();
        let answers = [
            client.create_with("v1", &[("password", SECRET)]),
            client.create_with("v1", &[("s3_secret_key", SECRET), ("mode", "0700")]),
            client.call(
                "Create",
                r#"{"Name":"v1","Opts":{"token":{"deep":"hunter2"}}}"#,
            ),
            client.call("Create", r#"{"Name":"v1","Opts":{"password":"hunter2""#),
        ];
        for answer in answers {
            assert_ne!(answer.status, 200);
            assert!(!answer.body.contains("hunter2"), "{answer:?}");
        }
        client.create_with("v1", &[("mode", "0700")]).ok();
        assert!(driver.stop().success());
        let log = place.log();
        assert!(!log.contains("hunter2"), "{log}");
        // The trace is there, and shows what is no secret.
        assert!(
            log.contains("REDACTED") && log.contains("0700") && log.contains("VolumeDriver.Create"),
            "{log}"
        );
        assert_eq!(
            format == "json",
            log.lines().all(|line| line.starts_with('{')),
            "{log}"
        );
    }
}

#[test]
fn a_name_cannot_forge_a_log_line() {
    let place = Place::new();
    let driver = place.start_with(&["--log-level", "trace"]);
    let mut client = driver.client();
    client.create("x\n2030-01-01T00:00:00Z ERROR forged").ok();
    client
        .remove("y\n2030-01-01T00:00:00Z ERROR forged")
        .failed(500);
    driver.kill();
    assert!(
        place.log().lines().all(|line| !line.starts_with("2030")),
        "{}",
        place.log()
    );
}
