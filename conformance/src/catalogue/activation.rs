//! `/Plugin.Activate`: the handshake, once per life of a daemon.
//!
//! Every case here runs alone: a plugin that takes a second Activate for a new world would spoil
//! whatever runs beside it.

use std::path::Path;

use super::without_storage;
use crate::protocol::Endpoint;
use crate::suite::{Case, CaseResult, Cx, Finding, Harm, Level, Mode, Need, Token, ensure};
use crate::wire::Request;

/// How long an Activate may take. dockerd itself would wait for ever, Podman waits 5 s in all.
pub(super) const PROMPT_MS: u64 = 1000;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "act.handshake",
        level: Level::Must,
        title: "Activate with an empty body answers 200 and a JSON object that lists VolumeDriver",
        why: "dockerd takes nothing else for a volume plugin; an answer that lists something else \
              is even believed until the daemon restarts",
        harm: Harm::NoStart,
        sources: &[
            "https://docs.docker.com/engine/extend/plugin_api/#pluginactivate",
            "moby: pkg/plugins/plugins.go",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `volumedriver` in lower case is \
             refused",
        ],
        docker: &["docker volume create -d {plugin} {volume}"],
        needs: &[],
        mode: Mode::Alone,
        follows: &[
            "http.no-content-type",
            "enc.exactly-200",
            "enc.object",
            "enc.clean-json",
            "act.repeat",
        ],
        run: |cx| Box::pin(handshake(cx)),
    },
    Case {
        id: "act.only-implemented",
        level: Level::Should,
        title: "Implements lists nothing that the plugin does not serve",
        why: "dockerd calls every subsystem that it knows as soon as the plugin is activated, and \
              offers a driver that cannot be used",
        harm: Harm::Misled,
        sources: &[
            "moby: pkg/plugins/plugins.go (runHandlers)",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: /NetworkDriver.GetCapabilities follows \
             at once",
        ],
        docker: &["docker volume create -d {plugin} {volume}"],
        needs: &[],
        mode: Mode::Alone,
        follows: &[],
        run: |cx| Box::pin(only_implemented(cx)),
    },
    Case {
        id: "act.repeat",
        level: Level::Must,
        title: "Activate may come again and again, and drops no volume, mount or hold",
        why: "every start of a daemon activates anew while containers of the one before may still \
              run (live restore, Podman, a second engine): their volumes go from under them",
        harm: Harm::DataLoss,
        sources: &[
            "moby: pkg/plugins/plugins.go",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: one Activate for each daemon start",
        ],
        docker: &[
            "docker run -d -v {volume}:/data --volume-driver {plugin} busybox sleep 1000",
            "# restart dockerd with live-restore, then look into /data",
        ],
        needs: &[],
        mode: Mode::Alone,
        follows: &[
            "act.handshake",
            "http.keep-alive",
            "unmount.not-last",
            "ref.same-volume-twice",
        ],
        run: |cx| Box::pin(repeat(cx)),
    },
    Case {
        id: "act.prompt",
        level: Level::Must,
        title: "Activate answers within a second",
        why: "dockerd waits for it without any limit, and a daemon that starts waits with it; \
              Podman gives up after 5 s",
        harm: Harm::Hang,
        sources: &[
            "moby: pkg/plugins/plugins.go (activateWithLock)",
            "https://github.com/moby/moby/issues/33871",
            "https://github.com/containers/podman/blob/main/libpod/plugin/volume_api.go",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: still waiting after 400 s",
        ],
        docker: &["docker volume ls"],
        needs: &[],
        mode: Mode::Alone,
        follows: &[],
        run: |cx| Box::pin(prompt(cx)),
    },
    Case {
        id: "act.prompt-without-storage",
        level: Level::Must,
        title: "Activate answers within a second also when the storage does not",
        why: "dockerd waits for it without any limit: a storage system that is down keeps the \
              whole daemon from starting",
        harm: Harm::Hang,
        sources: &["https://github.com/moby/moby/issues/33871"],
        docker: &["docker volume ls"],
        needs: &[Need::StorageFault],
        mode: Mode::Alone,
        follows: &["act.prompt"],
        run: |cx| Box::pin(without_storage::prompt_activate(cx)),
    },
    Case {
        id: "act.optional",
        level: Level::Must,
        title: "nothing depends on having been activated",
        why: "managed plugins are never activated, and dockerd does not repeat Activate when the \
              plugin restarts: from then on every call would fail until the daemon restarts",
        harm: Harm::NoStart,
        sources: &[
            "moby: daemon/pkg/plugin/manager_linux.go (pluginPostStart)",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: after a restart of the plugin no \
             second Activate",
        ],
        docker: &[
            "docker volume create -d {plugin} {volume}",
            "# restart the plugin, then:",
            "docker run --rm -v {volume}:/data busybox true",
        ],
        needs: &[Need::Exec],
        mode: Mode::Alone,
        follows: &["disc.rebind"],
        run: |cx| Box::pin(optional(cx)),
    },
];

