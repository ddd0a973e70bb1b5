//! Request bodies that mean the same in other letters, or more than they need to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::protocol::Endpoint;
use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, ensure};
use crate::wire::Request;

pub(super) const OPTS_NULL: Case = Case {
    id: "enc.opts-null",
    level: Level::Must,
    title: "Opts may be null, absent or {}",
    why: "dockerd sends null for every create without options, also for the implicit one of \
          `docker run -v`; old clients make it {}: a plugin that refuses one of them refuses those \
          users",
    harm: Harm::Refused,
    sources: &[
        "https://docs.docker.com/engine/extend/plugins_volume/#volumedrivercreate",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: null; {} with the 20.10 client",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(opts_null(cx)),
};

pub(super) const OPTS_STRINGS: Case = Case {
    id: "enc.opts-strings",
    level: Level::Must,
    title: "option values may be any string, and other JSON is used or refused, but answered",
    why: "`-o flag` arrives as an empty string, and Cloud Foundry sends numbers and objects: a \
          plugin that does not answer makes the user wait 15 s for `EOF`",
    harm: Harm::Hang,
    sources: &[
        "https://docs.docker.com/engine/extend/plugins_volume/#volumedrivercreate",
        "https://github.com/cloudfoundry/docker_driver_integration_tests",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `-o flag` is \"flag\":\"\"",
    ],
    docker: &["docker volume create -d {plugin} -o flag {volume}"],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(opts_strings(cx)),
};

pub(super) const UNKNOWN_FIELDS: Case = Case {
    id: "enc.unknown-fields",
    level: Level::Must,
    title: "unknown fields of a request are ignored",
    why: "the protocol grows by new fields: the next Docker release would stop the plugin",
    harm: Harm::Refused,
    sources: &["https://docs.docker.com/engine/extend/plugins_volume/#changelog"],
    docker: &[],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(unknown_fields(cx)),
};

pub(super) const ESCAPES: Case = Case {
    id: "enc.escapes",
    level: Level::Must,
    title: "a name is the same escaped and raw: \\u003c, surrogate pairs, UTF-8",
    why: "dockerd escapes <, > and &, other engines do not: a volume made through one is unknown \
          through the other",
    harm: Harm::VolumeLost,
    sources: &[
        "https://datatracker.ietf.org/doc/html/rfc8259#section-7",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: <, > and & are sent as \\u003c, \\u003e and \
         \\u0026, other UTF-8 raw",
    ],
    docker: &["docker volume create -d {plugin} '<{volume}>'"],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(escapes(cx)),
};

async fn opts_null(cx: &mut Cx) -> CaseResult {
    let mut taken = Vec::new();
    let mut refused = Vec::new();
    for (what, opts) in [
        ("null", Some(Value::Null)),
        ("{}", Some(json!({}))),
        ("absent", None),
    ] {
        let name = cx.name();
        let mut body = json!({"Name": name});
        if let (Some(opts), Some(map)) = (opts, body.as_object_mut()) {
            map.insert("Opts".to_owned(), opts);
        }
        let answer = cx.create_raw(&name, post(Endpoint::Create, &body)).await?;
        answer.expect_answer(&format!("Create with Opts {what} is answered"))?;
        if answer.is_ok() {
            taken.push(what);
        } else {
            refused.push((what, answer));
        }
    }
    let Some((what, answer)) = refused.first() else {
        return Ok(());
    };
    if taken.is_empty() {
        if cx.target().opts.is_empty() {
            answer.step("Create without options succeeds")?;
        }
        return Err(Halt::skip(
            "the plugin makes no volume without options, in whatever form they are missing",
        ));
    }
    Err(Finding::new(
        format!(
            "Create with Opts {what} succeeds, as it does with Opts {}",
            taken.join(" and ")
        ),
        answer.describe(),
    )
    .into())
}

async fn opts_strings(cx: &mut Cx) -> CaseResult {
    for value in [
        json!(""),
        json!("1"),
        json!("\u{e9} \"quoted\" \\ back\\slash"),
        json!(1),
        json!({}),
        json!([]),
    ] {
        let name = cx.name();
        // Not an option of the plugin's own: what an odd value of that does is the user's affair.
        let mut opts = options(cx, &name);
        opts.insert("volplug-odd".to_owned(), value.clone());
        let body = json!({"Name": name, "Opts": opts});
        let answer = cx.create_raw(&name, post(Endpoint::Create, &body)).await?;
        answer.expect_answer(&format!(
            "Create with the option {value} succeeds or is refused"
        ))?;
    }
    Ok(())
}

async fn unknown_fields(cx: &mut Cx) -> CaseResult {
    let plain = cx.volume().await?;
    let id = cx.id();
    cx.get(&plain).await?.step("Get of a volume succeeds")?;
    let serves_path = cx.path(&plain).await?.is_ok();
    let list_works = cx.list().await?.is_ok();
    cx.hold(&plain, &id).await?;
    cx.release(&plain, &id).await?;
    cx.discard(&plain).await?;

    let (name, id) = (cx.name(), cx.id());
    let opts = cx.opts_for(&name);
    let create = post(
        Endpoint::Create,
        &json!({"Name": name, "Opts": opts, "Zzz": 1}),
    );
    ignored(&cx.create_raw(&name, create).await?)?;
    cx.may_hold(&name, &id);
    for endpoint in Endpoint::ALL {
        let body = match endpoint {
            // dockerd sends Activate with no body at all, and Capabilities has a section of its own.
            Endpoint::Activate | Endpoint::Capabilities | Endpoint::Create => continue,
            Endpoint::List if !list_works => continue,
            Endpoint::Path if !serves_path => continue,
            Endpoint::List => json!({"Zzz": 1}),
            Endpoint::Mount | Endpoint::Unmount => json!({"Name": name, "ID": id, "Zzz": 1}),
            Endpoint::Get | Endpoint::Path | Endpoint::Remove => json!({"Name": name, "Zzz": 1}),
        };
        ignored(&cx.send(endpoint, post(endpoint, &body)).await?)?;
    }
    Ok(())
}

fn ignored(answer: &Answer) -> CaseResult {
    let call = answer.endpoint();
    answer.expect_ok(&format!("{call} with the unknown field \"Zzz\" succeeds"))?;
    Ok(())
}

async fn escapes(cx: &mut Cx) -> CaseResult {
    let plain = cx.volume().await?;
    cx.get(&plain).await?.step("Get of a volume succeeds")?;
    // Letters of the ordinary alphabet, so that every plugin takes the name.
    let name = cx.name();
    let escaped = escape(&name);
    let opts = json!(cx.opts_for(&name));
    let body = format!("{{\"Name\":\"{escaped}\",\"Opts\":{opts}}}");
    let create = cx
        .create_raw(&name, Request::docker(Endpoint::Create.path(), body))
        .await?;
    create.step("Create of a new volume succeeds")?;
    agrees(cx, &name).await?;

    let mut strange = vec![format!("{}-\u{1f600}", cx.name())];
    if cx.target().hostile {
        strange.push(format!("{}<a&b>", cx.name()));
    }
    for name in strange {
        // To refuse such a name is the plugin's right.
        if cx.create_strange(&name).await?.is_ok() && cx.get(&name).await?.volume().is_some() {
            agrees(cx, &name).await?;
        }
    }
    Ok(())
}

/// Get knows `name` raw and escaped, under the same name.
async fn agrees(cx: &mut Cx, name: &str) -> CaseResult {
    let mut told = Vec::new();
    for spelling in [json!(name).to_string(), format!("\"{}\"", escape(name))] {
        let body = format!("{{\"Name\":{spelling}}}\n");
        let request = Request::docker(Endpoint::Get.path(), body);
        let get = cx.send(Endpoint::Get, request).await?;
        ensure(get.volume().is_some(), || {
            get.finding(&format!("Get of {spelling} knows the volume `{name}`"))
        })?;
        told.extend(get.volume().map(|volume| volume.name.clone()));
    }
    let (first, second) = (told.first(), told.get(1));
    ensure(first == second, || {
        Finding::new(
            format!("Get answers one name for `{name}`, raw and escaped"),
            format!("{first:?} and {second:?}"),
        )
    })
}

/// Every UTF-16 unit as a \u escape: surrogate pairs where the character needs two.
fn escape(text: &str) -> String {
    text.encode_utf16()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect()
}

fn post(endpoint: Endpoint, body: &Value) -> Request {
    Request::docker(endpoint.path(), format!("{body}\n"))
}

/// The user's options, as JSON values.
fn options(cx: &Cx, name: &str) -> BTreeMap<String, Value> {
    cx.opts_for(name)
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, Value::from(value)))
        .collect()
}
