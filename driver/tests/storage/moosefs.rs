//! Volumes on MooseFS.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
};

use crate::{
    nfs::fill_up,
    server::{Kind, Server, processes_with},
    support::{
        ID,
        helpers::{Stage, is_mounted},
        process::Place,
        trials::{Test, Tried, tests},
        wait_until,
    },
};

pub(crate) const TESTS: &[Test] = tests![
    data_are_on_the_server_and_seen_by_every_driver,
    a_quota_that_is_reached_is_survived,
    a_password_that_exports_ask_for_is_needed_and_stays_secret,
];

fn data_are_on_the_server_and_seen_by_every_driver() -> Tried {
    let _stage = Stage::new()?;
    let server = Server::start(Kind::MooseFs)?;
    // One is told where it is the way MooseFS's own plugin is.
    let one = Place::new()
        .on(&[
            "moosefs",
            "--on-remove",
            "delete",
            "--root-volume-name",
            "everything",
        ])
        .with_variable("HOST", server.setting("HOST"))
        .with_variable("PORT", server.setting("PORT"));
    let two = server.place(&[]);
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
    Ok(())
}

fn a_quota_that_is_reached_is_survived() -> Tried {
    let _stage = Stage::new()?;
    let server = Server::start(Kind::MooseFs)?;
    let place = server.place(&[]);
    let driver = place.start();
    let mut client = driver.client();
    client.create("data").ok();
    let mountpoint = client.mount("data", ID).mountpoint();
    // Without a trash of MooseFS's own, where the data would stay for a day.
    for command in [
        &["mfssettrashtime", "-r", "0"][..],
        &["mfssetquota", "-L", "20Mi"],
    ] {
        let set = Command::new(command[0])
            .args(&command[1..])
            .arg(&mountpoint)
            .output();
        let set = set.unwrap();
        assert!(set.status.success(), "{command:?}: {set:?}");
    }
    client.unmount("data", ID).ok();
    fill_up(&mut client, "data");
    Ok(())
}

fn a_password_that_exports_ask_for_is_needed_and_stays_secret() -> Tried {
    let _stage = Stage::new()?;
    let mut server = Server::start(Kind::MooseFs)?;
    let exports = server.directory().join("exports.cfg");
    let text = fs::read_to_string(&exports).unwrap();
    let asking = text.replace("maproot=0:0", "maproot=0:0,password=the-Right-one");
    assert_ne!(asking, text);
    fs::write(&exports, asking).unwrap();
    server.restart();

    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, password: &str| {
        let path = directory.path().join(name);
        fs::write(&path, password).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let wrong = file("wrong", "the-Wrong-one");
    let right = file("right", "the-Right-one");
    for (options, reason) in [
        (&[][..], "Password is needed"),
        (
            &["--password-file", wrong.as_str()][..],
            "Incorrect password",
        ),
    ] {
        let place = server.place(options);
        let driver = place.start();
        let error = driver.client().create("data").failed(500);
        assert!(
            error.contains(reason) && error.contains("--password-file"),
            "{error}"
        );
        assert!(!(error + &place.log()).contains("the-Wrong-one"));
    }
    let place = server.place(&["--password-file", &right]);
    let driver = place.start();
    let mut client = driver.client();
    client.create("data").ok();
    let mountpoint = client.mount("data", ID).mountpoint();
    let file = Path::new(&mountpoint).join("file");
    // The chunkservers were restarted, too.
    wait_until("data can be written", || fs::write(&file, "data").is_ok());
    assert!(processes_with("the-Right-one").is_empty());
    client.unmount("data", ID).ok();
    Ok(())
}
