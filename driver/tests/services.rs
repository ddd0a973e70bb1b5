//! Backends that talk to a service besides mounting: Quobyte's API, the metadata service of EFS,
//! and an S3 server that refuses. Quobyte's API and client are not to be had by everybody: here a
//! service speaks the documented calls, and a bind mount is the shared mount.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::{Value, json};
use support::{
    ID,
    helpers::{BIND, Stage, is_mounted},
    process::Place,
    service::{Request, Service},
    trials::{Tried, run, tests},
};

fn main() -> ExitCode {
    // The suite runs in a process of its own, which is this program again.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == SUITE) {
        let name = OsString::from(SUITE);
        return volplug_conformance::cli::main(std::iter::once(name).chain(words)).into();
    }
    run(tests![
        quobyte_passes_the_suite,
        quobyte_volumes_are_directories_of_one_mount_that_somebody_made,
        quobyte_is_mounted_once_for_all_volumes_where_nobody_has,
        a_wrong_quobyte_password_is_told_as_such,
        efs_uses_the_mount_target_of_the_instances_own_zone,
        efs_goes_through_the_mount_helper_where_it_is_installed,
        the_s3_servers_own_reason_is_told_at_create,
    ])
}

const SUITE: &str = "volplug-conformance";

/// A cluster whose volumes are the directories of `root`.
fn quobyte(root: PathBuf) -> Service {
    Service::start(move |request: &Request| {
        // docker:p,a"ss
        if request.header("authorization") != Some("Basic ZG9ja2VyOnAsYSJzcw==") {
            return (401, "no".to_owned());
        }
        let call: Value = serde_json::from_str(&request.body).unwrap();
        let text = |key: &str| call["params"][key].as_str().unwrap_or_default().to_owned();
        let fault = |message: &str| json!({ "error": { "code": -1, "message": message } });
        let mut answer = match call["method"].as_str().unwrap() {
            "createVolume" if text("name") == "refused" => fault("no space\nleft"),
            "createVolume" => match fs::create_dir(root.join(text("name"))) {
                Ok(()) => json!({ "result": { "volume_uuid": text("name") } }),
                Err(_) => fault("ENTITY_EXISTS_ALREADY/POSIX_ERROR_NONE: exists"),
            },
            "resolveVolumeName" if root.join(text("volume_name")).is_dir() => {
                json!({ "result": { "volume_uuid": text("volume_name") } })
            }
            "resolveVolumeName" => fault("ENTITY_NOT_FOUND: none"),
            "deleteVolume" => {
                fs::remove_dir_all(root.join(text("volume_uuid"))).unwrap();
                json!({ "result": {} })
            }
            other => fault(&format!("METHOD_NOT_FOUND {other}")),
        };
        answer["jsonrpc"] = "2.0".into();
        answer["id"] = call["id"].clone();
        (200, answer.to_string())
    })
}

/// The driver's command line.
fn quobyte_words(stage: &Stage, service: &Service, mount_path: &Path) -> Vec<String> {
    let password = stage.server().join("password");
    fs::write(&password, "p,a\"ss\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let words = [
        "quobyte",
        "--api-url",
        &service.url(),
        "--api-user",
        "docker",
        "--api-password-file",
        password.to_str().unwrap(),
        "--mount-path",
        mount_path.to_str().unwrap(),
        "--mount-timeout",
        "5",
    ];
    words.map(str::to_owned).to_vec()
}

fn quobyte_place(stage: &Stage, service: &Service, mount_path: &Path, more: &[&str]) -> Place {
    let words = quobyte_words(stage, service, mount_path);
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    Place::new()
        .on(&words)
        .with_variable("PATH", stage.search_path())
}

