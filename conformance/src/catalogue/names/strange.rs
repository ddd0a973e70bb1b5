//! Odd names: each is taken whole or refused.

use std::time::{Duration, Instant};

use crate::suite::{CaseResult, Cx, Finding};

/// After this long, names are no longer mounted: with a slow plugin that is the long part.
pub(super) const MOUNT_FOR: Duration = Duration::from_secs(5);

/// After this long, what is left of a list is left out.
pub(super) const AT_MOST: Duration = Duration::from_secs(20);

/// Findings name no more than so many names.
pub(super) const SHOWN: usize = 5;

/// Names that aim at nothing. `@` becomes something that only this run uses.
const HARMLESS: &[&str] = &[
    "@/sub",
    "a/b/@",
    "@ blank",
    "@_Upper",
    "@:tag",
    "@.dotted.",
    ".@",
    "..@",
    "@..",
    "_@",
    "@é",
    "@e\u{301}",
    "@日本",
    "@😀",
    "@\u{5e9}\u{5dc}",
    "<@&b>",
    "@\u{2028}",
    "@\"quoted\"",
    "@'quoted'",
    "@\\back",
    "@%2f",
    "@%",
    "@#?",
    "@=,;",
    "@\ttab",
    "@@home",
    "{@}",
    "@+",
    "@~",
    " @",
    "@ ",
    "@\u{7f}",
    "@\u{200b}",
    "@\u{0}nul",
    "@.json",
    "@.lock",
    "@.tmp",
];

/// Names that a careless plugin hands to something else. They only run where that cannot harm.
const HOSTILE: &[&str] = &[
    "-@",
    "--@",
    "@\nline",
    "@\r\n",
    "@*",
    "@$HOME",
    "@[a-z]",
    "@\u{1b}[31m",
];

pub(super) async fn any_name(cx: &mut Cx) -> CaseResult {
    ordinary(cx).await?;
    let unique = cx.hex(10);
    let mut names: Vec<String> = HARMLESS
        .iter()
        .map(|name| name.replace('@', &unique))
        .collect();
    if cx.target().hostile {
        names.extend(HOSTILE.iter().map(|name| name.replace('@', &unique)));
    } else {
        cx.note("names with line breaks or wildcards, and such as begin with `-`, were left out (--hostile)");
    }
    names.extend([200, 255, 256, 1000, 4096].map(|length| {
        unique
            .repeat(length / 10 + 1)
            .chars()
            .take(length)
            .collect()
    }));
    names.push(cx.hex(64));
    names.extend(one_letter(cx).await?);

    let begun = Instant::now();
    let (mut wrong, mut refused) = (Vec::new(), 0);
    let all = names.len();
    for name in names {
        if begun.elapsed() > AT_MOST {
            cx.note(format!(
                "calls take long: {} and what follows were left out",
                shown(&name)
            ));
            break;
        }
        let mounted = begun.elapsed() < MOUNT_FOR;
        match whole_or_not(cx, &name, mounted).await? {
            Ok(true) => {}
            Ok(false) => refused += 1,
            Err(what) => wrong.push(format!("{}: {what}", shown(&name))),
        }
    }
    cx.note(format!("{refused} of {all} names were refused"));
    if wrong.is_empty() {
        return Ok(());
    }
    let more = wrong.len().saturating_sub(SHOWN);
    wrong.truncate(SHOWN);
    let mut actual = wrong.join("; ");
    if more > 0 {
        actual.push_str(&format!("; and {more} more"));
    }
    Err(Finding::new(
        "a name is a volume like any other, shown byte for byte, or is refused and is none",
        actual,
    )
    .into())
}

/// What an ordinary name can do: where that fails, strange ones have nothing to add.
pub(super) async fn ordinary(cx: &mut Cx) -> CaseResult {
    let (name, id, _) = cx.held_volume().await?;
    cx.list().await?.step("List succeeds")?;
    cx.release(&name, &id).await?;
    cx.discard(&name).await
}

/// A name of one letter that nobody uses: even Docker's own rule for local volumes wants two.
async fn one_letter(cx: &mut Cx) -> CaseResult<Option<String>> {
    let list = cx.list().await?;
    let taken = list.names();
    let free = ('a'..='z')
        .map(String::from)
        .find(|name| !taken.contains(&name.as_str()));
    Ok(free)
}

/// A whole life under a strange name: `Ok(true)` if it works, `Ok(false)` if the name was refused,
/// else what is wrong.
async fn whole_or_not(cx: &mut Cx, name: &str, mounted: bool) -> CaseResult<Result<bool, String>> {
    let create = cx.create_strange(name).await?;
    if create.response().is_none() {
        return Ok(Err(create.describe()));
    }
    let get = cx.get(name).await?;
    if create.is_refusal() {
        return Ok(match get.volume() {
            None => Ok(false),
            Some(_) => Err("Create refused it, and Get shows it all the same".to_owned()),
        });
    }
    let Some(volume) = get.volume() else {
        return Ok(Err(format!("Create took it, and {}", get.describe())));
    };
    if volume.name != name {
        return Ok(Err(format!("Get calls it {}", shown(&volume.name))));
    }
    let list = cx.list().await?;
    if !list.names().contains(&name) {
        return Ok(Err("List does not show it".to_owned()));
    }
    if mounted {
        let id = cx.id();
        let mount = cx.mount(name, &id).await?;
        if !mount.is_ok() || mount.mountpoint().is_empty() {
            return Ok(Err(format!("it cannot be mounted: {}", mount.describe())));
        }
        let unmount = cx.unmount(name, &id).await?;
        if !unmount.is_ok() {
            return Ok(Err(format!(
                "it cannot be unmounted: {}",
                unmount.describe()
            )));
        }
    }
    let remove = cx.remove(name).await?;
    if !remove.is_ok() {
        return Ok(Err(format!("it cannot be removed: {}", remove.describe())));
    }
    if cx.get(name).await?.volume().is_some() {
        return Ok(Err("Get shows it after Remove".to_owned()));
    }
    Ok(Ok(true))
}

/// A name for a finding: quoted, escaped, and not endless.
pub(super) fn shown(name: &str) -> String {
    const ENOUGH: usize = 60;
    let length = name.chars().count();
    if length <= ENOUGH {
        return format!("{name:?}");
    }
    let start: String = name.chars().take(ENOUGH - 20).collect();
    format!("{start:?}… ({length} characters)")
}
