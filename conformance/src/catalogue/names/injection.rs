//! Names and values that are something else to a shell, or to a mount helper.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::strange::{AT_MOST, MOUNT_FOR, shown};
use crate::catalogue::canary::Canary;
use crate::protocol::Opts;
use crate::suite::{CaseResult, Cx, Finding, Halt};
use crate::target::{looks_secret, mounts};

/// Options that plugins often have. One that refuses them all is as safe as one that quotes them.
const USUAL_KEYS: &[&str] = &[
    "token", "password", "username", "secret", "device", "share", "path", "mode",
];

/// How far a search for the canary file goes.
const MOST_ENTRIES: usize = 20_000;

pub(super) async fn no_shell(cx: &mut Cx) -> CaseResult {
    let canary = Canary::plant(cx).await?;
    let begun = Instant::now();
    let file = format!("volplug-{}", cx.hex(12));
    let touched = canary.dir().join(&file);
    for command in [
        format!("touch {}", touched.display()),
        format!("touch {file}"),
    ] {
        for name in payloads(&command, &cx.hex(6)) {
            try_out(cx, &name, None, begun.elapsed() < MOUNT_FOR).await?;
            canary
                .check(cx, &format!("by the volume name {}", shown(&name)))
                .await?;
            nothing_ran(cx, &file, &format!("the volume name {}", shown(&name))).await?;
        }
    }
    let begun = Instant::now();
    for key in option_keys(cx) {
        if begun.elapsed() > AT_MOST {
            cx.note(format!(
                "calls take long: {key} and what follows were left out"
            ));
            break;
        }
        for command in [
            format!("touch {}", touched.display()),
            format!("touch {file}"),
        ] {
            for payload in payloads(&command, "x") {
                let name = cx.name();
                let own = cx.target().opts.get(&key).cloned().unwrap_or_default();
                let value = format!("{}{payload}", own.replace("{volume}", &name));
                let opts = cx.opts_with(&name, &key, &value);
                try_out(cx, &name, Some(opts), begun.elapsed() < MOUNT_FOR).await?;
                let how = format!("the option {key}={}", shown(&value));
                canary.check(cx, &format!("by {how}")).await?;
            }
        }
        // The search takes longer than the calls: once for all values.
        nothing_ran(cx, &file, &format!("a value of the option {key}")).await?;
    }
    Ok(())
}

/// The ways into a shell: substitution, the end of a command, the end of a quoted word.
fn payloads(command: &str, unique: &str) -> Vec<String> {
    vec![
        format!("{unique}$({command})"),
        format!("{unique}`{command}`"),
        format!("{unique};{command};"),
        format!("{unique}\n{command}\n"),
        format!("{unique}|{command}|"),
        format!("{unique}&&{command}&"),
        format!("{unique}';{command};'"),
        format!("{unique}\";{command};\""),
    ]
}

/// A whole life, as far as it goes.
async fn try_out(cx: &mut Cx, name: &str, opts: Option<Opts>, mounted: bool) -> CaseResult {
    let create = match opts {
        Some(opts) => cx.create_with(name, &opts).await?,
        None => cx.create_strange(name).await?,
    };
    create.expect_answer("a Create with something for a shell in it is answered")?;
    if create.is_ok() && mounted {
        let id = cx.id();
        if cx.mount(name, &id).await?.is_ok() {
            cx.unmount(name, &id).await?;
        }
    }
    // A name that Create refused may still reach a shell in Remove.
    cx.remove(name)
        .await?
        .expect_answer("a Remove after that is answered")?;
    Ok(())
}

/// The user's own options first: those the plugin surely looks at.
fn option_keys(cx: &Cx) -> Vec<String> {
    let mut keys: Vec<String> = cx.target().opts.keys().cloned().collect();
    keys.extend(cx.target().secret_opts.iter().cloned());
    let usual = USUAL_KEYS.iter().map(|key| (*key).to_owned());
    let known: BTreeSet<String> = keys.iter().cloned().collect();
    keys.extend(usual.filter(|key| !known.contains(key)));
    keys
}