fn quobyte_volumes_are_directories_of_one_mount_that_somebody_made() -> Tried {
    let stage = Stage::new()?;
    let (root, shared) = (stage.server().join("cluster"), stage.server().join("mnt"));
    fs::create_dir_all(root.join("older")).unwrap();
    fs::create_dir(&shared).unwrap();
    let none = None::<&str>;
    mount(Some(&root), &shared, none, MsFlags::MS_BIND, none).unwrap();
    let service = quobyte(root.clone());
    let place = quobyte_place(
        &stage,
        &service,
        &shared,
        &["--tenant", "T1", "--configuration", "C1"],
    );
    let driver = place.start();
    let mut client = driver.client();
    assert_eq!(client.names(), ["older"]);
    client
        .create_with("v1", &[("user", "u"), ("group", "g")])
        .ok();
    let call: Value = serde_json::from_str(&service.seen()[0].body).unwrap();
    let parameters = json!({
        "name": "v1", "root_user_id": "u", "root_group_id": "g", "configuration_name": "C1",
        "tenant_id": "T1", "retry": "INTERACTIVE",
    });
    assert_eq!(
        (&call["method"], &call["params"]),
        (&json!("createVolume"), &parameters)
    );
    let mountpoint = client.mount("v1", ID).mountpoint();
    assert_eq!(Path::new(&mountpoint), shared.join("v1"));
    fs::write(root.join("v1/file"), "data").unwrap();
    assert_eq!(
        fs::read_to_string(Path::new(&mountpoint).join("file")).unwrap(),
        "data"
    );
    client.unmount("v1", ID).ok();
    assert!(is_mounted(&shared), "others use it");
    let error = client.create("refused").failed(500);
    assert!(error.contains("no space; left"), "{error}");
    client.remove("v1").ok();
    assert_eq!(client.names(), ["older"]);
    assert!(!root.join("v1").exists());
    assert_eq!(
        client.get("older").json()["Volume"]["Status"]["data_on_remove"],
        "deleted"
    );
    client.remove("older").ok();
    assert!(!place.log().contains("p,a"));
    umount2(&shared, MntFlags::MNT_DETACH).unwrap();
    Ok(())
}

fn quobyte_passes_the_suite() -> Tried {
    let stage = Stage::new()?;
    let (root, shared) = (stage.server().join("cluster"), stage.server().join("mnt"));
    for directory in [&root, &shared] {
        fs::create_dir(directory).unwrap();
    }
    let none = None::<&str>;
    mount(Some(&root), &shared, none, MsFlags::MS_BIND, none).unwrap();
    let service = quobyte(root);
    let words = quobyte_words(&stage, &service, &shared);
    let driver = format!(
        "{} {} --socket {{socket}} --data-root {{work}}/root",
        env!("CARGO_BIN_EXE_volplug-driver"),
        words.join(" ")
    );
    // In a namespace of its own the suite would throw away what the API makes beside it.
    let output = Command::new(std::env::current_exe().unwrap())
        .args([SUITE, "--no-isolation", "--exec", &driver])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}");
    println!("{}", told.lines().last().unwrap());
    umount2(&shared, MntFlags::MNT_DETACH).unwrap();
    Ok(())
}

