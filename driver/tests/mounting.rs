//! Plugins that mount something, and the process around them: state apart from the data root,
//! reloads, health, and log lines that say whose they are. With stand-ins for `mount.nfs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::{Command, ExitCode},
};

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{
    Client, ID,
    helpers::{BIND, Stage, is_mounted},
    process::Place,
    service::Service,
    several::{BINARY, Process, Yard},
    trials::{Tried, run, tests},
    wait_until,
};

fn main() -> ExitCode {
    run(tests![
        a_reload_loses_no_mount_and_every_line_names_its_plugin,
        state_can_be_apart_from_the_data_root,
        what_an_interrupted_removal_left_is_deleted,
        health_is_the_storages_own,
    ])
}

fn stage() -> Result<Stage, support::trials::Skip> {
    let stage = Stage::new()?;
    stage.stand_in("mount.nfs", BIND);
    fs::create_dir_all(stage.server().join("export")).unwrap();
    Ok(stage)
}

/// One `[[plugin]]` on the share of the stage.
fn plugin(yard: &Yard, name: &str, more: &str) -> String {
    format!(
        "[[plugin]]\nname = {name:?}\nbackend = \"nfs\"\nshare = \"nas:/export\"\nsocket = {:?}\ndata-root = {:?}\n{more}\n",
        yard.path(&format!("{name}.sock")),
        yard.path(&format!("{name}.root")),
    )
}

/// Starts the driver with the stand-ins first on its `PATH`.
fn start(yard: &Yard, stage: &Stage, arguments: &[&str], socket: &Path) -> Process {
    let process = yard.spawn(
        Command::new(BINARY)
            .args(arguments)
            .env("PATH", stage.search_path()),
    );
    wait_until("the driver listens", || Client::try_connect(socket).is_ok());
    process
}

fn a_reload_loses_no_mount_and_every_line_names_its_plugin() -> Tried {
    let stage = stage()?;
    let yard = Yard::new();
    let one = plugin(&yard, "one", "");
    let file = yard.write("c.toml", &(one.clone() + &plugin(&yard, "two", "")));
    let arguments = ["--config", file.to_str().unwrap()];
    let driver = start(&yard, &stage, &arguments, &yard.path("two.sock"));
    let mut stays = Client::connect(&yard.path("one.sock"));
    let mut changes = Client::connect(&yard.path("two.sock"));
    stays.create("v1").ok();
    changes.create("v2").ok();
    let kept = stays.mount("v1", ID).mountpoint();
    let carried = changes.mount("v2", ID).mountpoint();
    fs::write(Path::new(&carried).join("file"), "data").unwrap();
    stage.notes();

    yard.write("c.toml", &(one + &plugin(&yard, "two", "scope = 'global'")));
    driver.signal(Signal::SIGHUP);
    yard.wait_for_log("the configuration was read anew");
    assert!(is_mounted(&kept) && is_mounted(&carried));
    let mut changed = Client::connect(&yard.path("two.sock"));
    assert_eq!((stays.holders("v1"), changed.holders("v2")), (1, 1));
    assert_eq!(changed.mount("v2", "another").mountpoint(), carried);
    let mounted: Vec<_> = stage
        .notes()
        .into_iter()
        .filter(|word| *word == carried || *word == kept)
        .collect();
    assert!(mounted.is_empty(), "mounted again: {mounted:?}");
    assert_eq!(
        fs::read_to_string(Path::new(&carried).join("file")).unwrap(),
        "data"
    );
    changed.unmount("v2", "another").ok();
    changed.unmount("v2", ID).ok();
    stays.unmount("v1", ID).ok();
    assert!(!is_mounted(&kept) && !is_mounted(&carried));

    // What happens inside of a plugin, in its tasks and threads, says which one it is.
    let log = yard.log();
    for name in ["one", "two"] {
        let line = format!("plugin{{name=\"{name}\"}}");
        assert!(
            log.lines()
                .any(|text| text.contains(&line) && text.contains("listening")),
            "{log}"
        );
    }
    assert!(driver.stop().success());
    Ok(())
}

