//! The call itself: which volumes and which IDs it takes.

use crate::catalogue::observed::Observed;
use crate::catalogue::volume_steps::CALLS;
use crate::protocol::Endpoint;
use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Harm, Level, Mode, ensure};

pub(super) const UNKNOWN: Case = Case {
    id: "mount.unknown",
    level: Level::Must,
    title: "Mount of a name that does not exist fails and creates nothing",
    why: "a container that was to use a volume which is gone runs on an empty one instead",
    harm: Harm::DataLoss,
    sources: &[
        CALLS,
        "https://github.com/yp-engineering/rbd-docker-plugin/pull/36",
    ],
    docker: &[
        "docker create --name c1 -v {volume}:/data --volume-driver {plugin} busybox true",
        "# remove the volume behind dockerd's back",
        "docker start c1",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["err.survive"],
    run: |cx| Box::pin(unknown(cx)),
};

async fn unknown(cx: &mut Cx) -> CaseResult {
    let (name, id) = (cx.name(), cx.id());
    cx.mount(&name, &id)
        .await?
        .expect_refusal("Mount of a volume that was never created fails")?;
    let list = cx.list().await?;
    if list.names().contains(&name.as_str()) {
        cx.may_exist(&name);
        return Err(Finding::new(
            "a Mount that failed creates no volume",
            format!("List shows `{name}` afterwards"),
        )
        .into());
    }
    Ok(())
}

pub(super) const ID_OPAQUE: Case = Case {
    id: "mount.id-opaque",
    level: Level::Must,
    title: "an ID is any string, and a caller that gives none is one more holder",
    why: "dockerd sends 64 hex digits, but nothing promises them; other engines send other IDs, or \
          none, and could not mount at all",
    harm: Harm::Refused,
    sources: &[
        CALLS,
        "https://github.com/cloudfoundry/dockerdriver (its MountRequest has no ID)",
    ],
    docker: &[],
    needs: &[],
    mode: Mode::Shared,
    follows: &["ref.same-volume-twice", "unmount.not-last"],
    run: |cx| Box::pin(id_opaque(cx)),
};

async fn id_opaque(cx: &mut Cx) -> CaseResult {
    let usual = cx.id();
    let mut volume = Observed::volume(cx).await?;
    volume.hold(cx, &usual).await?;
    volume.write(cx).await?;

    for id in ["7", "a/b \"ü\" <&>"] {
        volume.mount(cx, id).await?;
        volume.check(cx).await?;
        volume.unmount(cx, id).await?;
        volume.check(cx).await?;
    }
    // No engine is known to send these, but for one that sends none.
    let long = cx.hex(4096);
    for (id, what) in [
        (Some(long.as_str()), "an ID of 4096 characters"),
        (Some(""), "an empty ID"),
        (None, "no ID"),
    ] {
        for endpoint in [Endpoint::Mount, Endpoint::Unmount] {
            let answer = call_with(cx, endpoint, &volume.name, id).await?;
            ensure(answer.is_ok(), || {
                answer
                    .finding(&format!("{endpoint} with {what} succeeds"))
                    .at(Level::Should)
            })?;
        }
        volume.remember(&format!("Mount and Unmount with {what}"));
        volume.check(cx).await?;
    }
    volume.release(cx, &usual).await
}

/// Mount or Unmount, with the key `ID` or without.
async fn call_with(
    cx: &mut Cx,
    endpoint: Endpoint,
    name: &str,
    id: Option<&str>,
) -> CaseResult<Answer> {
    match (endpoint, id) {
        (Endpoint::Mount, Some(id)) => cx.mount(name, id).await,
        (_, Some(id)) => cx.unmount(name, id).await,
        (_, None) => {
            let body = crate::protocol::name_body(name);
            let answer = cx.call(endpoint, body, Some(name)).await?;
            if endpoint == Endpoint::Mount && answer.is_ok() {
                cx.may_hold(name, "");
            }
            Ok(answer)
        }
    }
}
