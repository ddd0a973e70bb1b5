//! Volumes on an NFS server.

use std::{fs, path::Path};

use crate::server::{Kind, on_a_kernel};
use crate::support::{
    Client, ID,
    helpers::{Stage, is_mounted},
    process::Place,
    trials::{Test, Tried, tests},
    wait_until,
};

pub(crate) const TESTS: &[Test] = tests![
    every_version_mounts_a_volume_for_its_holders,
    what_the_server_does_not_have_or_allow_is_told,
    two_drivers_see_each_others_volumes,
];

/// Two volumes of the same options and so of one directory, two holders, data written by one volume
/// and read back through the other.
pub(crate) fn lifecycle(client: &mut Client, version: &str, options: &[(&str, &str)]) {
    let (one, same) = (&format!("one-{version}"), &format!("same-{version}"));
    client.create_with(one, options).ok();
    client.create_with(same, options).ok();
    let first = client.mount(one, "a").mountpoint();
    let file = |name: &str| Path::new(&first).join(name);
    fs::write(file("file"), "data").unwrap();
    fs::rename(file("file"), file("renamed")).unwrap();
    assert_eq!(client.mount(one, "b").mountpoint(), first);
    client.unmount(one, "a").ok();
    assert!(is_mounted(&first));
    let second = client.mount(same, ID).mountpoint();
    let renamed = Path::new(&second).join("renamed");
    assert_eq!(fs::read_to_string(&renamed).unwrap(), "data");
    fs::remove_file(&renamed).unwrap();
    client.unmount(same, ID).ok();
    client.unmount(one, "b").ok();
    assert!(!is_mounted(&first) && !is_mounted(&second));
}

fn every_version_mounts_a_volume_for_its_holders() -> Tried {
    let name = "nfs::every_version_mounts_a_volume_for_its_holders";
    on_a_kernel(Kind::Nfs, name, |server| {
        let _stage = Stage::new()?;
        let place = Place::new().on(&["nfs", "--mount-timeout", "25"]);
        let driver = place.start();
        let mut client = driver.client();
        let export = format!("{}:/export", server.setting("HOST"));
        for version in ["4.2", "4.1", "4.0", "3"] {
            let mut options = vec![
                ("share", export.as_str()),
                ("nfs-port", server.setting("PORT")),
                ("nfsvers", version),
                ("path", "made/here"),
                ("create", "true"),
                ("uid", "1000"),
                ("mode", "0770"),
            ];
            if version == "3" {
                // What version 4 does on its one port takes servers of their own.
                options.extend([
                    ("nfs-mountport", server.setting("MOUNT_PORT")),
                    ("nfs-nolock", ""),
                ]);
            }
            lifecycle(&mut client, version, &options);
        }
        Ok(())
    })
}

fn what_the_server_does_not_have_or_allow_is_told() -> Tried {
    let name = "nfs::what_the_server_does_not_have_or_allow_is_told";
    on_a_kernel(Kind::Nfs, name, |server| {
        let _stage = Stage::new()?;
        let place = Place::new().on(&["nfs", "--mount-timeout", "25"]);
        let driver = place.start();
        let mut client = driver.client();
        let create = |client: &mut Client, name: &str, export: &str, flag: Option<&str>| {
            let share = format!("{}:/{export}", server.setting("HOST"));
            let mut options = vec![
                ("share", share.as_str()),
                ("nfs-port", server.setting("PORT")),
                ("nfsvers", "4.2"),
            ];
            options.extend(flag.map(|flag| (flag, "")));
            client.create_with(name, &options)
        };
        let error = create(&mut client, "missing", "missing", None).failed(500);
        assert!(error.contains("No such file or directory"), "{error}");
        // Read-only because the volume says so, and because the server does.
        create(&mut client, "read", "export", Some("ro")).ok();
        create(&mut client, "served", "read-only", None).ok();
        for volume in ["read", "served"] {
            let mountpoint = client.mount(volume, ID).mountpoint();
            assert!(fs::write(Path::new(&mountpoint).join("new"), "").is_err());
            client.unmount(volume, ID).ok();
        }
        create(&mut client, "small", "small", None).ok();
        fill_up(&mut client, "small");
        Ok(())
    })
}

/// Fills a volume until the server refuses, after which all goes on as before.
pub(crate) fn fill_up(client: &mut Client, volume: &str) {
    let mountpoint = client.mount(volume, ID).mountpoint();
    let big = Path::new(&mountpoint).join("big");
    let piece = vec![7; 4 << 20];
    let refused = (0..100).any(|_| append(&big, &piece).is_err());
    assert!(refused, "never full");
    client.get(volume).ok();
    client.mount(volume, "another").ok();
    client.unmount(volume, "another").ok();
    fs::remove_file(&big).unwrap();
    let small = Path::new(&mountpoint).join("small");
    wait_until("there is room again", || {
        let _ = fs::remove_file(&small);
        append(&small, b"data").is_ok()
    });
    assert_eq!(fs::read_to_string(small).unwrap(), "data");
    client.unmount(volume, ID).ok();
    assert!(!is_mounted(&mountpoint));
}

/// Appends and makes sure that it is on the server.
fn append(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn two_drivers_see_each_others_volumes() -> Tried {
    let name = "nfs::two_drivers_see_each_others_volumes";
    on_a_kernel(Kind::Nfs, name, |server| {
        let _stage = Stage::new()?;
        let global = ["--scope", "global"];
        two_drivers(&server.place(&global), &server.place(&global));
        Ok(())
    })
}

/// What one driver makes, writes and removes is there or gone for the other.
pub(crate) fn two_drivers(one: &Place, two: &Place) {
    let volume = "Gemeinsame Daten";
    let (driver, other) = (one.start(), two.start());
    let (mut client, mut peer) = (driver.client(), other.client());
    client.create(volume).ok();
    // The very first look of a driver may find the storage not mounted yet.
    wait_until("the other driver sees the volume", || {
        peer.get(volume).status == 200
    });
    assert_eq!(peer.names(), [volume]);
    let mountpoint = client.mount(volume, ID).mountpoint();
    fs::write(Path::new(&mountpoint).join("file"), "data").unwrap();
    let there = peer.mount(volume, ID).mountpoint();
    assert_eq!(
        fs::read_to_string(Path::new(&there).join("file")).unwrap(),
        "data"
    );
    client.unmount(volume, ID).ok();
    assert!(!is_mounted(&mountpoint) && is_mounted(&there));
    peer.unmount(volume, ID).ok();
    peer.remove(volume).ok();
    client.get(volume).failed(500);
    assert!(client.names().is_empty());
    client.create(volume).ok();
    peer.remove(volume).ok();
}
