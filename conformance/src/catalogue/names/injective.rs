//! Pairs of names that a careless plugin takes for the same one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::strange::{AT_MOST, MOUNT_FOR, SHOWN, ordinary, shown};
use crate::suite::{Answer, CaseResult, Cx, Finding, Halt, Token};

/// Two names, and what tells them apart. `@` becomes something that only this run uses.
const PAIRS: &[(&str, &str, &str)] = &[
    ("@/b", "@_b", "a slash and an underscore"),
    ("@/b", "@-b", "a slash and a hyphen"),
    ("@/b", "@%2fb", "a slash and its escape"),
    ("@/b", "@//b", "one slash and two"),
    ("@b", "@B", "lower and upper case"),
    ("@\u{e9}", "@e\u{301}", "two ways to write é"),
    ("@b", "@b.", "a dot at the end"),
    ("@b", "@b ", "a blank at the end"),
    ("@b", " @b", "a blank at the start"),
    ("@b", "./@b", "`./` at the start"),
    ("@b", "@b/", "a slash at the end"),
    ("@ b", "@+b", "a blank and a plus"),
    ("@ b", "@_b", "a blank and an underscore"),
    ("@:b", "@_b", "a colon and an underscore"),
    ("@.b", "@_b", "a dot and an underscore"),
    ("@1", "@01", "a leading zero"),
    (
        "@#########################b",
        "@#########################c",
        "the 36th character",
    ),
    ("@ss", "@ß", "ss and ß"),
    ("@a", "@а", "a Latin and a Cyrillic a"),
];

