//! Volumes on an S3 server.

use std::{fs, path::Path};

use crate::{
    nfs::two_drivers,
    server::{Kind, Server, processes_with},
    support::{
        ID,
        helpers::Stage,
        process::Place,
        trials::{Test, Tried, tests},
    },
};

pub(crate) const TESTS: &[Test] = tests![
    volumes_are_buckets_or_prefixes_and_errors_come_at_create,
    two_drivers_see_each_others_volumes,
];

fn volumes_are_buckets_or_prefixes_and_errors_come_at_create() -> Tried {
    let _stage = Stage::new()?;
    let server = Server::start(Kind::S3)?;
    // Without a bucket of the driver's own.
    let (url, key_file) = (server.setting("URL"), server.setting("KEY_FILE"));
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
    assert!(!place.log().contains("testing-secret"));
    assert!(processes_with("testing-secret").is_empty());
    Ok(())
}

fn two_drivers_see_each_others_volumes() -> Tried {
    let _stage = Stage::new()?;
    let server = Server::start(Kind::S3)?;
    let global = ["--scope", "global"];
    two_drivers(&server.place(&global), &server.place(&global));
    Ok(())
}
