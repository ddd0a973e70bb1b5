//! What is said of the directories that managed plugins are made from: one that is right has no
//! finding, and each way to be wrong has the finding meant for it, and no other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

/// A bundle for the embedded driver, whose volumes lie in the directory for temporary files.
fn bundle() -> (TempDir, Value) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("rootfs");
    fs::create_dir_all(root.join("run/docker/plugins")).unwrap();
    program(&root.join("plugin"), "\x7fELF");
    let temporary = std::env::temp_dir().canonicalize().unwrap();
    let config = json!({
        "entrypoint": ["/plugin"],
        "interface": {"types": ["docker.volumedriver/1.0"], "socket": "plugin.sock"},
        "propagatedMount": temporary,
        "linux": {"capabilities": ["CAP_SYS_ADMIN"]},
        "mounts": [
            {"name": "dev", "source": "/dev", "destination": "/dev", "options": ["rbind"]},
            {"name": "keys", "destination": "/keys", "options": ["ro"], "settable": ["source"]},
        ],
        "env": null,
    });
    (directory, config)
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// The verdicts on the reference driver as if it were made from this directory, without those that
/// passed.
fn judge(directory: &Path, config: &Value) -> BTreeMap<String, String> {
    fs::write(directory.join("config.json"), config.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_volplug-conformance"))
        .args(["--reference", "--only", "man", "--format", "json"])
        .arg("--managed")
        .arg(directory)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let cases = report["cases"].as_array().unwrap();
    cases
        .iter()
        .filter(|case| case["verdict"] != "passed")
        .map(|case| (text(&case["id"]), text(&case["verdict"])))
        .collect()
}

fn only(id: &str, verdict: &str) -> BTreeMap<String, String> {
    [(id.to_owned(), verdict.to_owned())].into()
}

#[test]
fn a_bundle_that_is_right_passes() {
    let (directory, config) = bundle();
    assert_eq!(judge(directory.path(), &config), BTreeMap::new());
}

#[test]
fn what_is_wrong_in_config_json_is_found() {
    let wrongs = [
        ("/interface/types", json!([]), "man.interface", "failed"),
        (
            "/interface/types",
            json!(["docker.networkdriver/1.0"]),
            "man.interface",
            "failed",
        ),
        ("/interface/socket", json!(""), "man.interface", "failed"),
        (
            "/interface/socket",
            json!("/run/docker/plugins/x.sock"),
            "man.interface",
            "failed",
        ),
        ("/entrypoint", json!([]), "man.rootfs", "failed"),
        ("/entrypoint", json!(["/absent"]), "man.rootfs", "failed"),
        (
            "/propagatedMount",
            json!("/elsewhere"),
            "man.propagated",
            "failed",
        ),
        (
            "/mounts/1/settable",
            json!([]),
            "man.mount-sources",
            "failed",
        ),
        ("/mounts/1/name", json!(""), "man.mount-sources", "failed"),
        (
            "/linux/capabilities",
            json!(["CAP_SYS_MODULE"]),
            "man.least-privilege",
            "warned",
        ),
        (
            "/mounts/0/source",
            json!("/var/run/docker.sock"),
            "man.least-privilege",
            "warned",
        ),
    ];
    for (pointer, value, id, verdict) in wrongs {
        let (directory, mut config) = bundle();
        *config.pointer_mut(pointer).unwrap() = value;
        assert_eq!(
            judge(directory.path(), &config),
            only(id, verdict),
            "{config}"
        );
    }
    for key in ["pidhost", "ipchost"] {
        let (directory, mut config) = bundle();
        config[key] = true.into();
        assert_eq!(
            judge(directory.path(), &config),
            only("man.least-privilege", "warned"),
            "{key}"
        );
    }
}

#[test]
fn a_plugin_that_can_write_nowhere_but_in_its_rootfs_is_found() {
    let (directory, mut config) = bundle();
    config["mounts"] = json!([]);
    config["propagatedMount"] = json!("");
    let found = judge(directory.path(), &config);
    assert_eq!(found["man.state-outside"], "failed", "{found:?}");
    assert_eq!(found["man.propagated"], "failed", "{found:?}");
}

#[test]
fn what_is_wrong_in_the_rootfs_is_found() {
    type Spoil = fn(&Path);
    let spoils: [(&str, Spoil); 4] = [
        ("man.rootfs", |root| {
            fs::remove_dir(root.join("run/docker/plugins")).unwrap()
        }),
        ("man.rootfs", |root| {
            fs::set_permissions(root.join("plugin"), Permissions::from_mode(0o644)).unwrap();
        }),
        ("man.rootfs", |root| {
            program(&root.join("plugin"), "#!/bin/sh\n/real-plugin\n")
        }),
        ("man.rootfs", |root| {
            // It is there on this machine, and not in the plugin.
            fs::remove_file(root.join("plugin")).unwrap();
            std::os::unix::fs::symlink("/bin/sh", root.join("plugin")).unwrap();
        }),
    ];
    for (id, spoil) in spoils {
        let (directory, config) = bundle();
        spoil(&directory.path().join("rootfs"));
        assert_eq!(judge(directory.path(), &config), only(id, "failed"));
    }
    let (directory, config) = bundle();
    let script = "#!/bin/sh\nulimit -n 4096; exec /real-plugin\n";
    program(&directory.path().join("rootfs/plugin"), script);
    assert_eq!(judge(directory.path(), &config), BTreeMap::new());
}

/// dockerd compares the beginnings of paths, and nothing but these.
#[test]
fn a_directory_beside_the_propagated_one_is_found() {
    let (directory, mut config) = bundle();
    let place = config["propagatedMount"].as_str().unwrap().to_owned();
    config["mounts"][0]["destination"] = format!("{place}2").into();
    assert_eq!(
        judge(directory.path(), &config),
        only("man.propagated", "warned")
    );
}
