//! Volumes on an S3 server.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use crate::{
    nfs::two_drivers,
    server::{Kind, Server, processes_with},
    support::{
        Client, ID,
        helpers::Stage,
        process::Place,
        trials::{Test, Tried, tests},
    },
};

pub(crate) const TESTS: &[Test] = tests![
    volumes_are_buckets_or_prefixes_and_errors_come_at_create,
    two_drivers_see_each_others_volumes,
    keys_are_checked_and_stay_secret,
    minio_keeps_volumes_and_checks_keys,
];

fn volumes_are_buckets_or_prefixes_and_errors_come_at_create() -> Tried {
    let _stage = Stage::new()?;
    volumes_and_errors(&Server::start(Kind::S3)?);
    Ok(())
}

fn keys_are_checked_and_stay_secret() -> Tried {
    let _stage = Stage::new()?;
    keys(&Server::start(Kind::SeaweedFs)?);
    Ok(())
}

fn minio_keeps_volumes_and_checks_keys() -> Tried {
    let _stage = Stage::new()?;
    let server = Server::start(Kind::Minio)?;
    volumes_and_errors(&server);
    keys(&server);
    Ok(())
}

fn volumes_and_errors(server: &Server) {
    // Without a bucket of the driver's own.
    let (url, key_file) = (server.setting("URL"), server.setting("KEY_FILE"));
    let (_, secret) = key_of(server);
    let place = Place::new().on(&["s3", "--url", url, "--key-file", key_file]);
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
    assert!(!place.log().contains(&secret));
    assert!(processes_with(&secret).is_empty());
}

fn two_drivers_see_each_others_volumes() -> Tried {
    let _stage = Stage::new()?;
    let server = Server::start(Kind::S3)?;
    let global = ["--scope", "global"];
    two_drivers(&server.place(&global), &server.place(&global));
    Ok(())
}

/// The right key is good for everything, a wrong one is found at Create with the server's own
/// reason, and nobody is told either.
fn keys(server: &Server) {
    let (key, secret) = key_of(server);
    let (key, secret) = (key.as_str(), secret.as_str());
    let place = server.place(&["--log-level", "debug"]);
    let driver = place.start();
    let mut client = driver.client();
    client.create("data").ok();
    let mountpoint = client.mount("data", ID).mountpoint();
    fs::write(Path::new(&mountpoint).join("file"), "data").unwrap();
    // s3fs and all else that runs while the volume is mounted.
    assert!(processes_with(secret).is_empty());
    let status = client.get("data").ok().body.clone();
    client.unmount("data", ID).ok();
    let again = client.mount("data", ID).mountpoint();
    assert_eq!(
        fs::read_to_string(Path::new(&again).join("file")).unwrap(),
        "data"
    );
    client.unmount("data", ID).ok();

    let wrong = "a-Wrong/Secret+$x";
    let files = tempfile::tempdir().unwrap();
    let refusals = [
        ("wrong-secret", key, "SignatureDoesNotMatch"),
        ("unknown-key", "somebody-else", "InvalidAccessKeyId"),
    ];
    for (name, key, reason) in refusals {
        let file = files.path().join(name);
        write_keys(&file, key, wrong);
        // The key of one volume, and that of the driver itself.
        let own = [
            ("bucket", "data"),
            ("prefix", name),
            ("key-file", file.to_str().unwrap()),
        ];
        refuses(&mut client, name, &own, reason, wrong);
        let misled = Place::new().on(&[
            "s3",
            "--url",
            server.setting("URL"),
            "--bucket",
            "data",
            "--log-level",
            "debug",
            "--key-file",
            file.to_str().unwrap(),
        ]);
        let its = misled.start();
        refuses(&mut its.client(), name, &[], reason, wrong);
        assert!(!misled.log().contains(wrong), "{}", misled.log());
    }
    // A key that is taken away later is found at Mount.
    let file = files.path().join("turned");
    write_keys(&file, key, secret);
    let own = [("bucket", "data"), ("key-file", file.to_str().unwrap())];
    client.create_with("turned", &own).ok();
    write_keys(&file, key, wrong);
    let error = client.mount("turned", ID).failed(500);
    assert!(error.contains("SignatureDoesNotMatch"), "{error}");
    write_keys(&file, key, secret);
    client.mount("turned", ID).ok();
    client.unmount("turned", ID).ok();
    for told in [place.log(), status, error] {
        assert!(!told.contains(secret) && !told.contains(wrong), "{told}");
    }
}

/// The key that the server knows, and its secret.
fn key_of(server: &Server) -> (String, String) {
    let line = fs::read_to_string(server.setting("KEY_FILE")).unwrap();
    let (key, secret) = line.trim().split_once(':').unwrap();
    (key.to_owned(), secret.to_owned())
}

/// A file with a key, as s3fs reads it.
pub(crate) fn write_keys(file: &Path, key: &str, secret: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .unwrap();
    writeln!(file, "{key}:{secret}").unwrap();
}

/// Create fails with the server's reason, quotes no secret, and leaves nothing behind.
#[track_caller]
fn refuses(client: &mut Client, name: &str, options: &[(&str, &str)], reason: &str, secret: &str) {
    let error = client.create_with(name, options).failed(500);
    assert!(error.contains(reason) && error.contains(name), "{error}");
    assert!(!error.contains(secret), "{error}");
    assert!(!client.names().contains(&name.to_owned()));
}
