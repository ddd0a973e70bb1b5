//! Several hosts on one data root: each driver has a state directory of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{fs, thread};

use support::{
    Client, ID,
    several::{Process, Yard},
};

/// One of the hosts.
struct Host {
    name: &'static str,
    process: Process,
}

impl Host {
    fn start(yard: &Yard, name: &'static str) -> Self {
        Self::start_with(yard, name, &[])
    }

    fn start_with(yard: &Yard, name: &'static str, more: &[&str]) -> Self {
        let socket = yard.path(&format!("{name}.sock"));
        let (root, state) = (yard.text("shared"), yard.text(&format!("{name}.state")));
        let words = [
            "local",
            "--scope",
            "global",
            "--data-root",
            &root,
            "--state-dir",
            &state,
        ];
        let words: Vec<_> = words
            .into_iter()
            .chain(["--socket", socket.to_str().unwrap()])
            .chain(more.iter().copied())
            .collect();
        let process = yard.start(&words, &socket);
        Self { name, process }
    }

    fn client(&self, yard: &Yard) -> Client {
        Client::connect(&yard.path(&format!("{}.sock", self.name)))
    }
}

#[test]
fn a_volume_made_on_one_host_is_there_on_the_other() {
    let yard = Yard::new();
    let (one, two) = (Host::start(&yard, "one"), Host::start(&yard, "two"));
    let (mut here, mut there) = (one.client(&yard), two.client(&yard));
    let long = "é".repeat(600);
    here.create_with("v1", &[("mode", "0711")]).ok();
    here.create(&long).ok();
    assert_eq!(there.names(), ["v1", long.as_str()]);
    let seen = there.get("v1").ok().json();
    assert_eq!(seen["Volume"]["Status"]["options"]["mode"], "0711");
    // Asked again with the same options as a swarm does, and with others.
    there.create_with("v1", &[("mode", "0711")]).ok();
    there.create_with("v1", &[("mode", "0700")]).failed(500);

    let mountpoint = here.mount("v1", ID).mountpoint();
    fs::write(format!("{mountpoint}/file"), "data").unwrap();
    here.unmount("v1", ID).ok();
    let mountpoint = there.mount("v1", ID).mountpoint();
    assert_eq!(
        fs::read_to_string(format!("{mountpoint}/file")).unwrap(),
        "data"
    );
}

#[test]
fn holds_are_counted_on_each_host_and_respected_on_all() {
    let yard = Yard::new();
    let (one, two) = (Host::start(&yard, "one"), Host::start(&yard, "two"));
    let (mut here, mut there) = (one.client(&yard), two.client(&yard));
    here.create("v1").ok();
    here.mount("v1", ID).ok();
    there.mount("v1", ID).ok();
    there.mount("v1", "another").ok();
    assert_eq!((here.holders("v1"), there.holders("v1")), (1, 2));
    here.unmount("v1", ID).ok();
    assert_eq!((here.holders("v1"), there.holders("v1")), (0, 2));
    let refusal = here.remove("v1").failed(500);
    assert!(
        refusal.contains("it is mounted on") && refusal.contains("holders"),
        "{refusal}"
    );
    there.unmount("v1", ID).ok();
    here.remove("v1").failed(500);
    there.unmount("v1", "another").ok();
    here.remove("v1").ok();
}

#[test]
fn a_volume_removed_on_one_host_is_gone_on_the_other_and_can_be_made_anew() {
    let yard = Yard::new();
    let (one, two) = (Host::start(&yard, "one"), Host::start(&yard, "two"));
    let (mut here, mut there) = (one.client(&yard), two.client(&yard));
    here.create("v1").ok();
    there.mount("v1", ID).ok();
    there.unmount("v1", ID).ok();
    here.remove("v1").ok();
    assert!(there.get("v1").failed(500).contains("does not exist"));
    there.remove("v1").failed(500);
    there.mount("v1", ID).failed(500);
    assert!(there.names().is_empty());
    there.create_with("v1", &[("mode", "0700")]).ok();
    let seen = here.get("v1").ok().json();
    assert_eq!(seen["Volume"]["Status"]["options"]["mode"], "0700");
}

#[test]
fn what_was_held_when_a_host_went_down_can_be_removed_when_it_is_up_again() {
    let yard = Yard::new();
    let one = Host::start(&yard, "one");
    let two = Host::start_with(&yard, "two", &["--boot-id", "monday"]);
    let mut here = one.client(&yard);
    here.create("v1").ok();
    two.client(&yard).mount("v1", ID).ok();
    drop(two);
    here.remove("v1").failed(500);
    // The driver alone was killed: its containers go on.
    let two = Host::start_with(&yard, "two", &["--boot-id", "monday"]);
    assert_eq!(two.client(&yard).holders("v1"), 1);
    here.remove("v1").failed(500);
    drop(two);
    let _two = Host::start_with(&yard, "two", &["--boot-id", "tuesday"]);
    here.remove("v1").ok();
}

#[test]
fn the_same_volume_made_on_both_at_once_is_one_volume() {
    let yard = Yard::new();
    let (one, two) = (Host::start(&yard, "one"), Host::start(&yard, "two"));
    let hosts = [&one, &two];
    thread::scope(|scope| {
        for host in hosts {
            let mut client = host.client(&yard);
            scope.spawn(move || {
                for number in 0..60 {
                    let name = format!("v{number}");
                    client.create_with(&name, &[("mode", "0711")]).ok();
                    client.mount(&name, ID).ok();
                }
            });
        }
    });
    for host in hosts {
        let mut client = host.client(&yard);
        assert_eq!(client.names().len(), 60);
        assert_eq!(client.holders("v17"), 1);
    }
    // Nothing of the losers is left in the way.
    let staged = fs::read_dir(yard.path("shared/hosts")).unwrap();
    for host in staged {
        let staging = host.unwrap().path().join("staging");
        assert_eq!(fs::read_dir(staging).unwrap().count(), 0);
    }
}

#[test]
fn a_host_tidies_up_after_itself_only() {
    let yard = Yard::new();
    let one = Host::start(&yard, "one");
    one.client(&yard).create("v1").ok();
    let other = yard.path("shared/hosts/other.0/staging/half-made");
    fs::create_dir_all(&other).unwrap();
    let two = Host::start(&yard, "two");
    drop(one);
    let one = Host::start(&yard, "one");
    assert!(other.exists());
    assert_eq!(one.client(&yard).names(), ["v1"]);
    assert!(two.process.stop().success());
}

#[test]
fn a_state_directory_belongs_to_one_driver() {
    let yard = Yard::new();
    let _one = Host::start(&yard, "one");
    let refusal = yard.fails(&[
        "local",
        "--data-root",
        &yard.text("shared"),
        "--state-dir",
        &yard.text("one.state"),
        "--socket",
        &yard.text("other.sock"),
    ]);
    assert!(
        refusal.contains("one.state") && refusal.contains("is using it"),
        "{refusal}"
    );
}
