//! Several plugins in one process, and what SIGHUP does to them.

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
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use nix::sys::signal::Signal;
use support::{Client, ID, several::Yard};

#[test]
fn plugins_of_one_process_share_nothing_but_the_process() {
    let yard = Yard::new();
    let file = yard.write(
        "c.toml",
        &(yard.plugin("one", "") + &yard.plugin("two", "")),
    );
    let (one, two) = (yard.path("one.sock"), yard.path("two.sock"));
    let driver = yard.start(&["--config", file.to_str().unwrap()], &two);
    Client::connect(&one).create("v1").ok();
    Client::connect(&two).create("v2").ok();
    assert_eq!(Client::connect(&one).names(), ["v1"]);
    assert_eq!(Client::connect(&two).names(), ["v2"]);
    assert!(driver.stop().success());
    assert!(!one.exists() && !two.exists());
}

#[test]
fn a_reload_starts_stops_and_replaces_and_leaves_the_others_alone() {
    let yard = Yard::new();
    let config = |plugins: &[String]| yard.write("c.toml", &plugins.concat());
    let (stays, changes) = (yard.plugin("stays", ""), yard.plugin("changes", ""));
    let file = config(&[stays.clone(), changes, yard.plugin("goes", "")]);
    let driver = yard.start(
        &["--config", file.to_str().unwrap()],
        &yard.path("goes.sock"),
    );

    let mut stays_open = Client::connect(&yard.path("stays.sock"));
    stays_open.create("v1").ok();
    stays_open.mount("v1", ID).ok();
    let mut changing = Client::connect(&yard.path("changes.sock"));
    changing.create("v2").ok();
    let mountpoint = changing.mount("v2", ID).mountpoint();
    fs::write(format!("{mountpoint}/file"), "data").unwrap();

    config(&[
        stays,
        yard.plugin("changes", "scope = 'global'"),
        yard.plugin("comes", ""),
    ]);
    driver.signal(Signal::SIGHUP);
    yard.wait_for_log("plugin=\"comes\"");
    let scope = Client::connect(&yard.path("changes.sock"))
        .call("Capabilities", "{}")
        .json();
    assert_eq!(scope["Capabilities"]["Scope"], "global", "{}", yard.log());
    assert!(!yard.path("goes.sock").exists());
    Client::connect(&yard.path("comes.sock")).create("v3").ok();
    // The same connection as before, and the same holds on both.
    assert_eq!(stays_open.holders("v1"), 1);
    let mut changed = Client::connect(&yard.path("changes.sock"));
    assert_eq!(changed.holders("v2"), 1);
    assert_eq!(
        fs::read_to_string(format!("{mountpoint}/file")).unwrap(),
        "data"
    );
    changed.unmount("v2", ID).ok();
    assert!(driver.stop().success());
}

#[test]
fn a_configuration_that_makes_no_sense_changes_nothing() {
    let yard = Yard::new();
    let good = yard.plugin("one", "");
    let file = yard.write("c.toml", &good);
    let driver = yard.start(
        &["--config", file.to_str().unwrap()],
        &yard.path("one.sock"),
    );
    let mut client = Client::connect(&yard.path("one.sock"));
    client.create("v1").ok();
    for (number, bad) in [
        "[[plugin]\n".to_owned(),
        String::new(),
        good.replace("data-root", "data-rot"),
        good.clone() + &good,
        good.replace("local", "lcoal"),
    ]
    .iter()
    .enumerate()
    {
        fs::write(&file, bad).unwrap();
        driver.signal(Signal::SIGHUP);
        let refused = || yard.log().matches("everything stays as it was").count();
        support::wait_until("the reload is refused", || refused() == number + 1);
        client.get("v1").ok();
    }
    fs::remove_file(&file).unwrap();
    driver.signal(Signal::SIGHUP);
    yard.wait_for_log("No such file");
    client.get("v1").ok();
}

#[test]
fn a_plugin_that_cannot_be_replaced_goes_on_as_it_was() {
    let yard = Yard::new();
    let file = yard.write("c.toml", &yard.plugin("one", ""));
    let driver = yard.start(
        &["--config", file.to_str().unwrap()],
        &yard.path("one.sock"),
    );
    Client::connect(&yard.path("one.sock")).create("v1").ok();
    yard.write("in-the-way", "a file");
    let bad = yard.plugin("one", "").replace("one.root", "in-the-way");
    fs::write(&file, bad + &yard.plugin("two", "")).unwrap();
    driver.signal(Signal::SIGHUP);
    yard.wait_for_log("plugin=\"two\"");
    assert!(yard.log().contains("is not in force"), "{}", yard.log());
    Client::connect(&yard.path("one.sock")).get("v1").ok();
    Client::connect(&yard.path("two.sock")).create("v2").ok();
}

