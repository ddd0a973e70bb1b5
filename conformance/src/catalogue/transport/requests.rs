//! What stands around a call: method, path and headers, in every form that an engine sends.
//!
//! A plugin that wants a header which dockerd does not send fails at every call, its Create first.
//! So these cases make their own first steps, and look whether the header is to blame.

use super::super::tour;
use crate::protocol::{Endpoint, create_body, hold_body, name_body};
use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Harm, Level, Lint, Mode, ensure};
use crate::wire::Request;

pub(super) const POST: Case = Case {
    id: "http.post",
    level: Level::Must,
    title: "calls are taken with POST, and what is no call is answered 404 or 405",
    why: "dockerd sends every call with POST; a plugin that answers success to what it does not \
          know tells engines and tools that it has done what it has not",
    harm: Harm::Misled,
    sources: &[
        "https://docs.docker.com/engine/extend/plugin_api/#api-design",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: nothing but POST in 18,000 requests",
    ],
    docker: &[],
    needs: &[],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(post(cx)),
};

pub(super) const NO_CONTENT_TYPE: Case = Case {
    id: "http.no-content-type",
    level: Level::Must,
    title: "requests without a Content-Type are accepted",
    why: "dockerd never sends one, so every call to the plugin fails; web frameworks with a typed \
          JSON body refuse such requests unless they are told otherwise",
    harm: Harm::NoStart,
    sources: &[
        "moby: pkg/plugins/transport/http.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: no Content-Type in 18,000 requests",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(no_content_type(cx)),
};

pub(super) const ANY_CONTENT_TYPE: Case = Case {
    id: "http.any-content-type",
    level: Level::Must,
    title: "any Content-Type is accepted",
    why: "Podman sends application/vnd.docker.plugins.v1.1+json, tools send application/json, and \
          the curl lines of Docker's own documentation say that they send a form",
    harm: Harm::Refused,
    sources: &[
        "https://github.com/containers/podman/blob/main/libpod/plugin/volume_api.go",
        "https://docs.docker.com/engine/extend/#debugging-plugins",
    ],
    docker: &[],
    needs: &[],
    mode: Mode::Shared,
    follows: &["http.no-content-type"],
    run: |cx| Box::pin(any_content_type(cx)),
};

pub(super) const ACCEPT: Case = Case {
    id: "http.accept",
    level: Level::Must,
    title: "every Accept is tolerated, and none at all",
    why: "dockerd has sent application/vnd.docker.plugins.v1+json, v1.1 and now v1.2, Podman sends \
          none: a plugin that insists on one works with one generation of engines",
    harm: Harm::Refused,
    sources: &[
        "https://docs.docker.com/engine/extend/plugin_api/#versioning",
        "moby: pkg/plugins/transport/http.go (VersionMimetype)",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: Accept: \
         application/vnd.docker.plugins.v1.2+json",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(accept(cx)),
};

pub(super) const HOST: Case = Case {
    id: "http.host",
    level: Level::Must,
    title: "every Host is accepted, also an empty one",
    why: "Docker 20.10 sends an empty Host, newer ones plugin.moby.localhost, Podman `plugin`: none \
          of them is a name of the plugin's",
    harm: Harm::Refused,
    sources: &[
        "https://github.com/moby/moby/issues/19938",
        "https://github.com/moby/moby/pull/45962",
        "https://github.com/containers/podman/blob/main/libpod/plugin/volume_api.go",
        "recorded: dockerd 20.10.24: `Host: `; 26.1.5 and 28.5.2: `Host: plugin.moby.localhost`",
    ],
    docker: &["docker volume create -d {plugin} {volume}"],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(host(cx)),
};

pub(super) const NO_REDIRECT: Case = Case {
    id: "http.no-redirect",
    level: Level::Must,
    title: "no answer redirects, and none is compressed without being asked",
    why: "after a 301 dockerd goes on with GET and without the body; over a unix socket it asks for \
          no compression and takes what is compressed for broken JSON",
    harm: Harm::Refused,
    sources: &[
        "moby: pkg/plugins/client.go",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: 307 repeats the POST, 301 becomes a GET; no \
         Accept-Encoding over unix sockets",
    ],
    docker: &["docker volume ls"],
    needs: &[],
    mode: Mode::Closing,
    follows: &[],
    run: |cx| Box::pin(no_redirect(cx)),
};

async fn post(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    let (fresh, id) = (cx.name(), cx.id());
    let request = |endpoint: Endpoint| {
        let body = match endpoint {
            Endpoint::Activate => Vec::new(),
            Endpoint::Capabilities | Endpoint::List => b"{}\n".to_vec(),
            Endpoint::Create => create_body(&fresh, &cx.opts_for(&fresh)),
            Endpoint::Get | Endpoint::Path | Endpoint::Remove => name_body(&name),
            Endpoint::Mount | Endpoint::Unmount => hold_body(&name, &id),
        };
        Request::docker(endpoint.path(), body)
    };
    let requests: Vec<_> = Endpoint::ALL
        .map(|endpoint| (endpoint, request(endpoint)))
        .into();

    let mut taken = Vec::new();
    for method in ["GET", "PUT"] {
        for (endpoint, request) in &requests {
            let request = request.clone().method(method);
            let what = format!("{method} {}", request.path);
            match endpoint {
                Endpoint::Create => cx.may_exist(&fresh),
                Endpoint::Mount => cx.may_hold(&name, &id),
                _ => {}
            }
            // A server that refuses early may not have read the body: no connection is used twice.
            cx.hang_up();
            let answer = cx.send(*endpoint, request).await?;
            answer.expect_answer(&format!("{what} is answered, with 404 or 405"))?;
            if answer.is_ok() {
                taken.push(what);
            }
        }
    }
    cx.hang_up();
    let nothing = Request::docker("/VolumeDriver.NoSuchCall", b"{}\n".to_vec());
    let answer = cx.send(Endpoint::List, nothing).await?;
    cx.hang_up();
    answer.expect_refusal("POST /VolumeDriver.NoSuchCall is answered 404")?;

    // Whether a call is served at all is for its own section to say.
    for (endpoint, request) in requests {
        let answer = cx.send(endpoint, request).await?;
        let refused = answer.response().is_some_and(|r| r.status == 405);
        ensure(!refused, || {
            answer.finding(&format!("POST {} is accepted", endpoint.path()))
        })?;
    }
    ensure(taken.is_empty(), || {
        Finding::new(
            "calls are taken with POST only",
            format!("answered as success: {}", taken.join(", ")),
        )
        .at(Level::Should)
    })
}

async fn no_content_type(cx: &mut Cx) -> CaseResult {
    let name = cx.name();
    let typed = |request: Request| request.header("Content-Type", "application/json");
    let create = cx.create(&name).await?;
    blame(cx, &create, "without a Content-Type", typed).await?;
    let get = cx.get(&name).await?;
    blame(cx, &get, "without a Content-Type", typed).await
}

async fn any_content_type(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    cx.get(&name).await?.step("Get of a new volume succeeds")?;
    for (value, level) in [
        ("application/vnd.docker.plugins.v1.1+json", Level::Must),
        ("application/vnd.docker.plugins.v1.2+json", Level::Must),
        ("application/json", Level::Must),
        ("application/json; charset=utf-8", Level::Must),
        ("application/x-www-form-urlencoded", Level::Should),
        ("text/plain", Level::Should),
    ] {
        same(cx, &name, "Content-Type", Some(value), level).await?;
    }
    Ok(())
}

async fn accept(cx: &mut Cx) -> CaseResult {
    let name = cx.name();
    let create = cx.create(&name).await?;
    let what = "with `Accept: application/vnd.docker.plugins.v1.2+json`";
    blame(cx, &create, what, |request| request.without("Accept")).await?;
    cx.get(&name).await?.step("Get of a new volume succeeds")?;
    for value in [
        None,
        Some("application/vnd.docker.plugins.v1+json"),
        Some("application/vnd.docker.plugins.v1.1+json"),
        Some("application/json"),
        Some("*/*"),
    ] {
        same(cx, &name, "Accept", value, Level::Must).await?;
    }
    Ok(())
}

async fn host(cx: &mut Cx) -> CaseResult {
    let name = cx.name();
    let create = cx.create(&name).await?;
    let what = "with `Host: plugin.moby.localhost`";
    blame(cx, &create, what, |r| r.header("Host", "localhost")).await?;
    cx.get(&name).await?.step("Get of a new volume succeeds")?;
    for value in ["", "plugin", "localhost", "127.0.0.1:2375"] {
        same(cx, &name, "Host", Some(value), Level::Must).await?;
    }
    Ok(())
}

async fn no_redirect(cx: &mut Cx) -> CaseResult {
    let Some(hit) = tour::lint(cx, Lint::Redirect).await? else {
        return Ok(());
    };
    let expected = "every answer comes at once and in plain text";
    Err(tour::finding(cx, &hit, expected).into())
}

/// A call as dockerd makes it was refused: a finding if it succeeds once `mend` has changed its
/// headers, else a step that did not work.
async fn blame(
    cx: &mut Cx,
    refused: &Answer,
    what: &str,
    mend: impl Fn(Request) -> Request,
) -> CaseResult {
    if refused.is_ok() {
        return Ok(());
    }
    let call = refused.endpoint();
    // The call was the last one that was made: it is made again as it was.
    let name = cx.name();
    let answer = match call {
        Endpoint::Create => {
            let body = create_body(&name, &cx.opts_for(&name));
            cx.create_raw(&name, mend(Request::docker(call.path(), body)))
                .await?
        }
        _ => {
            cx.send(call, mend(Request::docker(call.path(), name_body(&name))))
                .await?
        }
    };
    ensure(!answer.is_ok(), || {
        let was = refused.describe();
        Finding::new(
            format!("{call} {what}, as dockerd sends it, succeeds"),
            format!("{was}; with other headers it succeeds"),
        )
    })?;
    refused.step(&format!("{call} succeeds"))?;
    Ok(())
}

/// Get with a header set to `value`, or without it, answers what it answers without that.
async fn same(
    cx: &mut Cx,
    name: &str,
    header: &str,
    value: Option<&str>,
    level: Level,
) -> CaseResult {
    let plain = Request::docker(Endpoint::Get.path(), name_body(name));
    let (request, shown) = match value {
        Some(value) => (
            plain.header(header, value),
            format!("with `{header}: {value}`"),
        ),
        None => (plain.without(header), format!("without {header}")),
    };
    let answer = cx.send(Endpoint::Get, request).await?;
    ensure(answer.is_ok(), || {
        answer
            .finding(&format!("Get {shown} answers as it does without that"))
            .at(level)
    })
}
