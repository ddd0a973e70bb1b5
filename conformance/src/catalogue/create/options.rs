//! Create and its options: wrong ones are refused, and a refusal leaves nothing behind.

use std::path::Path;

use crate::catalogue::volume_steps::CALLS;
use crate::protocol::Opts;
use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, Token, ensure};

/// An option that no plugin has.
const NO_OPTION: &str = "volplug_no_such_option";

/// A value for an option whose value is a number.
const NO_NUMBER: &str = "volplug-no-number";

pub(super) const REPEAT_DIFFERENT: Case = Case {
    id: "create.repeat-different",
    level: Level::Should,
    title: "Create of an existing name with other options fails and leaves the volume as it was",
    why: "whoever asked believes to have a volume on another storage than it is; if the storage is \
          swapped, all containers see other data from their next start on",
    harm: Harm::Misled,
    sources: &[
        CALLS,
        "https://github.com/vieux/docker-volume-sshfs/blob/master/main.go (Create overwrites the \
         record of an existing volume)",
    ],
    docker: &[
        "docker volume create -d {plugin} -o KEY=one {volume}",
        "# from a second engine on the same storage:",
        "docker volume create -d {plugin} -o KEY=other {volume}",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["mount.data-persists", "err.survive"],
    run: |cx| Box::pin(repeat_different(cx)),
};

async fn repeat_different(cx: &mut Cx) -> CaseResult {
    let (name, id, path) = cx.held_volume().await?;
    let token = match cx.write_token(&path).await {
        Ok(token) => Some(token),
        Err(Halt::Skip(_)) => None,
        Err(other) => return Err(other),
    };
    cx.release(&name, &id).await?;

    // What another volume has is certainly valid, and different if options follow the name.
    let other = cx.volume().await?;
    let others = cx.opts_for(&other);
    let valid = others != cx.opts_for(&name);
    let different = if valid {
        others
    } else {
        cx.opts_with(&name, NO_OPTION, "1")
    };
    let answer = cx.create_with(&name, &different).await?;
    unchanged(cx, &name, token).await?;
    if answer.is_ok() && !valid {
        return Err(Halt::skip(
            "no second set of valid options is known: give --opt KEY=…{volume}… for an option that \
             differs from volume to volume",
        ));
    }
    answer.expect_refusal("Create of an existing volume with other options is refused")?;
    Ok(())
}

/// The volume that was there first is mounted, with what was written into it.
async fn unchanged(cx: &mut Cx, name: &str, token: Option<Token>) -> CaseResult {
    let what = "the volume is as it was after a Create with other options";
    let id = cx.id();
    let mount = cx.mount(name, &id).await?;
    mount.expect_ok(what)?;
    if let Some(token) = token {
        let path = Path::new(mount.mountpoint());
        cx.check_token(path, &token)
            .await
            .map_err(|actual| Finding::new(what, actual).harming(Harm::DataLoss))?;
    }
    cx.release(name, &id).await
}

pub(super) const BAD_OPTIONS: Case = Case {
    id: "create.bad-options",
    level: Level::Must,
    title: "options that are unknown or make no sense fail at Create, at the latest at Mount, and the \
            error names them",
    why: "a misspelt option goes unnoticed: the volume lies elsewhere, unencrypted or unlimited, \
          while `docker volume create` reported success",
    harm: Harm::Misled,
    sources: &[
        CALLS,
        "https://github.com/cloudfoundry/docker_driver_integration_tests",
    ],
    docker: &[
        "docker volume create -d {plugin} -o volplug_no_such_option=1 {volume}",
        "docker run --rm -v {volume}:/data busybox true",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["create.works", "err.survive", "err.told", "err.readable"],
    run: |cx| Box::pin(bad_options(cx)),
};

async fn bad_options(cx: &mut Cx) -> CaseResult {
    let name = cx.name();
    let opts = cx.opts_with(&name, NO_OPTION, "1");
    refused(cx, &name, &opts, NO_OPTION).await?;
    for key in numbers(cx) {
        let name = cx.name();
        let opts = cx.opts_with(&name, &key, NO_NUMBER);
        refused(cx, &name, &opts, &key).await?;
    }
    Ok(())
}

/// A volume with these options is refused, if not by Create then by Mount, with a word about `key`.
async fn refused(cx: &mut Cx, name: &str, opts: &Opts, key: &str) -> CaseResult {
    let create = cx.create_with(name, opts).await?;
    if create.is_refusal() {
        return names(&create, key);
    }
    create.expect_answer("Create with an option that makes no sense is answered")?;
    let id = cx.id();
    let mount = cx.mount(name, &id).await?;
    ensure(mount.is_refusal(), || {
        mount
            .finding(&format!(
                "a volume with a bad option `{key}` is refused at Create, or at the latest at Mount"
            ))
            .at(Level::Should)
    })?;
    names(&mount, key)
}

fn names(answer: &Answer, key: &str) -> CaseResult {
    ensure(
        answer.error().is_some_and(|text| text.contains(key)),
        || {
            answer
                .finding(&format!("the error names the option `{key}`"))
                .at(Level::Should)
        },
    )
}

/// The options to which the user gave a number: they hardly take anything else.
fn numbers(cx: &Cx) -> Vec<String> {
    let given = cx.target().opts.iter();
    given
        .filter(|(_, value)| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()))
        .map(|(key, _)| key.clone())
        .collect()
}

pub(super) const ATOMIC: Case = Case {
    id: "create.atomic",
    level: Level::Must,
    title: "a Create that failed leaves no volume behind, and a corrected one works",
    why: "dockerd tells the user that the volume could not be made; the next `docker run -v` finds \
          the half-made one with Get and uses it",
    harm: Harm::VolumeLost,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: Create is skipped when Get returns a volume",
    ],
    docker: &[
        "docker volume create -d {plugin} -o volplug_no_such_option=1 {volume}",
        "docker volume inspect {volume}",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["create.works", "get.unknown", "err.survive"],
    run: |cx| Box::pin(atomic(cx)),
};

async fn atomic(cx: &mut Cx) -> CaseResult {
    let name = failed_create(cx).await?;
    let list = cx.list().await?;
    ensure(!list.names().contains(&name.as_str()), || {
        Finding::new(
            "List does not show a volume whose Create failed",
            format!("List shows `{name}`"),
        )
    })?;
    let get = cx.get(&name).await?;
    ensure(get.volume().is_none(), || {
        get.finding("Get does not know a volume whose Create failed")
    })?;
    cx.create(&name)
        .await?
        .expect_ok("Create works once its options are corrected")?;
    Ok(())
}

/// Makes a Create fail; the name that it was for.
async fn failed_create(cx: &mut Cx) -> CaseResult<String> {
    let mut bad = vec![(NO_OPTION.to_owned(), "1")];
    bad.extend(numbers(cx).into_iter().map(|key| (key, NO_NUMBER)));
    for (key, value) in bad {
        let name = cx.name();
        let opts = cx.opts_with(&name, &key, value);
        let answer = cx.create_with(&name, &opts).await?;
        if !answer.is_ok() {
            answer.expect_answer("Create with a bad option is answered")?;
            return Ok(name);
        }
    }
    Err(Halt::skip(
        "no Create can be made to fail: the plugin takes options that it does not know",
    ))
}
