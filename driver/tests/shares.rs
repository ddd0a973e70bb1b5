//! Volumes on file servers, with stand-ins for `mount.nfs` and `mount.cifs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::ExitCode};

use support::{
    ID,
    helpers::{BIND, Stage, is_mounted},
    process::Place,
    trials::{Skip, Tried, run, tests},
    wait_until,
};

fn main() -> ExitCode {
    run(tests![
        a_share_of_its_own_is_mounted_for_the_first_holder_and_unmounted_after_the_last,
        names_are_shares_where_there_is_no_default_share,
        directories_of_the_default_share_are_volumes_whoever_made_them,
        a_helper_that_fails_lies_or_hangs_is_told_and_leaves_nothing,
        a_missing_helper_names_its_package,
        mounts_are_found_again_after_a_kill_and_restored_when_they_are_gone,
        a_busy_mount_is_kept_with_its_hold,
        passwords_reach_the_helper_in_a_file_only,
    ])
}

fn stage(program: &str) -> Result<Stage, Skip> {
    let stage = Stage::new()?;
    stage.stand_in(program, BIND);
    fs::create_dir_all(stage.server().join("export/sub")).unwrap();
    Ok(stage)
}

fn place(stage: &Stage, storage: &[&str]) -> Place {
    Place::new()
        .on(storage)
        .with_variable("PATH", stage.search_path())
}

fn a_share_of_its_own_is_mounted_for_the_first_holder_and_unmounted_after_the_last() -> Tried {
    let stage = stage("mount.nfs")?;
    let place = place(&stage, &["nfs"]);
    let driver = place.start();
    let mut client = driver.client();
    let options = [
        ("share", "nas:/export"),
        ("path", "made/here"),
        ("create", "true"),
        ("mode", "0770"),
    ];
    client.create_with("v1", &options).ok();
    let made = stage.server().join("export/made/here");
    assert_eq!(
        fs::metadata(&made).unwrap().permissions().mode() & 0o7777,
        0o770
    );
    stage.notes();

    let mountpoint = client.mount("v1", "a").mountpoint();
    assert_eq!(
        stage.notes(),
        [
            "mount.nfs",
            "nas:/export/made/here",
            &mountpoint,
            "-o",
            "soft,timeo=100,retrans=3,nodev,retry=0"
        ]
    );
    fs::write(Path::new(&mountpoint).join("file"), "data").unwrap();
    assert_eq!(fs::read_to_string(made.join("file")).unwrap(), "data");
    client.mount("v1", "b").ok();
    assert!(stage.notes().is_empty(), "mounted twice");
    client.unmount("v1", "a").ok();
    assert!(is_mounted(&mountpoint));
    client.unmount("v1", "b").ok();
    assert!(!is_mounted(&mountpoint) && !Path::new(&mountpoint).exists());
    client.remove("v1").ok();
    assert!(made.join("file").exists());
    Ok(())
}

fn names_are_shares_where_there_is_no_default_share() -> Tried {
    let stage = stage("mount.nfs")?;
    let place = place(&stage, &["nfs"]);
    let driver = place.start();
    let mut client = driver.client();
    client.create("nas/export/sub").ok();
    let mountpoint = client.mount("nas/export/sub", ID).mountpoint();
    assert!(is_mounted(&mountpoint));
    assert_eq!(client.names(), ["nas/export/sub"]);
    client.unmount("nas/export/sub", ID).ok();
    client.remove("nas/export/sub").ok();
    let error = client.create("nas/missing").failed(500);
    assert!(
        error.contains("no such export") && error.contains("nas/missing"),
        "{error}"
    );
    let error = client.create("plain").failed(500);
    assert!(error.contains("option \"share\""), "{error}");
    assert!(client.names().is_empty());
    Ok(())
}

