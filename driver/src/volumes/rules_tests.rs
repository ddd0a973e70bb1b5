//! The rules, one by one and as a machine driven at random.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;
use crate::types::MountId;

fn name(text: &str) -> VolumeName {
    VolumeName::new(text).unwrap()
}

fn options(pairs: &[(&str, &str)]) -> Options {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn record(pairs: &[(&str, &str)]) -> Record {
    Record::new(options(pairs), Timestamp::UNIX_EPOCH)
}

fn ask_create(current: &Record, pairs: &[(&str, &str)]) -> Result<Change, Error> {
    create(
        Some(current),
        &CreateRequest::new(name("v"), options(pairs)),
        Timestamp::now(),
    )
}

#[test]
fn create_again_with_the_same_options_changes_nothing_even_while_mounted() {
    let mut mounted = record(&[("mode", "0700")]);
    mounted.holds.add(&MountId::new("a"));
    assert_eq!(
        ask_create(&mounted, &[("mode", "0700")]).unwrap(),
        Change::Nothing
    );
}

#[test]
fn the_first_create_tells_the_options_of_a_volume_that_was_found() {
    let mut found = Record::found();
    found.holds.add(&MountId::new("a"));
    assert_eq!(ask_create(&found, &[]).unwrap(), Change::Nothing);
    let Ok(Change::Adopt(adopted)) = ask_create(&found, &[("o", "1")]) else {
        panic!("not adopted")
    };
    assert!(adopted.is_mounted() && !adopted.found);
    assert_eq!(
        ask_create(&adopted, &[("o", "1")]).unwrap(),
        Change::Nothing
    );
    assert!(ask_create(&adopted, &[("o", "2")]).is_err());
}

#[test]
fn create_with_other_options_names_the_difference() {
    let current = record(&[("mode", "0700"), ("uid", "1")]);
    for (asked, expected) in [
        (
            &[("mode", "0755"), ("uid", "1")][..],
            r#"option "mode" is "0700", the request says "0755""#,
        ),
        (
            &[("mode", "0700")][..],
            r#"option "uid" is "1", the request says not set"#,
        ),
        (
            &[("mode", "0700"), ("uid", "1"), ("x", "")][..],
            r#"option "x" is not set, the request says """#,
        ),
    ] {
        let error = ask_create(&current, asked).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[test]
fn a_differing_secret_is_not_shown() {
    let error = ask_create(
        &record(&[("password", "hunter2")]),
        &[("password", "letmein")],
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("password") && !text.contains("hunter2") && !text.contains("letmein"),
        "{text}"
    );
}

#[test]
fn remove_of_a_mounted_volume_names_the_holders_and_the_way_out() {
    let mut mounted = record(&[]);
    mounted
        .holds
        .add(&MountId::new("2f05da218e5e2ab2d5262ee24ebb26b2"));
    let error = remove(Some(&mounted), &name("v")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(
        error.to_string().contains("mounted by 2f05da218e5e:"),
        "{error}"
    );
    assert!(error.to_string().contains("--forget-holds"), "{error}");
}

#[derive(Debug, Clone)]
enum Op {
    Create(u8, u8),
    Mount(u8, u8),
    Unmount(u8, u8),
    Remove(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..3u8, 0..2u8).prop_map(|(volume, options)| Op::Create(volume, options)),
        (0..3u8, 0..3u8).prop_map(|(volume, id)| Op::Mount(volume, id)),
        (0..3u8, 0..3u8).prop_map(|(volume, id)| Op::Unmount(volume, id)),
        (0..3u8).prop_map(Op::Remove),
    ]
}

/// What the rules must agree with, told another way: a volume is its options and the plain list
/// of the holds that were taken and not given back.
type Model = BTreeMap<u8, (u8, Vec<u8>)>;

fn expected(model: &mut Model, op: &Op) -> bool {
    match *op {
        Op::Create(volume, options) => {
            model.entry(volume).or_insert((options, Vec::new())).0 == options
        }
        Op::Mount(volume, id) => model
            .get_mut(&volume)
            .map(|(_, holds)| holds.push(id))
            .is_some(),
        Op::Unmount(volume, id) => model.get_mut(&volume).is_some_and(|(_, holds)| {
            let position = holds.iter().position(|held| *held == id);
            position.map(|index| holds.remove(index)).is_some()
        }),
        Op::Remove(volume) => {
            let idle = model
                .get(&volume)
                .is_some_and(|(_, holds)| holds.is_empty());
            idle && model.remove(&volume).is_some()
        }
    }
}

fn request(volume: u8, id: u8) -> MountRequest {
    // The ID 0 is the anonymous holder.
    let id = if id == 0 {
        MountId::default()
    } else {
        MountId::new(id.to_string())
    };
    MountRequest::new(name(&volume.to_string()), id)
}

proptest! {
    #[test]
    fn the_rules_agree_with_the_model(ops in proptest::collection::vec(op(), 1..80)) {
        let mut model = Model::new();
        let mut state: HashMap<u8, Record> = HashMap::new();
        let mut attached: BTreeMap<u8, bool> = BTreeMap::new();
        for op in ops {
            let (volume, change) = match op {
                Op::Create(volume, value) => {
                    let options = options(&[("o", if value == 0 { "0" } else { "1" })]);
                    let request = CreateRequest::new(name(&volume.to_string()), options);
                    (volume, create(state.get(&volume), &request, Timestamp::UNIX_EPOCH))
                }
                Op::Mount(volume, id) => (volume, mount(state.get(&volume), &request(volume, id))),
                Op::Unmount(volume, id) => (volume, unmount(state.get(&volume), &request(volume, id))),
                Op::Remove(volume) => (volume, remove(state.get(&volume), &name(&volume.to_string()))),
            };
            prop_assert_eq!(expected(&mut model, &op), change.is_ok(), "{:?}", op);
            let Ok(change) = change else { continue };
            match change {
                Change::Nothing => {}
                Change::Provision(next) => {
                    prop_assert!(state.insert(volume, next).is_none());
                }
                // Nobody else makes volumes here.
                Change::Adopt(next) => prop_assert!(false, "adopted {:?}", next),
                Change::Attach(next) => {
                    attached.insert(volume, true);
                    state.insert(volume, next);
                }
                Change::Release(next) => {
                    state.insert(volume, next);
                }
                Change::Detach(next) => {
                    attached.insert(volume, false);
                    state.insert(volume, next);
                }
                Change::Retire => {
                    prop_assert!(!attached.get(&volume).copied().unwrap_or(false), "removed while attached");
                    state.remove(&volume);
                }
            }
            for (volume, (_, holds)) in &model {
                let record = &state[volume];
                prop_assert_eq!(record.holds().total(), holds.len() as u64);
                prop_assert_eq!(record.is_mounted(), attached.get(volume).copied().unwrap_or(false));
            }
            prop_assert_eq!(model.len(), state.len());
        }
    }
}
