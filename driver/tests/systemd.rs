//! Under systemd: sockets that it passes, what it is told, and the units that we ship.

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
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::Path,
    process::Command,
    time::Duration,
};

use nix::sys::signal::Signal;
use support::{
    Client, ID,
    several::{BINARY, Process, Yard},
    wait_until,
};

/// Whether a program can be run; says what is skipped when it cannot.
fn present(program: &str) -> bool {
    let present = Command::new(program).arg("--version").output().is_ok();
    if !present {
        eprintln!("skipped: {program} is not installed");
    }
    present
}

/// Starts the driver as a socket unit does: at the first connection to one of these sockets.
fn activate(yard: &Yard, sockets: &[&str], names: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new("systemd-socket-activate");
    for socket in sockets {
        command.arg("-l").arg(yard.path(socket));
    }
    command
        .arg(format!("--fdname={names}"))
        .arg(BINARY)
        .args(arguments);
    let process = yard.spawn(&mut command);
    // A socket file is there a moment before it is listened on.
    wait_until("systemd-socket-activate listens", || {
        yard.log().matches("Listening on ").count() == sockets.len()
    });
    process
}

#[test]
fn a_passed_socket_is_served_and_left_in_its_place() {
    if !present("systemd-socket-activate") {
        return;
    }
    let yard = Yard::new();
    let (socket, root) = (yard.path("plug.sock"), yard.text("root"));
    let words = ["local", "--systemd", "--data-root", &root];
    let driver = activate(&yard, &["plug.sock"], "volplug", &words);
    let mut client = Client::connect(&socket);
    client.create("v1").ok();
    client.mount("v1", ID).ok();
    assert!(driver.stop().success(), "{}", yard.log());
    assert!(socket.exists(), "the socket is systemd's");
    // As systemd would do: the next connection starts it again, with everything it knew.
    fs::remove_file(&socket).unwrap();
    let _driver = activate(&yard, &["plug.sock"], "volplug", &words);
    assert_eq!(Client::connect(&socket).holders("v1"), 1);
}

#[test]
fn plugins_of_one_process_take_the_sockets_of_their_names() {
    if !present("systemd-socket-activate") {
        return;
    }
    let yard = Yard::new();
    let plugin = |name: &str| {
        format!(
            "[[plugin]]\nname = {name:?}\nbackend = 'local'\nsystemd = true\ndata-root = {:?}\n",
            yard.path(&format!("{name}.root"))
        )
    };
    let file = yard.write("c.toml", &(plugin("one") + &plugin("two")));
    let words = ["--config", file.to_str().unwrap()];
    let driver = activate(&yard, &["b.sock", "a.sock"], "two:one.socket", &words);
    Client::connect(&yard.path("a.sock")).create("of-one").ok();
    Client::connect(&yard.path("b.sock")).create("of-two").ok();
    assert_eq!(Client::connect(&yard.path("a.sock")).names(), ["of-one"]);
    assert!(yard.path("one.root/volumes/of-one").exists());
    assert!(driver.stop().success());
}

#[test]
fn sockets_for_others_are_not_taken() {
    let yard = Yard::new();
    let root = yard.text("root");
    let run = |environment: &[(&str, &str)]| {
        let output = Command::new(BINARY)
            .args(["local", "--systemd", "--data-root", &root])
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let refusal = run(&[]);
    assert!(
        refusal.contains("no socket was passed for \"volplug\""),
        "{refusal}"
    );
    // A parent that was activated itself, and did not clear its environment.
    let refusal = run(&[
        ("LISTEN_FDS", "1"),
        ("LISTEN_PID", "1"),
        ("LISTEN_FDNAMES", "volplug"),
    ]);
    assert!(
        refusal.contains("no socket was passed for \"volplug\""),
        "{refusal}"
    );
}

/// A place where the driver tells systemd how things stand.
struct Told(UnixDatagram);

impl Told {
    fn new(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self(socket)
    }

    fn next(&self) -> String {
        let mut buffer = [0; 512];
        let length = self.0.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }
}

#[test]
fn systemd_is_told_when_it_is_ready_reloads_and_stops() {
    let yard = Yard::new();
    let told = Told::new(&yard.path("notify"));
    let file = yard.write("c.toml", &yard.plugin("one", ""));
    let mut command = Command::new(BINARY);
    command
        .arg("--config")
        .arg(&file)
        .env("NOTIFY_SOCKET", yard.path("notify"));
    let driver = yard.spawn(&mut command);
    assert_eq!(told.next(), "READY=1\n");
    // Ready means ready: no waiting here.
    Client::connect(&yard.path("one.sock")).create("v1").ok();
    driver.signal(Signal::SIGHUP);
    let reloading = told.next();
    assert!(
        reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="),
        "{reloading}"
    );
    assert_eq!(told.next(), "STATUS=\n");
    assert_eq!(told.next(), "READY=1\n");
    fs::write(&file, "nonsense").unwrap();
    driver.signal(Signal::SIGHUP);
    assert!(told.next().starts_with("RELOADING=1"));
    assert_eq!(told.next(), "STATUS=the new configuration was refused\n");
    assert_eq!(told.next(), "READY=1\n");
    driver.signal(Signal::SIGTERM);
    assert_eq!(told.next(), "STOPPING=1\n");
    assert!(driver.stop().success());
}

#[test]
fn the_units_hold_what_systemd_understands() {
    if !present("systemd-analyze") {
        return;
    }
    let yard = Yard::new();
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let mut units = Vec::new();
    for unit in ["volplug-driver.service", "volplug-driver.socket"] {
        // The binary is not installed where the unit expects it.
        let text = fs::read_to_string(packaging.join(unit)).unwrap();
        assert!(!unit.ends_with("service") || text.contains("/usr/bin/volplug-driver"));
        units.push(yard.write(unit, &text.replace("/usr/bin/volplug-driver", BINARY)));
    }
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .args(&units)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let of_ours: Vec<_> = said
        .lines()
        .filter(|line| line.contains("volplug"))
        .collect();
    assert!(of_ours.is_empty(), "{of_ours:#?}");
}

#[test]
fn a_passed_socket_keeps_the_mode_of_its_unit() {
    if !present("systemd-socket-activate") {
        return;
    }
    let yard = Yard::new();
    let (socket, root) = (yard.path("plug.sock"), yard.text("root"));
    let words = ["local", "--systemd", "--data-root", &root];
    let _driver = activate(&yard, &["plug.sock"], "volplug", &words);
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    Client::connect(&socket).create("v1").ok();
    let mode = fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}
