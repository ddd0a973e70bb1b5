#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

//! The daemon's binary where things go wrong: it is killed, its plugins misbehave, too many ask at
//! once, or it is started in a way that cannot work.

#[path = "../daemon/plugin.rs"]
#[expect(
    dead_code,
    reason = "the engine finds the socket by itself, and the calls are not looked at"
)]
mod plugin;

mod engine;
mod misbehaving;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use engine::{Client, Engine, ask_tcp, command};
use plugin::Plugin;
use serde_json::{Value, json};

/// A plugin with every volume but those called `local…`.
fn plugin(root: &Path) -> Plugin {
    Plugin::start(root, "mine", |path, body| {
        let local = path == "/VolumeDriver.Get" && body.contains("\"local");
        local.then(|| Some(r#"{"Err":"no such volume"}"#.to_owned()))
    })
}

fn volume(name: &str, driver: &str) -> Value {
    json!({ "Name": name, "Driver": driver, "Labels": { "of": name } })
}

fn container(volume: &str) -> Value {
    json!({
        "Image": "busybox", "Cmd": ["sleep", "300"],
        "HostConfig": { "Binds": [format!("{volume}:/data")], "VolumeDriver": "mine" },
    })
}

/// What the daemon said that there is, and that there is no more.
#[derive(Debug, Default)]
struct Acknowledged {
    volumes: BTreeSet<String>,
    removed: BTreeSet<String>,
    containers: BTreeSet<String>,
}

/// Creates and removes until the daemon is gone; `number` tells clients apart.
fn work(client: &Client, number: &str, known: &Mutex<Acknowledged>, done: &AtomicUsize) {
    for count in 0.. {
        let name = format!("local-{number}-{count}");
        let gone = format!("local-gone-{number}-{count}");
        let held = format!("held-{number}-{count}");
        let create = |name: &str, driver: &str| {
            let answer = client.try_ask("POST", "/volumes/create", &volume(name, driver));
            answer.map(|(status, body)| assert_eq!(status, 201, "{body}"))
        };
        let step = || {
            create(&name, "local")?;
            known.lock().unwrap().volumes.insert(name.clone());
            create(&gone, "local")?;
            let path = format!("/volumes/{gone}");
            let (status, body) = client.try_ask("DELETE", &path, &Value::Null)?;
            assert_eq!(status, 204, "{body}");
            known.lock().unwrap().removed.insert(gone.clone());
            create(&held, "mine")?;
            known.lock().unwrap().volumes.insert(held.clone());
            let path = format!("/containers/create?name=c-{held}");
            let (status, body) = client.try_ask("POST", &path, &container(&held))?;
            assert_eq!(status, 201, "{body}");
            known.lock().unwrap().containers.insert(held.clone());
            done.fetch_add(1, Ordering::Relaxed);
            Some(())
        };
        if step().is_none() {
            return;
        }
    }
}

#[test]
fn killed_at_any_point_it_has_what_it_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let _plugin = plugin(root.path());
    let known: Arc<Mutex<Acknowledged>> = Arc::default();
    for round in 0..6 {
        let engine = Engine::start(root.path());
        check(&engine.client(), &known.lock().unwrap());
        let done = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..4)
            .map(|n| {
                let (client, known, done) = (engine.client(), known.clone(), done.clone());
                std::thread::spawn(move || work(&client, &format!("{round}-{n}"), &known, &done))
            })
            .collect();
        while done.load(Ordering::Relaxed) < 1 + 3 * round {
            std::thread::yield_now();
        }
        engine.kill();
        for client in clients {
            client.join().unwrap();
        }
    }
    let engine = Engine::start(root.path());
    check(&engine.client(), &known.lock().unwrap());
}

fn check(client: &Client, known: &Acknowledged) {
    for name in &known.volumes {
        let (status, body) = client.get(&format!("/volumes/{name}"));
        assert_eq!(
            (status, &body["Labels"]["of"]),
            (200, &json!(name)),
            "{body}"
        );
    }
    for name in &known.removed {
        let (status, body) = client.get(&format!("/volumes/{name}"));
        assert_eq!(status, 404, "{body}");
    }
    for held in &known.containers {
        let (status, body) = client.get(&format!("/containers/c-{held}/json"));
        assert_eq!(
            (status, &body["Mounts"][0]["Name"]),
            (200, &json!(held)),
            "{body}"
        );
        let path = format!("/containers/create?name=c-{held}");
        let (status, body) = client.ask("POST", &path, &container(held));
        assert_eq!(status, 409, "the name is taken: {body}");
        let (status, body) = client.ask("DELETE", &format!("/volumes/{held}"), &Value::Null);
        assert_eq!(status, 409, "the volume is in use: {body}");
    }
}

#[test]
fn a_plugin_that_misbehaves_blocks_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    let _plugin = plugin(root.path());
    let kinds = misbehaving::start(root.path());
    let engine = Engine::start(root.path());
    for kind in kinds {
        let client = engine.client();
        // Asked until the test ends: some are tried again for 15 seconds, one hangs for ever.
        std::thread::spawn(move || {
            client.try_ask("POST", "/volumes/create", &volume("bad", kind));
        });
    }
    let client = engine.client();
    for n in 0..20 {
        assert_eq!(client.get("/_ping").0, 200);
        let (status, body) =
            client.ask("POST", "/volumes/create", &volume(&format!("v{n}"), "mine"));
        assert_eq!(status, 201, "{body}");
        let path = format!("/containers/create?name=c{n}");
        let (status, body) = client.ask("POST", &path, &container(&format!("v{n}")));
        assert_eq!(status, 201, "{body}");
        let start = format!("/containers/c{n}/start");
        let (status, body) = client.ask("POST", &start, &Value::Null);
        assert_eq!(status, 204, "{body}");
        assert_eq!(client.get("/containers/json").0, 200);
        let remove = format!("/containers/c{n}?force=1");
        assert_eq!(client.ask("DELETE", &remove, &Value::Null).0, 204);
    }
}

