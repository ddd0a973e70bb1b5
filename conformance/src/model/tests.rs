//! What the model allows and what not, one situation after the other.

use std::collections::BTreeMap;

use super::*;

fn create(name: &str) -> Call {
    Call::Create {
        name: name.into(),
        opts: None,
        sound: true,
    }
}

fn mount(name: &str, id: &str) -> Call {
    Call::Mount(name.into(), id.into())
}

fn unmount(name: &str, id: &str) -> Call {
    Call::Unmount(name.into(), id.into())
}

fn remove(name: &str) -> Call {
    Call::Remove(name.into())
}

fn get(name: &str) -> Call {
    Call::Get(name.into())
}

fn at(path: &str) -> Reply {
    Reply::Mountpoint(path.to_owned())
}

fn no() -> Reply {
    Reply::Refused("no".to_owned())
}

fn shown(name: &str, mountpoint: &str) -> Shown {
    Shown {
        name: name.to_owned(),
        mountpoint: mountpoint.to_owned(),
    }
}

/// All steps but the last are legal; what the last one breaks, if anything.
fn play(steps: &[(Call, Reply)]) -> Option<Invariant> {
    let ((call, reply), before) = steps.split_last().unwrap();
    let mut model = Model::default();
    for (call, reply) in before {
        model.advance(call, reply).unwrap();
    }
    model.step(call, reply).err().map(|broken| broken.invariant)
}

#[test]
fn the_life_of_a_volume_is_legal() {
    let broken = play(&[
        (get("v"), no()),
        (create("v"), Reply::Done),
        (get("v"), Reply::Volume(Some(shown("v", "")))),
        (mount("v", "a"), at("/m/v")),
        (get("v"), Reply::Volume(Some(shown("v", "/m/v")))),
        (Call::Path("v".into()), at("/m/v")),
        (
            Call::List,
            Reply::Volumes(vec![shown("foreign", "/x"), shown("v", "/m/v")]),
        ),
        (unmount("v", "a"), Reply::Done),
        (remove("v"), Reply::Done),
        (get("v"), Reply::Volume(None)),
    ]);
    assert_eq!(broken, None);
}

/// `docker cp` mounts with the ID of the running container (recorded: docker-cp).
#[test]
fn an_id_holds_as_often_as_it_was_mounted() {
    let cp = [
        (create("v"), Reply::Done),
        (mount("v", "a"), at("/m/v")),
        (mount("v", "a"), at("/m/v")),
        (unmount("v", "a"), Reply::Done),
    ];
    let then = |call, reply| play(&[&cp[..], &[(call, reply)]].concat());
    assert_eq!(then(unmount("v", "a"), Reply::Done), None);
    assert_eq!(then(unmount("v", "a"), no()), Some(Invariant::HoldsKept));
    assert_eq!(then(Call::Path("v".into()), at("")), Some(Invariant::Agree));
}

#[test]
fn a_hold_lost_to_a_stranger_is_told_apart_from_one_that_was_miscounted() {
    let held = [(create("v"), Reply::Done), (mount("v", "a"), at("/m/v"))];
    let stray = [(unmount("v", "b"), Reply::Done)];
    let lost = [(unmount("v", "a"), no())];
    assert_eq!(
        play(&[&held[..], &lost].concat()),
        Some(Invariant::HoldsKept)
    );
    assert_eq!(
        play(&[&held[..], &stray, &lost].concat()),
        Some(Invariant::HoldsOwn)
    );
    assert_eq!(
        play(&[&held[..1], &stray, &held[1..], &lost].concat()),
        Some(Invariant::HoldsFloor)
    );
}

#[test]
fn what_is_left_to_the_plugin_is_learnt_and_then_held() {
    for (refused, other) in [(no(), Reply::Done), (Reply::Done, no())] {
        let steps = |last| {
            [
                (create("v"), Reply::Done),
                (create("v"), refused.clone()),
                (create("v"), last),
            ]
        };
        assert_eq!(play(&steps(refused.clone())), None);
        assert_eq!(play(&steps(other)), Some(Invariant::Steady));
    }
}

#[test]
fn remove_of_a_held_volume_tells_whether_the_hold_is_known() {
    let held = [
        (create("v"), Reply::Done),
        (mount("v", "a"), at("/m/v")),
        (remove("v"), no()),
        (mount("v", "b"), at("/m/v")),
        (unmount("v", "a"), Reply::Done),
    ];
    let then = |reply| play(&[&held[..], &[(remove("v"), reply)]].concat());
    assert_eq!(then(no()), None);
    assert_eq!(then(Reply::Done), Some(Invariant::HoldsKept));
    assert_eq!(
        play(&[(create("v"), Reply::Done), (remove("v"), no())]),
        Some(Invariant::Released)
    );
}

#[test]
fn volumes_are_neither_lost_nor_raised_from_the_dead() {
    let made = (create("v"), Reply::Done);
    assert_eq!(
        play(&[made.clone(), (get("v"), no())]),
        Some(Invariant::Agree)
    );
    let listed = |volumes| (Call::List, Reply::Volumes(volumes));
    assert_eq!(
        play(&[made.clone(), listed(vec![])]),
        Some(Invariant::Agree)
    );
    let twice = vec![shown("v", ""), shown("v", "")];
    assert_eq!(play(&[made.clone(), listed(twice)]), Some(Invariant::Agree));
    let removed = [made, (remove("v"), Reply::Done)];
    let ghost = listed(vec![shown("v", "")]);
    assert_eq!(
        play(&[&removed[..], &[ghost]].concat()),
        Some(Invariant::Agree)
    );
    assert_eq!(
        play(&[&removed[..], &[(mount("v", "a"), at("/m"))]].concat()),
        Some(Invariant::Agree)
    );
}