/// Looks for the file that a shell would have made in whatever directory it was in.
async fn nothing_ran(cx: &Cx, file: &str, how: &str) -> CaseResult {
    let mut places = vec![cx.target().work.join("plugin")];
    if let Ok(plugin) = cx.plugin()
        && let Some(pid) = plugin.pid().await
        && let Ok(directory) = std::fs::read_link(format!("/proc/{pid}/cwd"))
    {
        places.push(directory.join(file));
    }
    let file = file.to_owned();
    let found = cx
        .target()
        .files
        .look(move || Ok(find(&places, &file)))
        .await;
    match found.ok().flatten() {
        None => Ok(()),
        Some(path) => Err(Finding::new(
            "no shell sees names or option values",
            format!(
                "a command inside of {how} was run: it made {}",
                path.display()
            ),
        )
        .into()),
    }
}

/// A file called `name`: one of `places`, or anywhere below.
fn find(places: &[PathBuf], name: &str) -> Option<PathBuf> {
    let mounted: BTreeSet<PathBuf> = mounts().ok()?.into_iter().map(|entry| entry.path).collect();
    let mut todo: VecDeque<PathBuf> = places.iter().cloned().collect();
    for _ in 0..MOST_ENTRIES {
        let path = todo.pop_front()?;
        let Ok(meta) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.is_file() && path.file_name().is_some_and(|file| file == name) {
            return Some(path);
        }
        // The place to look in is no mount of the plugin's.
        if meta.is_dir() && !mounted.contains(&path) {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            todo.extend(entries.map(|entry| entry.path()));
        }
    }
    None
}

/// Mount options that show in the mount table or at the first write.
const MARKS: &[&str] = &["ro", "noexec", "nosuid", "nodev", "sync"];

pub(super) async fn no_option_injection(cx: &mut Cx) -> CaseResult {
    let mut tried = Vec::new();
    for key in value_keys(cx) {
        let plain = cx.hex(12);
        let Some(usual) = mounted_with(cx, &key, &plain).await? else {
            continue;
        };
        for value in [
            format!("{plain},ro,noexec,nosuid"),
            format!("{plain}\nro\nnoexec"),
            format!("{plain} -o ro,noexec"),
            format!("{plain},ro=,noexec=true"),
            "-oro,noexec".to_owned(),
        ] {
            let Some(seen) = mounted_with(cx, &key, &value).await? else {
                continue;
            };
            if let Some(new) = seen.iter().find(|option| !usual.contains(*option)) {
                return Err(Finding::new(
                    format!("the value of the option {key} adds no mount option"),
                    format!("with {key}={value:?} the volume is mounted {new}, and with a plain value it is not"),
                )
                .into());
            }
        }
        tried.push(key);
    }
    if tried.is_empty() {
        return Err(Halt::skip(
            "no option is known whose value could be anything: name one with --secret-opt",
        ));
    }
    cx.note(format!(
        "judged by the mount options that {} led to",
        tried.join(", ")
    ));
    Ok(())
}

/// Options with a value that is one word; lists of mount options are meant to add some.
fn value_keys(cx: &Cx) -> Vec<String> {
    let declared = cx.target().secret_opts.iter().cloned();
    let secret = cx
        .target()
        .opts
        .keys()
        .filter(|key| looks_secret(key))
        .cloned();
    let usual = [
        "token", "password", "username", "secret", "label", "comment",
    ]
    .map(str::to_owned);
    let mut seen = BTreeSet::new();
    declared
        .chain(secret)
        .chain(usual)
        .filter(|key| seen.insert(key.clone()))
        .collect()
}

/// The marks that a volume with this option is mounted with; `None` if it is not to be had.
async fn mounted_with(cx: &mut Cx, key: &str, value: &str) -> CaseResult<Option<BTreeSet<String>>> {
    let name = cx.name();
    let opts = cx.opts_with(&name, key, value);
    if !cx.create_with(&name, &opts).await?.is_ok() {
        return Ok(None);
    }
    let id = cx.id();
    let mount = cx.mount(&name, &id).await?;
    let mut marks = None;
    if mount.is_ok() {
        let path = Path::new(mount.mountpoint());
        marks = Some(marks_at(path));
        let writable = cx.write_token(path).await;
        if let (Some(marks), Err(Halt::Setup(..))) = (&mut marks, &writable) {
            marks.insert("so that nothing can be written".to_owned());
        }
        cx.unmount(&name, &id).await?;
    }
    cx.remove(&name).await?;
    Ok(marks)
}

fn marks_at(path: &Path) -> BTreeSet<String> {
    let table = mounts().unwrap_or_default();
    let entry = table.iter().rev().find(|entry| entry.path == path);
    entry
        .into_iter()
        .flat_map(|entry| &entry.options)
        .filter(|option| MARKS.contains(&option.as_str()))
        .cloned()
        .collect()
}