#[test]
fn two_hundred_clients_are_served_at_once() {
    let root = tempfile::tempdir().unwrap();
    let _plugin = plugin(root.path());
    let engine = Engine::start(root.path());
    let clients: Vec<_> = (0..200)
        .map(|n| {
            let client = engine.client();
            std::thread::spawn(move || {
                let name = format!("v{n}");
                let path = format!("/volumes/{name}");
                let created = client.ask("POST", "/volumes/create", &volume(&name, "mine"));
                let shown = client.get(&path);
                let removed = client.ask("DELETE", &path, &Value::Null);
                assert_eq!(
                    (created.0, shown.0, removed.0),
                    (201, 200, 204),
                    "{shown:?}"
                );
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn a_dead_daemon_s_socket_is_replaced_and_a_living_one_s_is_not() {
    let root = tempfile::tempdir().unwrap();
    Engine::start(root.path()).kill();
    assert!(root.path().join("docker").exists());
    let engine = Engine::start(root.path());
    let second = command(root.path()).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another engine answers there"), "{said}");
    assert_eq!(
        engine.client().get("/_ping").0,
        200,
        "the first is still there"
    );

    let file = root.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    let third = command(root.path())
        .arg(format!("--host=unix://{}", file.display()))
        .output()
        .unwrap();
    assert_eq!(third.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn it_listens_on_loopback_tcp() {
    let root = tempfile::tempdir().unwrap();
    let mut engine = Engine::spawn(
        command(root.path()).arg("--host=tcp://127.0.0.1:0"),
        root.path().join("docker"),
    );
    let said = engine.said("tcp://127.0.0.1:");
    let address = said.rsplit("tcp://").next().unwrap().trim();
    let (status, version) = ask_tcp(address, "/version");
    assert_eq!((status, version["ApiVersion"].is_string()), (200, true));
}

#[test]
fn what_cannot_work_is_refused_with_the_reason() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("file"), "").unwrap();
    let state = format!("--data-root={}", root.path().join("file").display());
    let long = format!(
        "--host=unix://{}",
        root.path().join("x".repeat(120)).display()
    );
    let refused = [
        (
            2,
            "--host=tcp://0.0.0.0:2375",
            "only loopback addresses are served",
        ),
        (
            2,
            "--host=tcp://[::]:2375",
            "only loopback addresses are served",
        ),
        (
            2,
            "--host=tcp://192.0.2.1:2375",
            "only loopback addresses are served",
        ),
        (
            2,
            "--host=http://127.0.0.1:1",
            "unix:///PATH or tcp://127.0.0.1:PORT",
        ),
        (2, "--host=unix://relative", "absolute"),
        (2, "--engine=19.03", "19.03"),
        (2, "--log-level=loud", "loud"),
        (2, "--no-such-flag", "--no-such-flag"),
        (1, &state, "file"),
        (1, &long, "cannot listen on unix://"),
    ];
    for (code, flag, reason) in refused {
        let output = Command::new(env!("CARGO_BIN_EXE_fake-dockerd"))
            .args(
                (!flag.starts_with("--data-root"))
                    .then(|| format!("--data-root={}", root.path().join("state").display())),
            )
            .args(
                (!flag.starts_with("--host"))
                    .then(|| format!("--host=unix://{}", root.path().join("docker").display())),
            )
            .arg(flag)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{flag}: {said}");
        assert!(said.contains(reason), "{flag}: {said}");
        assert!(!said.contains("panicked"), "{flag}: {said}");
    }
}

/// Anybody but root.
const NOBODY: u32 = 65534;

#[test]
fn without_root_it_keeps_to_the_user_s_runtime_directory_and_says_so() {
    // The build directory and that for temporary files may be closed to others.
    let root = tempfile::tempdir_in("/tmp").unwrap();
    let runtime = root.path().join("run");
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let binary = root.path().join("fake-dockerd");
    std::fs::copy(env!("CARGO_BIN_EXE_fake-dockerd"), &binary).unwrap();
    let mut command = Command::new(&binary);
    command.env("XDG_RUNTIME_DIR", &runtime);
    command.env_remove("TMPDIR");
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&runtime, Some(NOBODY), Some(NOBODY)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let (engine, said) = Engine::spawn_saying(&mut command, runtime.join("docker.sock"));
    for (what, place) in [
        ("listening on", "docker.sock"),
        ("plugins' sockets are looked for in", "docker/plugins"),
        ("state is in", "fake-dockerd"),
    ] {
        let line = format!("not root: {what} {}", runtime.join(place).display());
        assert!(said.contains(&line), "{line} is not in {said}");
    }
    assert_eq!(engine.client().get("/_ping").0, 200);
    let (status, body) = engine
        .client()
        .ask("POST", "/volumes/create", &volume("local", "local"));
    assert_eq!(status, 201, "{body}");
}