fn quobyte_is_mounted_once_for_all_volumes_where_nobody_has() -> Tried {
    let stage = Stage::new()?;
    let (root, shared) = (stage.server().join("cluster"), stage.server().join("mnt"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(root.join("one")).unwrap();
    // As the client does for --allow-usermapping-in-volumename.
    fs::create_dir(root.join("app#staff@one")).unwrap();
    stage.stand_in("mount.quobyte", "mount --bind \"$server/cluster\" \"$3\"");
    let service = quobyte(root);
    let place = quobyte_place(
        &stage,
        &service,
        &shared,
        &["--registry", "reg:7861", "--fixed-user", "app#staff"],
    );
    let driver = place.start();
    let mut client = driver.client();
    for id in ["a", "b"] {
        assert_eq!(
            Path::new(&client.mount("one", id).mountpoint()),
            shared.join("app#staff@one")
        );
    }
    let shared_text = shared.to_str().unwrap();
    assert_eq!(
        stage.notes(),
        [
            "mount.quobyte",
            "--allow-usermapping-in-volumename",
            "reg:7861/",
            shared_text,
            "-o",
            "user_xattr"
        ]
    );
    for id in ["a", "b"] {
        client.unmount("one", id).ok();
    }
    assert!(is_mounted(&shared));
    umount2(&shared, MntFlags::MNT_DETACH).unwrap();
    Ok(())
}

fn a_wrong_quobyte_password_is_told_as_such() -> Tried {
    let stage = Stage::new()?;
    let service = Service::start(|_| (401, String::new()));
    let place = quobyte_place(&stage, &service, &stage.server().join("mnt"), &[]);
    let driver = place.start();
    let error = driver.client().create("v1").failed(500);
    assert!(
        error.contains("refuses the driver's user and password"),
        "{error}"
    );
    Ok(())
}

fn efs_uses_the_mount_target_of_the_instances_own_zone() -> Tried {
    let stage = Stage::new()?;
    stage.stand_in("mount.nfs", BIND);
    fs::create_dir_all(stage.server().join("a/b")).unwrap();
    let (zone, region) = (
        "eu-central-1a.fs-0123abcd.efs.eu-central-1.amazonaws.com:/a/b",
        "fs-0123abcd.efs.eu-west-1.amazonaws.com:/a/b",
    );
    for (tokens, options, expected) in [
        (true, &[][..], zone),
        // The service gives no tokens: it is asked without one only where that is allowed, and the
        // name of the region has to do otherwise.
        (false, &["--allow-metadata-v1"][..], zone),
        (false, &["--region", "eu-west-1"][..], region),
    ] {
        let service = Service::start(move |request| {
            let token = request.header("x-aws-ec2-metadata-token");
            match (request.method.as_str(), request.path.as_str()) {
                ("PUT", "/latest/api/token") if tokens => (200, "TOKEN".to_owned()),
                ("GET", "/latest/meta-data/placement/availability-zone")
                    if token == tokens.then_some("TOKEN") =>
                {
                    (200, "eu-central-1a".to_owned())
                }
                _ => (403, String::new()),
            }
        });
        let url = service.url();
        let mut words = vec!["efs", "--metadata-url", &url, "--tls", "off"];
        words.extend(options);
        let place = Place::new()
            .on(&words)
            .with_variable("PATH", stage.search_path());
        let driver = place.start();
        let mut client = driver.client();
        client.create("fs-0123abcd/a/b").ok();
        stage.notes();
        client.mount("fs-0123abcd/a/b", ID).ok();
        assert_eq!(stage.notes()[1], expected);
        client.unmount("fs-0123abcd/a/b", ID).ok();
        let error = client
            .create_with(
                "x",
                &[
                    ("fs-id", "fs-0123abcd"),
                    ("access-point", "fsap-0123456789abcdef0"),
                ],
            )
            .failed(500);
        assert!(error.contains("amazon-efs-utils"), "{error}");
    }
    Ok(())
}

fn efs_goes_through_the_mount_helper_where_it_is_installed() -> Tried {
    let stage = Stage::new()?;
    stage.stand_in("mount.efs", BIND);
    let place = Place::new()
        .on(&[
            "efs",
            "--fs-id",
            "fs-0123abcd",
            "--access-point",
            "fsap-0123456789abcdef0",
            "--mount-target",
            "10.0.0.7",
        ])
        .with_variable("PATH", stage.search_path());
    let driver = place.start();
    let mut client = driver.client();
    client.create("v1").ok();
    stage.notes();
    let mountpoint = client.mount("v1", ID).mountpoint();
    let options = "tls,accesspoint=fsap-0123456789abcdef0,mounttargetip=10.0.0.7";
    assert_eq!(
        stage.notes(),
        ["mount.efs", "fs-0123abcd:/v1", &mountpoint, "-o", options]
    );
    client.unmount("v1", ID).ok();
    Ok(())
}

fn the_s3_servers_own_reason_is_told_at_create() -> Tried {
    let refusal =
        "<Error><Code>SignatureDoesNotMatch</Code><Message>The keys do not match</Message></Error>";
    let service = Service::start(move |_| (403, refusal.to_owned()));
    let place = Place::new()
        .on(&["s3", "--url", &service.url()])
        .with_variable("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .with_variable("AWS_SECRET_ACCESS_KEY", "very/secret+key");
    let driver = place.start();
    let mut client = driver.client();
    let error = client.create("some-bucket").failed(500);
    assert!(
        error.contains("SignatureDoesNotMatch: The keys do not match"),
        "{error}"
    );
    assert!(client.names().is_empty());
    let asked = &service.seen()[0];
    assert!(
        asked.path.starts_with("/some-bucket/?") && asked.path.contains("X-Amz-Signature="),
        "{asked:?}"
    );
    for text in [error, place.log(), asked.path.clone()] {
        assert!(
            !text.contains("very/secret") && !text.contains("very%2Fsecret"),
            "{text}"
        );
    }
    drop(driver);
    let nobody = Place::new()
        .on(&["s3", "--url", "http://127.0.0.1:9"])
        .with_variable("AWS_ACCESS_KEY_ID", "A")
        .with_variable("AWS_SECRET_ACCESS_KEY", "B");
    let error = nobody.start().client().create("some-bucket").failed(500);
    assert!(
        error.contains("cannot be reached") && !error.contains("Signature"),
        "{error}"
    );
    Ok(())
}
