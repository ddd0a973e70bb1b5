//! What the driver remembers when it is killed, stopped, rebooted or robbed of its state.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use support::{Client, ID, process::Place, wait_until};

#[test]
fn everything_acknowledged_survives_a_kill_at_any_moment() {
    /// A volume as its worker knows it: `None` while a call is under way that may or may not count.
    type Known = Mutex<BTreeMap<String, Option<(bool, u64)>>>;
    const WORKERS: usize = 4;

    let place = Place::new();
    let known = Known::default();
    for round in 0_u64..12 {
        let driver = place.start();
        let killed = AtomicBool::new(false);
        thread::scope(|scope| {
            for worker in 0..WORKERS {
                let mut client = driver.client();
                let (place, known, killed) = (&place, &known, &killed);
                scope.spawn(move || {
                    for step in 0_usize.. {
                        let name = format!("v{worker}-{}", step % 5);
                        let before = known.lock().unwrap().get(&name).copied().flatten();
                        let (exists, holds) =
                            before.unwrap_or_else(|| observe(&mut client, &name, killed));
                        known.lock().unwrap().insert(name.clone(), None);
                        let (call, after) = match (exists, holds, step % 3) {
                            (false, ..) => ("Create", (true, 0)),
                            (true, 0, 0) => ("Remove", (false, 0)),
                            (true, 1.., 1) => ("Unmount", (true, holds - 1)),
                            (true, ..) => ("Mount", (true, holds + 1)),
                        };
                        let body = format!(r#"{{"Name":"{name}","ID":"{ID}"}}"#);
                        match client.try_call(call, &body) {
                            Ok(answer) => {
                                assert_eq!(answer.status, 200, "{answer:?}: {}", place.log())
                            }
                            Err(_) if killed.load(Ordering::SeqCst) => return,
                            Err(error) => panic!("{error}: {}", place.log()),
                        }
                        known.lock().unwrap().insert(name, Some(after));
                    }
                });
            }
            // The moment differs from round to round, and that is the point.
            thread::sleep(Duration::from_millis(20 + round * 17 % 50));
            killed.store(true, Ordering::SeqCst);
            driver.kill();
        });

        let driver = place.start();
        let mut client = driver.client();
        let known = known.lock().unwrap();
        let mut sure: Vec<_> = known
            .iter()
            .filter(|(_, state)| matches!(state, Some((true, _))))
            .map(|(name, _)| name.clone())
            .collect();
        let mut unsure: Vec<_> = known
            .iter()
            .filter(|(_, state)| state.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        let names = client.names();
        sure.retain(|name| !names.contains(name));
        assert!(sure.is_empty(), "lost in round {round}: {sure:?}");
        for (name, state) in known.iter() {
            if let Some((exists, holds)) = *state {
                assert_eq!(names.contains(name), exists, "{name} in round {round}");
                if exists {
                    assert_eq!(client.holders(name), holds, "{name} in round {round}");
                }
            }
        }
        // What was cut off is whole or absent, and usable.
        for name in unsure.drain(..) {
            client.create(&name).ok();
            let mountpoint = client.mount(&name, "check").mountpoint();
            assert!(fs::metadata(mountpoint).unwrap().is_dir());
            client.unmount(&name, "check").ok();
        }
        driver.kill();
    }
}

fn observe(client: &mut Client, name: &str, killed: &AtomicBool) -> (bool, u64) {
    let body = format!(r#"{{"Name":"{name}"}}"#);
    match client.try_call("Get", &body) {
        Ok(answer) if answer.status == 200 => (
            true,
            answer.json()["Volume"]["Status"]["holders"]
                .as_u64()
                .unwrap(),
        ),
        Ok(_) => (false, 0),
        Err(error) if killed.load(Ordering::SeqCst) => {
            drop(error);
            (false, 0)
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn holders_options_and_data_come_back() {
    let place = Place::new();
    let driver = place.start();
    let mut client = driver.client();
    client.create_with("v1", &[("mode", "0700")]).ok();
    let mountpoint = client.mount("v1", "a").mountpoint();
    client.mount("v1", "b").ok();
    fs::write(format!("{mountpoint}/file"), "data").unwrap();
    driver.kill();

    let driver = place.start();
    let mut client = driver.client();
    assert_eq!(client.named("Path", "v1").mountpoint(), mountpoint);
    client.create_with("v1", &[("mode", "0700")]).ok();
    client.unmount("v1", "a").ok();
    assert_eq!(client.holders("v1"), 1);
    client.remove("v1").failed(500);
    assert_eq!(
        fs::read_to_string(format!("{mountpoint}/file")).unwrap(),
        "data"
    );
    client.unmount("v1", "b").ok();
    client.remove("v1").ok();
    assert!(driver.stop().success());
    assert!(place.start().client().names().is_empty());
}

#[test]
fn holders_of_another_boot_are_not_believed() {
    let place = Place::new();
    let driver = place.start_with(&["--boot-id", "monday"]);
    driver.client().create("v1").ok();
    driver.client().mount("v1", ID).ok();
    driver.kill();
    let driver = place.start_with(&["--boot-id", "monday"]);
    assert_eq!(driver.client().holders("v1"), 1);
    driver.kill();
    let driver = place.start_with(&["--boot-id", "tuesday"]);
    assert_eq!(driver.client().holders("v1"), 0);
    assert!(
        place.log().contains("the machine was restarted"),
        "{}",
        place.log()
    );
    driver.client().mount("v1", ID).ok();
    driver.client().unmount("v1", ID).ok();
    driver.client().remove("v1").ok();
}

#[test]
fn leaked_holders_can_be_forgotten() {
    let place = Place::new();
    let driver = place.start();
    driver.client().create("v1").ok();
    driver.client().mount("v1", ID).ok();
    assert!(
        driver
            .client()
            .remove("v1")
            .failed(500)
            .contains("--forget-holds")
    );
    driver.kill();
    let driver = place.start_with(&["--forget-holds"]);
    driver.client().remove("v1").ok();
}

#[test]
fn a_damaged_state_file_is_set_aside_and_volumes_are_found_again() {
    let long = "é".repeat(600);
    for (case, damage) in [
        (
            "truncated",
            &(|bytes: &mut Vec<u8>| bytes.truncate(9000)) as &dyn Fn(&mut Vec<u8>),
        ),
        ("a short rest", &|bytes| bytes.truncate(7)),
        ("not a database", &|bytes| {
            *bytes = b"{\"volumes\":[]}".to_vec()
        }),
        ("zeroes in the middle", &|bytes| bytes[4096..].fill(0)),
        ("zeroes at the start", &|bytes| bytes[..4096].fill(0)),
        ("noise", &|bytes| {
            bytes
                .iter_mut()
                .skip(300)
                .step_by(7)
                .for_each(|byte| *byte ^= 0x55)
        }),
    ] {
        let place = Place::new();
        let driver = place.start();
        let mut client = driver.client();
        client.create("../a b").ok();
        client.create_with("with options", &[("mode", "0711")]).ok();
        client.create(&long).ok();
        let mountpoint = client.mount("../a b", ID).mountpoint();
        fs::write(format!("{mountpoint}/file"), "data").unwrap();
        driver.kill();
        fs::create_dir(place.root().join("volumes/Foreign")).unwrap();
        let state = place.root().join("state.redb");
        let mut bytes = fs::read(&state).unwrap();
        damage(&mut bytes);
        fs::write(&state, &bytes).unwrap();

        let driver = place.start();
        let aside = fs::read_dir(place.root())
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let aside: Vec<_> = aside
            .filter(|path| path.to_str().unwrap().contains("state.redb.damaged-"))
            .collect();
        assert_eq!(aside.len(), 1, "{case}: {}", place.log());
        // redb may have noted in the header that it tried a repair.
        let kept = fs::read(&aside[0]).unwrap();
        assert!(
            kept.iter().skip(4096).eq(bytes.iter().skip(4096)),
            "{case}: the damaged file was changed"
        );
        assert!(
            place.log().contains("set aside") && place.log().contains("volumes/Foreign"),
            "{}",
            place.log()
        );
        let mut client = driver.client();
        assert_eq!(client.names(), ["../a b", "with options", &long], "{case}");
        assert_eq!(client.mount("../a b", ID).mountpoint(), mountpoint);
        assert_eq!(
            fs::read_to_string(format!("{mountpoint}/file")).unwrap(),
            "data"
        );
        client.create_with("with options", &[("mode", "0711")]).ok();
        driver.kill();
        assert_eq!(place.start().client().names().len(), 3, "{case}");
    }
}

#[test]
fn volumes_are_found_again_when_the_state_file_is_gone() {
    let place = Place::new();
    let driver = place.start();
    driver.client().create("v1").ok();
    assert!(driver.stop().success());
    fs::remove_file(place.root().join("state.redb")).unwrap();
    assert_eq!(place.start().client().names(), ["v1"]);
}

#[test]
fn a_directory_that_no_create_was_answered_for_is_in_nobodys_way() {
    let place = Place::new();
    let driver = place.start();
    driver.client().create("other").ok();
    let (empty, full) = (
        place.root().join("volumes/empty"),
        place.root().join("volumes/full"),
    );
    fs::create_dir_all(empty.join("data")).unwrap();
    fs::create_dir_all(full.join("data")).unwrap();
    fs::write(full.join("data/secret"), "of somebody else").unwrap();
    driver.kill();
    let driver = place.start();
    let mut client = driver.client();
    assert_eq!(client.names(), ["other"]);
    for name in ["empty", "full"] {
        client.create(name).ok();
        let mountpoint = client.mount(name, ID).mountpoint();
        assert_eq!(
            fs::read_dir(mountpoint).unwrap().count(),
            0,
            "{name} inherited data"
        );
    }
    let aside: Vec<_> = fs::read_dir(place.root().join("set-aside"))
        .unwrap()
        .collect();
    assert_eq!(aside.len(), 1);
    let kept = aside[0].as_ref().unwrap().path().join("data/secret");
    assert_eq!(fs::read_to_string(kept).unwrap(), "of somebody else");
}

#[test]
fn leftovers_are_cleaned_and_an_unrecorded_remove_is_undone() {
    let place = Place::new();
    let driver = place.start();
    let mut client = driver.client();
    client.create("v1").ok();
    let mountpoint = client.mount("v1", ID).mountpoint();
    fs::write(format!("{mountpoint}/file"), "data").unwrap();
    driver.kill();
    let root = place.root();
    // As if killed between the rename and the record of a Remove, and in the middle of a Create.
    fs::rename(root.join("volumes/v1"), root.join("trash/17-0.v1")).unwrap();
    fs::create_dir_all(root.join("trash/17-1.gone/data/deep")).unwrap();
    fs::create_dir_all(root.join("staging/17-2/data")).unwrap();
    let driver = place.start();
    assert_eq!(
        fs::read_to_string(format!("{mountpoint}/file")).unwrap(),
        "data"
    );
    driver.client().mount("v1", ID).ok();
    let count = |directory: &str| fs::read_dir(root.join(directory)).unwrap().count();
    wait_until("trash and staging are empty", || {
        count("trash") + count("staging") == 0
    });
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let place = Place::new();
    assert!(place.start().stop().success());
    let state = place.root().join("state.redb");
    {
        let database = redb::Database::open(&state).unwrap();
        let transaction = database.begin_write().unwrap();
        let meta = redb::TableDefinition::<&str, &str>::new("meta");
        transaction
            .open_table(meta)
            .unwrap()
            .insert("format", "2")
            .unwrap();
        transaction.commit().unwrap();
    }
    let refusal = place.fails(&[]);
    assert!(
        refusal.contains("newer version") && refusal.contains("format 2"),
        "{refusal}"
    );
    assert!(state.exists());
}