fn state_can_be_apart_from_the_data_root() -> Tried {
    let stage = stage()?;
    let place = Place::new()
        .on(&["nfs", "--share", "nas:/export"])
        .with_variable("PATH", stage.search_path());
    let state = place.path("state");
    let arguments = ["--state-dir", state.to_str().unwrap()];
    let driver = place.start_with(&arguments);
    let mut client = driver.client();
    client.create("v1").ok();
    let mountpoint = client.mount("v1", ID).mountpoint();
    // Mountpoints are this host's own, as the state is.
    assert!(Path::new(&mountpoint).starts_with(&state), "{mountpoint}");
    driver.kill();
    let driver = place.start_with(&arguments);
    let mut client = driver.client();
    assert_eq!(client.holders("v1"), 1);
    assert!(is_mounted(&mountpoint));
    client.unmount("v1", ID).ok();
    assert!(!is_mounted(&mountpoint));
    client.remove("v1").ok();
    Ok(())
}

fn what_an_interrupted_removal_left_is_deleted() -> Tried {
    let stage = stage()?;
    // Named as a driver of long ago has named it, and one of this moment.
    let trash = stage.server().join("export/.volplug-trash");
    let (old, other) = (trash.join("163d2b5a8c9e0000-0"), trash.join("notes"));
    for directory in [&old, &other] {
        fs::create_dir_all(directory.join("deep")).unwrap();
    }
    let place = Place::new()
        .on(&["nfs", "--share", "nas:/export"])
        .with_variable("PATH", stage.search_path());
    let driver = place.start();
    assert!(driver.client().names().is_empty());
    wait_until("the trash is swept", || !old.exists());
    assert!(other.exists());
    Ok(())
}

fn health_is_the_storages_own() -> Tried {
    let stage = Stage::new()?;
    // Every helper says no, every service too.
    for program in ["mount.nfs", "mount.cifs", "mfsmount", "mount.quobyte"] {
        stage.stand_in(program, "exit 1");
    }
    stage.set_mode("fail");
    let service = Service::start(|_| (403, "<Code>AccessDenied</Code>".to_owned()));
    let (url, keys) = (service.url(), stage.server().join("keys"));
    fs::write(&keys, "a:b").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let keys = keys.to_str().unwrap();
    let shared = stage.server().join("mnt");
    let shared = shared.to_str().unwrap();
    for (words, reason) in [
        (vec!["nfs", "--share", "nas:/export"], "the server said no"),
        (
            vec![
                "efs",
                "--fs-id",
                "fs-01234567",
                "--mount-target",
                "127.0.0.1",
                "--tls",
                "off",
            ],
            "the server said no",
        ),
        (vec!["cifs", "--share", "nas/data"], "the server said no"),
        (vec!["moosefs", "--host", "master"], "the server said no"),
        (
            vec!["s3", "--url", &url, "--key-file", keys, "--bucket", "data"],
            "AccessDenied",
        ),
        (
            vec![
                "quobyte",
                "--api-url",
                &url,
                "--registry",
                "nas",
                "--mount-path",
                shared,
            ],
            "the server said no",
        ),
    ] {
        let backend = words[0].to_owned();
        let place = Place::new()
            .on(&words)
            .with_variable("PATH", stage.search_path());
        let status = place.path("status.sock");
        let _driver = place.start_with(&["--status-listen", status.to_str().unwrap()]);
        let told: Value = serde_json::from_str(&ask(&status, "/status")).unwrap();
        let plugin = &told["plugins"][0];
        assert_eq!(plugin["healthy"], false, "{backend}: {plugin}");
        assert!(plugin.to_string().contains(reason), "{backend}: {plugin}");
        let down = format!("backend=\"{backend}\"}} 0");
        let metrics = ask(&status, "/metrics");
        assert!(
            metrics
                .lines()
                .any(|line| line.starts_with("volplug_backend_up") && line.ends_with(&down)),
            "{metrics}"
        );
    }
    Ok(())
}

fn ask(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}
