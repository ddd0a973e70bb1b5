//! Errors: how failure is told, and that it is survived.
//!
//! All but one judge every answer of the run, see [`tour`](super::tour).

use std::time::Duration;

use super::{tour, without_storage};
use crate::suite::{Case, CaseResult, Cx, Finding, Harm, Level, Lint, Mode, Need, ensure};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "err.told",
        level: Level::Must,
        title: "every failure carries a non-empty Err",
        why: "dockerd shows the user what Err says, and without it the raw body or nothing at all: \
              `create v1: VolumeDriver.Create: `",
        harm: Harm::Misled,
        sources: &[
            "https://docs.docker.com/engine/extend/plugins_volume/#volumedrivercreate",
            "moby: pkg/plugins/client.go",
        ],
        docker: &["docker volume inspect {volume}"],
        needs: &[],
        mode: Mode::Closing,
        follows: &["path.served", "enc.err-type", "http.keep-alive"],
        run: |cx| Box::pin(told(cx)),
    },
    Case {
        id: "err.both-channels",
        level: Level::Should,
        title: "a failure is told twice: by a status other than 200 and by Err in a JSON body",
        why: "dockerd understands both; Podman looks at the status alone and takes 200 with an Err \
              for success, and shows a body that is no JSON as an error of its own",
        harm: Harm::Misled,
        sources: &[
            "https://github.com/containers/podman/blob/main/libpod/plugin/volume_api.go",
            "https://github.com/docker/go-plugins-helpers/blob/main/sdk/encoder.go",
            "moby: pkg/plugins/client.go",
        ],
        docker: &[],
        needs: &[],
        mode: Mode::Closing,
        follows: &["err.told"],
        run: |cx| Box::pin(both_channels(cx)),
    },
    Case {
        id: "err.readable",
        level: Level::Should,
        title: "an error text is one line that a user can act on, and that of Mount names the volume",
        why: "the text is all that the user gets: of a Mount dockerd prints `error while mounting \
              volume '': TEXT`, without the volume's name",
        harm: Harm::Misled,
        sources: &[
            "https://github.com/trajano/docker-volume-plugins/issues/28",
            "https://github.com/ContainX/docker-volume-netshare/issues/150",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `error while mounting volume '': boom`",
        ],
        docker: &["docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true"],
        needs: &[],
        mode: Mode::Closing,
        follows: &["err.told"],
        run: |cx| Box::pin(readable(cx)),
    },
    Case {
        id: "err.in-time",
        level: Level::Should,
        title: "a failure is told before the client gives up",
        why: "dockerd waits 120 s for Create and Mount, 60 s for other calls, 30 s for every call \
              of a managed plugin, and then says `context deadline exceeded` in place of the cause",
        harm: Harm::Hang,
        sources: &[
            "moby: daemon/volume/drivers/proxy.go",
            "https://github.com/moby/moby/issues/37426",
            "https://github.com/moby/moby/issues/37835",
        ],
        docker: &["docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true"],
        needs: &[Need::StorageFault],
        mode: Mode::Alone,
        follows: &["unmount.prompt"],
        run: |cx| Box::pin(without_storage::in_time(cx)),
    },
    Case {
        id: "err.survive",
        level: Level::Must,
        title: "no call ends the plugin's process",
        why: "dockerd repeats the call, with an empty body, to a plugin that is not there; all other \
              calls under way are lost, and FUSE mounts that the process served die with it",
        harm: Harm::NoStart,
        sources: &[
            "https://github.com/ceph/ceph-csi/issues/4162",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: five attempts in 15 s, the last four \
             without a body",
        ],
        docker: &[],
        needs: &[Need::Exec],
        mode: Mode::Closing,
        follows: &[],
        run: |cx| Box::pin(survive(cx)),
    },
    Case {
        id: "err.answers",
        level: Level::Must,
        title: "every call is answered, whatever was called before or is called meanwhile",
        why: "dockerd waits 60 or 120 s for each call: the command hangs that long, with it every other \
              that needs the volume, and `docker volume ls` for all volumes",
        harm: Harm::Hang,
        sources: &[
            "moby: daemon/volume/drivers/proxy.go (time limits of each call)",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: Create and Mount are given up after 120 s, \
             the others after 60 s",
        ],
        docker: &[],
        needs: &[],
        mode: Mode::Closing,
        follows: &[],
        run: |cx| Box::pin(answers(cx)),
    },
];