fn directories_of_the_default_share_are_volumes_whoever_made_them() -> Tried {
    let stage = stage("mount.nfs")?;
    let (one, two) = (
        place(&stage, &["nfs", "--share", "nas:/export"]),
        place(
            &stage,
            &["nfs", "--share", "nas:/export", "--on-remove", "delete"],
        ),
    );
    let (driver, other) = (one.start(), two.start());
    let (mut client, mut peer) = (driver.client(), other.client());
    assert_eq!(client.names(), ["sub"]);
    client.create_with("Über uns", &[("mode", "0700")]).ok();
    assert!(stage.server().join("export/Über uns").is_dir());
    peer.create_with("Über uns", &[("mode", "0700")]).ok();
    let mountpoint = peer.mount("Über uns", ID).mountpoint();
    fs::write(Path::new(&mountpoint).join("file"), "data").unwrap();
    peer.unmount("Über uns", ID).ok();
    let status = client.get("Über uns").json();
    assert_eq!(status["Volume"]["Status"]["data_on_remove"], "kept");
    assert_eq!(peer.names(), ["sub", "Über uns"]);

    client.remove("Über uns").ok();
    peer.get("Über uns").failed(500);
    assert_eq!(peer.names(), ["sub"]);
    let kept: Vec<_> = fs::read_dir(stage.server().join("export/.volplug-removed"))
        .unwrap()
        .collect();
    assert_eq!(
        fs::read_to_string(kept[0].as_ref().unwrap().path().join("file")).unwrap(),
        "data"
    );
    peer.create("Über uns").ok();
    assert_eq!(client.names(), ["sub", "Über uns"]);
    assert!(is_mounted(one.root().join("control")));
    peer.remove("sub").ok();
    let trash = stage.server().join("export/.volplug-trash");
    wait_until("the trash is empty", || {
        fs::read_dir(&trash).unwrap().count() == 0
    });
    client.get("sub").failed(500);
    client.create("sub").ok();
    let held = client.mount("sub", ID).mountpoint();
    assert!(driver.stop().success());
    assert!(is_mounted(held) && !is_mounted(one.root().join("control")));
    Ok(())
}

fn a_helper_that_fails_lies_or_hangs_is_told_and_leaves_nothing() -> Tried {
    let stage = stage("mount.nfs")?;
    let place = place(&stage, &["nfs", "--mount-timeout", "1"]);
    let driver = place.start();
    let mut client = driver.client();
    client.create_with("v1", &[("share", "nas:/export")]).ok();
    for (mode, told) in [
        (
            "fail",
            "mount.nfs failed (status 32): mount.nfs: the server said no",
        ),
        ("lie", "nothing is mounted"),
        ("hang", "did not end within 1 s and was killed"),
    ] {
        stage.set_mode(mode);
        let error = client.mount("v1", ID).failed(500);
        assert!(error.contains(told) && error.contains("\"v1\""), "{error}");
        assert_eq!(client.holders("v1"), 0);
        let mountpoint = place.root().join("mnt/v1");
        assert!(!is_mounted(&mountpoint) && !mountpoint.exists());
    }
    let left = stage.left_behind().unwrap();
    wait_until("what the helper started is dead", || {
        fs::read_to_string(format!("/proc/{left}/stat")).map_or(true, |stat| stat.contains(") Z "))
    });
    stage.set_mode("");
    client.mount("v1", ID).ok();
    client.unmount("v1", ID).ok();
    client.remove("v1").ok();
    Ok(())
}

fn a_missing_helper_names_its_package() -> Tried {
    let stage = Stage::new()?;
    if Path::new("/usr/bin/mount.quobyte").exists() {
        return Err(Skip("mount.quobyte is installed".to_owned()));
    }
    let mount_path = stage.server().join("quobyte");
    let place = Place::new().on(&[
        "quobyte",
        "--registry",
        "localhost",
        "--mount-path",
        mount_path.to_str().unwrap(),
        "--api-url",
        "http://127.0.0.1:9",
    ]);
    let driver = place.start();
    let mut client = driver.client();
    // List and Get answer all the same.
    client.call("List", "{}").ok();
    client.get("v1").failed(500);
    let error = client.create("v1").failed(500);
    assert!(
        error.contains("the Quobyte API cannot be reached"),
        "{error}"
    );
    assert!(
        place.log().contains("mount.quobyte is not installed"),
        "{}",
        place.log()
    );
    Ok(())
}