#[test]
fn a_start_is_all_or_nothing() {
    let yard = Yard::new();
    let broken = yard.plugin("two", "").replace("two.root", "in-the-way");
    yard.write("in-the-way", "a file");
    let file = yard.write("c.toml", &(yard.plugin("one", "") + &broken));
    let refusal = yard.fails(&["--config", file.to_str().unwrap()]);
    assert!(refusal.contains("in-the-way"), "{refusal}");
    assert!(!yard.path("one.sock").exists());

    let refusal = yard.fails(&["--config", &yard.text("absent.toml")]);
    assert!(refusal.contains("absent.toml"), "{refusal}");
}

#[test]
fn the_environment_is_not_meant_for_the_plugins_of_a_file() {
    let yard = Yard::new();
    let file = yard.write(
        "c.toml",
        &(yard.plugin("one", "") + &yard.plugin("two", "")),
    );
    let mut command = Command::new(support::several::BINARY);
    command
        .env("VOLPLUG_CONFIG", &file)
        .env("VOLPLUG_SCOPE", "global")
        .env("VOLPLUG_SPEC_DIR", yard.path("specs"));
    let _driver = yard.spawn(&mut command);
    support::wait_until("both listen", || yard.path("two.sock").exists());
    let scope = Client::connect(&yard.path("one.sock")).call("Capabilities", "{}");
    assert_eq!(scope.json()["Capabilities"]["Scope"], "local");
    assert!(!yard.path("specs").exists());
}

#[test]
fn a_plugin_of_the_command_line_joins_those_of_the_file() {
    let yard = Yard::new();
    let file = yard.write("c.toml", &yard.plugin("one", ""));
    let (socket, root) = (yard.path("own.sock"), yard.text("own.root"));
    let arguments = [
        "local",
        "--socket",
        socket.to_str().unwrap(),
        "--data-root",
        &root,
        "--config",
        file.to_str().unwrap(),
    ];
    let driver = yard.start(&arguments, &yard.path("one.sock"));
    Client::connect(&socket).create("v1").ok();
    Client::connect(&yard.path("one.sock")).create("v2").ok();
    driver.signal(Signal::SIGHUP);
    Client::connect(&socket).get("v1").ok();
    assert!(driver.stop().success());
}

#[test]
fn an_empty_variable_counts_as_none() {
    let yard = Yard::new();
    let socket = yard.path("plug.sock");
    let mut command = Command::new(support::several::BINARY);
    command
        .args(["local", "--data-root", &yard.text("root")])
        .env("VOLPLUG_SOCKET", &socket)
        .env("VOLPLUG_REQUEST_TIMEOUT", "")
        .env("VOLPLUG_TCP", "")
        .env("VOLPLUG_FORGET_HOLDS", "")
        .env("VOLPLUG_STATUS_LISTEN", "");
    let _driver = yard.spawn(&mut command);
    support::wait_until("it listens", || Client::try_connect(&socket).is_ok());
    Client::connect(&socket).create("v1").ok();
}

#[test]
fn a_replaced_plugin_waits_for_the_report_that_looks_at_it() {
    let yard = Yard::new();
    let file = yard.write("c.toml", &yard.plugin("one", ""));
    let (status, socket) = (yard.text("status.sock"), yard.path("one.sock"));
    let words = [
        "--config",
        file.to_str().unwrap(),
        "--status-listen",
        &status,
    ];
    let driver = yard.start(&words, &socket);
    Client::connect(&socket).create("v1").ok();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let shown = Command::new(support::several::BINARY)
                    .args(["status", "--status-listen", &status])
                    .output();
                assert!(shown.unwrap().status.success());
            }
        });
        for round in 1..=10 {
            let changed = format!("request-timeout = {round}");
            fs::write(&file, yard.plugin("one", &changed)).unwrap();
            driver.signal(Signal::SIGHUP);
            let done = || yard.log().matches("was read anew").count();
            support::wait_until("the reload is done", || done() == round);
        }
        over.store(true, Ordering::SeqCst);
    });
    assert!(!yard.log().contains("not in force"), "{}", yard.log());
    Client::connect(&socket).get("v1").ok();
}