async fn told(cx: &mut Cx) -> CaseResult {
    match tour::lint(cx, Lint::FailureUntold).await? {
        None => Ok(()),
        Some(hit) => Err(tour::finding(cx, &hit, "every failure says why in Err").into()),
    }
}

async fn both_channels(cx: &mut Cx) -> CaseResult {
    let expected = "every failure has a status other than 200 and a JSON body";
    if let Some(hit) = tour::lint(cx, Lint::FailureWith200).await? {
        return Err(tour::finding(cx, &hit, expected).into());
    }
    let Some(hit) = cx.target().lints.first(Lint::FailureUntold) else {
        return Ok(());
    };
    let body = hit.exchange.response.as_ref().map(|r| r.body.as_str());
    let json = body.is_some_and(|body| serde_json::from_str::<serde_json::Value>(body).is_ok());
    ensure(json, || tour::finding(cx, &hit, expected))
}

async fn readable(cx: &mut Cx) -> CaseResult {
    let expected = "every Err is one line with a cause";
    if let Some(hit) = tour::lint(cx, Lint::Unreadable).await? {
        return Err(tour::finding(cx, &hit, expected).into());
    }
    let (unknown, id) = (cx.name(), cx.id());
    let mount = cx.mount(&unknown, &id).await?;
    // Whether there is a text at all is for err.told to say.
    let text = mount.response().and_then(|response| {
        let body: serde_json::Value = serde_json::from_slice(&response.body).ok()?;
        Some(body.get("Err")?.as_str()?.to_owned())
    });
    let text = text.filter(|text| mount.is_refusal() && !text.is_empty());
    ensure(text.is_none_or(|text| text.contains(&unknown)), || {
        mount.finding(&format!(
            "the Err of a failed Mount names the volume, `{unknown}`"
        ))
    })
}

/// The runner notes calls that hang, wherever that happens: a case that comes to one on its way to
/// another rule cannot say more.
async fn answers(cx: &mut Cx) -> CaseResult {
    let hangs = cx.target().health.hangs();
    let Some(first) = hangs.first() else {
        return Ok(());
    };
    let actual = match hangs.len() {
        1 => format!("{} in {}", first.what, first.case),
        number => format!(
            "{} in {}, the first of {number} such times",
            first.what, first.case
        ),
    };
    let cause = hangs.iter().map(|hang| hang.case.clone());
    let limit = cx.limit().as_secs_f32();
    let finding = Finding::new(format!("every call is answered within {limit} s"), actual);
    Err(finding.because_any(cause).into())
}

async fn survive(cx: &mut Cx) -> CaseResult {
    tour::play(cx).await;
    let expected = "the plugin's process lives through the whole run";
    if let Some(death) = cx.target().health.deaths().into_iter().next() {
        let finding = Finding::new(expected, format!("it {}", death.what));
        // One that cannot read what an earlier kill left may end just after it has listened.
        let finding = finding.because(death.case).because(super::ANY_MOMENT);
        return Err(finding.into());
    }
    ensure(lives(cx).await?, || {
        Finding::new(expected, "it ended while this case made each call once")
    })
}

/// Whether the process is still there, if it ever came up. One that just closed a connection may be
/// about to end.
async fn lives(cx: &Cx) -> CaseResult<bool> {
    let plugin = cx.plugin()?;
    for _ in 0..10 {
        if plugin.has_died().await {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(true)
}