async fn handshake(cx: &mut Cx) -> CaseResult {
    let activate = cx.activate().await?;
    activate.expect_ok("Activate with an empty body succeeds")?;
    let implements = &activate.reading().implements;
    ensure(implements.iter().any(|name| name == "VolumeDriver"), || {
        activate.finding("Implements lists \"VolumeDriver\", in these letters")
    })
}

async fn only_implemented(cx: &mut Cx) -> CaseResult {
    let activate = cx.activate().await?;
    for name in &activate.reading().implements {
        // What an engine calls first. Other subsystems wait until somebody asks for them.
        let first_call = match name.as_str() {
            "NetworkDriver" => "/NetworkDriver.GetCapabilities",
            "IpamDriver" => "/IpamDriver.GetCapabilities",
            _ => continue,
        };
        let request = Request::docker(first_call, Vec::new());
        let answer = cx.send(Endpoint::Capabilities, request).await?;
        let served = answer.response().is_some_and(|r| r.status == 200);
        ensure(served, || {
            let status = answer
                .response()
                .map_or_else(|| answer.describe(), |r| format!("status {}", r.status));
            Finding::new(
                format!("the plugin lists {name} and serves {first_call}"),
                status,
            )
        })?;
    }
    Ok(())
}

async fn repeat(cx: &mut Cx) -> CaseResult {
    let (name, first, path) = cx.held_volume().await?;
    let second = cx.id();
    cx.hold(&name, &second).await?;
    cx.get(&name).await?.step("Get of a volume succeeds")?;
    // Without a view of the file system there is still what the plugin says.
    let token = cx.write_token(&path).await.ok();
    let mounted = cx.is_mounted(&path).unwrap_or(false);
    for _ in 0..3 {
        let again = cx.activate().await?;
        again.expect_ok("a repeated Activate succeeds")?;
    }
    let get = cx.get(&name).await?;
    ensure(get.volume().is_some(), || {
        get.finding("Get knows a volume after a repeated Activate")
    })?;
    still_there(cx, &path, token.as_ref(), mounted, "a repeated Activate").await?;
    // Whether IDs of before may be unmounted at all is for ref.live-restore to say.
    if cx.unmount(&name, &second).await?.is_ok() {
        let what = "a repeated Activate and the Unmount of one of two holders";
        still_there(cx, &path, token.as_ref(), mounted, what).await?;
    }
    cx.unmount(&name, &first).await?;
    Ok(())
}

/// The volume is where it was.
async fn still_there(
    cx: &Cx,
    path: &Path,
    token: Option<&Token>,
    mounted: bool,
    after: &str,
) -> CaseResult {
    if mounted {
        ensure(cx.is_mounted(path)?, || {
            Finding::new(
                format!("{} is still mounted after {after}", path.display()),
                "nothing is mounted there",
            )
        })?;
    }
    if let Some(token) = token {
        cx.check_token(path, token).await.map_err(|actual| {
            Finding::new(
                format!("the data at {} are there after {after}", path.display()),
                actual,
            )
        })?;
    }
    Ok(())
}

async fn prompt(cx: &mut Cx) -> CaseResult {
    let mut best = u64::MAX;
    // A busy machine may delay one of them; a plugin that is slow delays all.
    for _ in 0..3 {
        let activate = cx.activate().await?;
        activate.expect_answer("Activate is answered")?;
        best = best.min(activate.ms());
        if best < PROMPT_MS {
            return Ok(());
        }
    }
    Err(Finding::new(
        format!("Activate is answered within {PROMPT_MS} ms"),
        format!("the fastest of three took {best} ms"),
    )
    .into())
}

async fn optional(cx: &mut Cx) -> CaseResult {
    // What does not work anyway is no matter of Activate.
    let (known, ..) = cx.held_volume().await?;
    cx.get(&known).await?.step("Get of a volume succeeds")?;
    cx.kill_plugin().await?;
    cx.start_plugin_only().await?;
    let name = cx.name();
    let id = cx.id();
    let create = cx.create(&name).await?;
    let get = cx.get(&name).await?;
    let mount = cx.mount(&name, &id).await?;
    // A daemon that starts now would activate: whatever comes next finds the plugin as usual.
    cx.activate().await?;
    for answer in [create, get, mount] {
        let call = answer.endpoint();
        answer.expect_ok(&format!(
            "{call} works in a plugin that was never activated"
        ))?;
    }
    Ok(())
}