#[test]
fn two_volumes_are_never_at_one_place() {
    let broken = play(&[
        (create("v"), Reply::Done),
        (create("w"), Reply::Done),
        (mount("v", "a"), at("/m")),
        (mount("w", "a"), at("/m")),
    ]);
    assert_eq!(broken, Some(Invariant::DataApart));
}

#[test]
fn options_may_be_refused_where_they_are_strange() {
    let strange = |sound| Call::Create {
        name: "v".into(),
        opts: Some(BTreeMap::from([("bogus".to_owned(), "1".to_owned())])),
        sound,
    };
    assert_eq!(play(&[(strange(false), no())]), None);
    assert_eq!(play(&[(strange(true), no())]), Some(Invariant::CallsWork));
    // No options are no options, however that is written.
    let empty = Call::Create {
        name: "v".into(),
        opts: Some(BTreeMap::new()),
        sound: true,
    };
    let again = [(create("v"), Reply::Done), (create("v"), no())];
    let broken = play(&[&again[..], &[(empty, Reply::Done)]].concat());
    assert_eq!(broken, Some(Invariant::Steady));
}

#[test]
fn after_a_restart_what_is_missing_was_not_durable() {
    let mut model = Model::default();
    model.advance(&create("v"), &Reply::Done).unwrap();
    model.advance(&mount("v", "a"), &at("/m/v")).unwrap();
    let model = model.restart();
    for (call, reply) in [
        (get("v"), no()),
        (unmount("v", "a"), no()),
        (Call::List, Reply::Volumes(vec![])),
    ] {
        let broken = model.step(&call, &reply).unwrap_err();
        assert_eq!(broken.invariant, Invariant::Durable, "{call:?}");
    }
    assert!(model.step(&unmount("v", "a"), &Reply::Done).is_ok());
}

#[test]
fn a_mount_without_a_reply_may_be_anywhere_and_takes_nothing_away() {
    let mut possible = Possible::from(Model::default());
    possible.step(&create("v"), &Reply::Done).unwrap();
    possible.step(&mount("v", "a"), &at("/m/v")).unwrap();
    possible.unanswered(&mount("v", "b"));
    possible.restart();
    assert_eq!(possible.states().len(), 2);
    assert_eq!(possible.holds("v"), 1);
    assert_eq!(possible.may_hold("v"), ["a".into(), "b".into()]);
    let elsewhere = Reply::Volume(Some(shown("v", "/m/other")));
    possible.step(&get("v"), &elsewhere).unwrap();
    // The hold that was acknowledged counts in either case.
    let broken = possible.step(&unmount("v", "a"), &no()).unwrap_err();
    assert_eq!(broken.invariant, Invariant::Durable);
    let broken = possible.step(&get("v"), &no()).unwrap_err();
    assert_eq!(broken.invariant, Invariant::Durable);
}

#[test]
fn a_remove_without_a_reply_takes_only_what_may_be_removed() {
    let mut possible = Possible::from(Model::default());
    let steps = [
        (create("v"), Reply::Done),
        (mount("v", "a"), at("/m/v")),
        (remove("v"), no()),
    ];
    for (call, reply) in &steps {
        possible.step(call, reply).unwrap();
    }
    // It is known to refuse that.
    possible.unanswered(&remove("v"));
    assert!(possible.exists("v"));
    possible.step(&unmount("v", "a"), &Reply::Done).unwrap();
    possible.unanswered(&remove("v"));
    assert!(possible.may_exist("v") && !possible.exists("v"));
    assert!(possible.mountpoints("v").is_empty());
    possible.step(&get("v"), &no()).unwrap();
    assert!(!possible.may_exist("v"));
}

#[test]
fn a_call_without_a_reply_was_carried_out_or_not() {
    let create_unanswered = || {
        let mut possible = Possible::from(Model::default());
        possible.unanswered(&create("v"));
        possible
    };
    for reply in [no(), Reply::Volume(Some(shown("v", "")))] {
        let mut possible = create_unanswered();
        possible.step(&get("v"), &reply).unwrap();
        assert_eq!(possible.states().len(), 1);
        // From then on it is known.
        let other = if reply.is_refusal() {
            Reply::Volume(Some(shown("v", "")))
        } else {
            no()
        };
        assert!(possible.step(&get("v"), &other).is_err());
    }
}

#[test]
fn a_mountpoint_goes_with_the_last_id_that_was_told_it() {
    let mounted = |second: &str| {
        let mut possible = Possible::from(Model::default());
        let steps = [
            (create("v"), Reply::Done),
            (mount("v", "a"), at("/m/v")),
            (mount("v", "b"), at(second)),
            (unmount("v", "a"), Reply::Done),
        ];
        for (call, reply) in &steps {
            possible.step(call, reply).unwrap();
        }
        possible
    };
    assert_eq!(mounted("/m/v").mountpoints("v"), ["/m/v"]);
    assert_eq!(mounted("/m/v-b").mountpoints("v"), ["/m/v-b"]);
}

#[test]
fn of_names_that_storage_may_not_tell_apart_the_second_may_be_refused() {
    let broken = |second: &str| play(&[(create("a_b"), Reply::Done), (create(second), no())]);
    for namesake in ["A_B", "a/b", "a_b ", "a_b\u{301}", "../../tmp/a_b"] {
        assert_eq!(broken(namesake), None, "{namesake}");
    }
    for other in ["a_b_c", "ab", "a_bb", "tmp/a_b"] {
        assert_eq!(broken(other), Some(Invariant::CallsWork), "{other}");
    }
}
