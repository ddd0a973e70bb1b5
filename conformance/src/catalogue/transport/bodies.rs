//! The empty body, which dockerd sends whenever it repeats a call after a broken connection.
//!
//! Alone, since a plugin that reads an old buffer instead may find another case's call in it.

use crate::protocol::Endpoint;
use crate::suite::{Case, CaseResult, Cx, Harm, Level, Mode, ensure};
use crate::wire::Request;

pub(super) const EMPTY_BODY: Case = Case {
    id: "http.empty-body",
    level: Level::Must,
    title: "a call that names a volume, sent with an empty body, is an error and changes nothing",
    why: "after a broken connection dockerd repeats the call, but with an empty body, since it has \
          used the buffer up: a plugin that answers 200 makes it report success for what never \
          happened, such as a volume that does not exist",
    harm: Harm::VolumeLost,
    sources: &[
        "moby: pkg/plugins/client.go (callWithRetry)",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: every repetition of a call has \
         Content-Length: 0",
    ],
    docker: &[
        "# while the plugin closes the connection of the first Create:",
        "docker volume create -d {plugin} {volume}",
        "docker volume inspect {volume}",
    ],
    needs: &[],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(empty_body(cx)),
};

async fn empty_body(cx: &mut Cx) -> CaseResult {
    let (name, id, _) = cx.held_volume().await?;
    // Each call goes before in its proper form: a buffer that is not cleared would hold that.
    refused(cx, Endpoint::Mount, &name, &id).await?;
    cx.get(&name).await?.step("Get of a volume succeeds")?;
    refused(cx, Endpoint::Get, &name, &id).await?;
    cx.path(&name).await?;
    refused(cx, Endpoint::Path, &name, &id).await?;
    refused(cx, Endpoint::Unmount, &name, &id).await?;
    cx.release(&name, &id).await?;
    refused(cx, Endpoint::Unmount, &name, &id).await?;
    refused(cx, Endpoint::Remove, &name, &id).await?;
    let get = cx.get(&name).await?;
    ensure(get.volume().is_some(), || {
        get.finding("calls with an empty body leave a volume as it is")
    })?;
    cx.discard(&name).await?;
    let fresh = cx.volume().await?;
    refused(cx, Endpoint::Create, &fresh, &id).await
}

/// Makes the call with an empty body. `name` and `id` are those of the call before.
async fn refused(cx: &mut Cx, endpoint: Endpoint, name: &str, id: &str) -> CaseResult {
    let request = Request::docker(endpoint.path(), Vec::new());
    let answer = cx.send(endpoint, request).await?;
    let harmless = match endpoint {
        // To dockerd a Get without a volume is an error whatever else it is.
        Endpoint::Get => answer.response().is_some() && answer.volume().is_none(),
        _ => answer.is_refusal(),
    };
    if harmless {
        return Ok(());
    }
    match endpoint {
        Endpoint::Create => cx.may_exist(""),
        Endpoint::Mount => cx.may_hold(name, id),
        _ => {}
    }
    let finding = answer.finding(&format!("{endpoint} with an empty body is an error"));
    // No engine repeats a Path: dockerd never sends one.
    Err(match endpoint {
        Endpoint::Path => finding.at(Level::Should),
        _ => finding,
    }
    .into())
}