pub(super) async fn injective(cx: &mut Cx) -> CaseResult {
    ordinary(cx).await?;
    let unique = cx.hex(10);
    let long = |length: usize, last: char| {
        let mut name: String = unique.repeat(length / 10 + 1);
        name.truncate(length);
        name.push(last);
        name
    };
    let mut pairs: Vec<(String, String, String)> = PAIRS
        .iter()
        .enumerate()
        .map(|(at, (one, other, what))| {
            // Each pair has names of its own, so that one that is mixed up spoils no other.
            let stem = format!("{unique}{at}");
            (
                one.replace('@', &stem),
                other.replace('@', &stem),
                (*what).to_owned(),
            )
        })
        .collect();
    for length in [40, 64, 128, 250, 255, 300, 1000] {
        let what = format!("the character after the first {length}");
        pairs.push((long(length, 'b'), long(length, 'c'), what));
    }
    let nobody = cx.get(&format!("{unique}nobody")).await?;
    let looks = Looks {
        // What Get knows of all names says nothing of two of them: that is for get.unknown.
        first: nobody.volume().is_none(),
        mounted: true,
    };
    let begun = Instant::now();
    let mut wrong = Vec::new();
    let mut first = None;
    for (one, other, what) in &pairs {
        if begun.elapsed() > AT_MOST {
            cx.note(format!(
                "calls take long: {what} and what follows were left out"
            ));
            break;
        }
        let looks = Looks {
            mounted: begun.elapsed() < MOUNT_FOR,
            ..looks
        };
        if let Some(same) = confused(cx, one, other, looks).await? {
            first.get_or_insert((one, other));
            wrong.push(format!(
                "{} and {} ({what}): {same}",
                shown(one),
                shown(other)
            ));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let more = wrong.len().saturating_sub(SHOWN);
    wrong.truncate(SHOWN);
    let mut actual = wrong.join("; ");
    if more > 0 {
        actual.push_str(&format!("; and {more} more pairs"));
    }
    let finding = Finding::new("different names are different volumes", actual);
    let docker = first.map(|(one, other)| docker(one, other));
    Err(finding.with_docker(docker.unwrap_or_default()).into())
}

/// Docker commands that show how two names are mixed up.
fn docker(one: &str, other: &str) -> Vec<String> {
    let create = |name| {
        let name = shell_words::quote(name);
        format!("docker volume create -d {{plugin}} {name}")
    };
    let run = |name, command| {
        let mount = format!("type=volume,src={name},dst=/data");
        let mount = shell_words::quote(&mount);
        format!("docker run --rm --mount {mount} busybox {command}")
    };
    vec![
        create(one),
        create(other),
        run(one, "touch /data/mine"),
        run(other, "ls /data"),
    ]
}

/// Where to look for two names that are mixed up.
#[derive(Clone, Copy)]
struct Looks {
    /// Whether to ask for the other one before it is created.
    first: bool,
    /// Whether to mount them.
    mounted: bool,
}

/// How two names are mixed up, if both are taken at all.
async fn confused(cx: &mut Cx, one: &str, other: &str, looks: Looks) -> CaseResult<Option<String>> {
    if !cx.create_strange(one).await?.is_ok() {
        return Ok(None);
    }
    // dockerd asks before it creates, and takes what comes back.
    if looks.first
        && let Some(found) = cx.get(other).await?.volume()
    {
        let (name, found) = (shown(other), shown(&found.name));
        return Ok(Some(format!(
            "Get of {name}, before it was created, shows {found}"
        )));
    }
    let mixed_up = match cx.create_strange(other).await? {
        created if created.is_ok() => mixed_up(cx, one, other, looks.mounted).await?,
        _ => None,
    };
    // What can be removed is, and the runner looks after the rest.
    if mixed_up.is_none() {
        let _: [Answer; 2] = [cx.remove(one).await?, cx.remove(other).await?];
    }
    Ok(mixed_up)
}

async fn mixed_up(
    cx: &mut Cx,
    one: &str,
    other: &str,
    mounted: bool,
) -> CaseResult<Option<String>> {
    for name in [one, other] {
        let get = cx.get(name).await?;
        match get.volume() {
            Some(volume) if volume.name == name => {}
            Some(volume) => {
                let called = shown(&volume.name);
                return Ok(Some(format!("Get of {} shows {called}", shown(name))));
            }
            None => return Ok(Some(format!("{} was created and is unknown", shown(name)))),
        }
    }
    let list = cx.list().await?;
    let names = list.names();
    if let Some(lost) = [one, other].into_iter().find(|name| !names.contains(name)) {
        return Ok(Some(format!("List does not show {}", shown(lost))));
    }
    if mounted && let Some(shared) = shared_data(cx, one, other).await? {
        return Ok(Some(shared));
    }
    cx.remove(one)
        .await?
        .step("Remove of an unused volume succeeds")?;
    if cx.get(other).await?.volume().is_none() {
        return Ok(Some(format!("removing {} removes both", shown(one))));
    }
    Ok(None)
}

async fn shared_data(cx: &mut Cx, one: &str, other: &str) -> CaseResult<Option<String>> {
    let (first, second) = (cx.id(), cx.id());
    let (a, b) = (
        cx.mount(one, &first).await?,
        cx.mount(other, &second).await?,
    );
    // A name that cannot be mounted is `sec.any-name`'s matter.
    let shared = if a.is_ok() && b.is_ok() {
        seen_in_both(
            cx,
            &PathBuf::from(a.mountpoint()),
            &PathBuf::from(b.mountpoint()),
        )
        .await?
    } else {
        None
    };
    for (name, id, mount) in [(one, &first, &a), (other, &second, &b)] {
        if mount.is_ok() {
            cx.unmount(name, id).await?;
        }
    }
    Ok(shared)
}

async fn seen_in_both(cx: &mut Cx, one: &Path, other: &Path) -> CaseResult<Option<String>> {
    if one == other {
        return Ok(Some(format!("both are mounted at {}", one.display())));
    }
    let token: Token = match cx.write_token(one).await {
        Ok(token) => token,
        Err(Halt::Skip(_)) => return Ok(None),
        Err(halt) => return Err(halt),
    };
    let same = cx.check_token(other, &token).await.is_ok();
    Ok(same.then(|| "a file written into one is in the other".to_owned()))
}