fn mounts_are_found_again_after_a_kill_and_restored_when_they_are_gone() -> Tried {
    let stage = stage("mount.nfs")?;
    let place = place(&stage, &["nfs"]);
    let driver = place.start();
    driver
        .client()
        .create_with("v1", &[("share", "nas:/export")])
        .ok();
    let mountpoint = driver.client().mount("v1", "a").mountpoint();
    driver.kill();
    stage.notes();
    let driver = place.start();
    driver.client().mount("v1", "b").ok();
    assert!(stage.notes().is_empty(), "mounted although it was");
    driver.kill();

    nix::mount::umount(Path::new(&mountpoint)).unwrap();
    let driver = place.start();
    wait_until("the mount is restored", || is_mounted(&mountpoint));
    driver.client().unmount("v1", "a").ok();
    nix::mount::umount(Path::new(&mountpoint)).unwrap();
    // Gone already is fine, and the next Mount makes it anew.
    driver.client().mount("v1", "c").ok();
    assert!(is_mounted(&mountpoint));
    driver.client().unmount("v1", "b").ok();
    nix::mount::umount(Path::new(&mountpoint)).unwrap();
    driver.client().unmount("v1", "c").ok();
    driver.client().remove("v1").ok();
    Ok(())
}

fn a_busy_mount_is_kept_with_its_hold() -> Tried {
    let stage = stage("mount.nfs")?;
    let place = place(&stage, &["nfs"]);
    let driver = place.start();
    let mut client = driver.client();
    client
        .create_with("v1", &[("share", "nas:/export"), ("ro", "")])
        .ok();
    fs::write(stage.server().join("export/file"), "data").unwrap();
    let mountpoint = client.mount("v1", ID).mountpoint();
    assert!(
        fs::write(Path::new(&mountpoint).join("new"), "").is_err(),
        "not read-only"
    );
    let open = fs::File::open(Path::new(&mountpoint).join("file")).unwrap();
    let error = client.unmount("v1", ID).failed(500);
    assert!(error.contains("busy"), "{error}");
    assert_eq!(client.holders("v1"), 1);
    drop(open);
    client.unmount("v1", ID).ok();
    assert!(!is_mounted(&mountpoint));
    Ok(())
}

fn passwords_reach_the_helper_in_a_file_only() -> Tried {
    let stage = stage("mount.cifs")?;
    let script = format!(
        "for option in $(echo \"$4\" | tr , ' '); do case $option in credentials=*) cp \"${{option#credentials=}}\" \"$server/seen\" ;; esac; done\n{BIND}"
    );
    stage.stand_in("mount.cifs", &script);
    let hosts = stage.server().join("hosts");
    fs::create_dir(&hosts).unwrap();
    let credentials = hosts.join("nas");
    fs::write(&credentials, "username=me\npassword=s3,cr\"e t\\$x\n").unwrap();
    fs::set_permissions(&credentials, fs::Permissions::from_mode(0o600)).unwrap();
    let place = place(
        &stage,
        &[
            "cifs",
            "--credentials-dir",
            hosts.to_str().unwrap(),
            "--log-level",
            "debug",
        ],
    );
    let driver = place.start();
    let mut client = driver.client();
    client.create("nas/export").ok();
    client.mount("nas/export", ID).ok();
    let seen = fs::read_to_string(stage.server().join("seen")).unwrap();
    assert_eq!(seen, "username=me\npassword=s3,cr\"e t\\$x\n");
    let notes = stage.notes().join("\n");
    assert!(
        notes.contains("//nas/export") && notes.contains("credentials="),
        "{notes}"
    );
    assert_eq!(
        fs::read_dir(place.root().join("private")).unwrap().count(),
        0
    );

    client
        .create_with(
            "own",
            &[
                ("share", "other/export"),
                ("username", "you"),
                ("password", "hunter2,x"),
            ],
        )
        .ok();
    client.mount("own", ID).ok();
    assert!(
        fs::read_to_string(stage.server().join("seen"))
            .unwrap()
            .contains("password=hunter2,x\n")
    );
    stage.stand_in(
        "mount.cifs",
        "echo \"mount error(13): denied for hunter2,x\" >&2; exit 32",
    );
    client.unmount("own", ID).ok();
    let error = client.mount("own", ID).failed(500);
    assert!(error.contains("denied for REDACTED"), "{error}");
    for text in [
        stage.notes().join("\n"),
        place.log(),
        client.get("own").body,
        error,
    ] {
        assert!(
            !text.contains("hunter2") && !text.contains("s3,cr"),
            "{text}"
        );
    }
    Ok(())
}
