//! A client that goes away in the middle of a call.

use std::time::{Duration, Instant};

use crate::protocol::{Endpoint, create_body, hold_body};
use crate::suite::{Case, CaseResult, Cx, Harm, Level, Mode, ensure};
use crate::wire::Request;

/// How often a client leaves, and for how long at the most.
const ROUNDS: u32 = 8;
const ROUNDS_TIME: Duration = Duration::from_millis(500);

pub(super) const DISCONNECT: Case = Case {
    id: "http.disconnect",
    level: Level::Must,
    title: "a client that goes away in the middle of a call leaves no lock and no half-made volume",
    why: "dockerd closes the connection when its time is up, and when it stops itself; the next \
          call for that volume then hangs, or a container gets a volume that is none",
    harm: Harm::Hang,
    sources: &[
        "moby: pkg/plugins/client.go",
        "https://github.com/docker/go-plugins-helpers/issues/129",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: the connection is closed after 60 or 120 s",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume} & kill -9 $(pidof dockerd)",
        "# start dockerd, then:",
        "docker run --rm -v {volume}:/data --volume-driver {plugin} busybox true",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &[
        "get.unknown",
        "mount.usable",
        "mount.visible",
        "ref.same-volume-twice",
        "unmount.works",
        "conc.same-volume-mounts",
        "conc.linearizable",
    ],
    run: |cx| Box::pin(disconnect(cx)),
};

async fn disconnect(cx: &mut Cx) -> CaseResult {
    // What does not work anyway is no matter of clients that leave.
    let (name, id, _) = cx.held_volume().await?;
    cx.release(&name, &id).await?;
    cx.discard(&name).await?;

    let begun = Instant::now();
    for round in 0..ROUNDS {
        if begun.elapsed() > ROUNDS_TIME && round > 1 {
            break;
        }
        // At once, and a little later each time: in the middle of whatever the plugin does.
        let after = Duration::from_micros(u64::from(round) * u64::from(round) * 150);
        during_create(cx, after).await?;
        during_mount(cx, after).await?;
    }
    Ok(())
}

async fn during_create(cx: &mut Cx, after: Duration) -> CaseResult {
    let name = cx.name();
    cx.may_exist(&name);
    leave(
        cx,
        Endpoint::Create,
        create_body(&name, &cx.opts_for(&name)),
        after,
    )
    .await?;
    let known = cx.get(&name).await?;
    known.expect_answer("Get of a volume whose creator has left is answered")?;
    if known.volume().is_none() {
        let create = cx.create(&name).await?;
        // The first Create may have been carried out meanwhile.
        if !create.is_ok() && cx.get(&name).await?.volume().is_none() {
            create.expect_ok("Create succeeds after a client left during the same Create")?;
        }
    }
    let id = cx.id();
    let mount = cx.mount(&name, &id).await?;
    if !mount.is_ok() {
        let finding = mount.finding("Mount of a volume works though its creator has left");
        // One that holds an early Get against the volume needs nobody to leave.
        return Err(finding.because("sequence.first-use").into());
    }
    if cx.target().files.blindness().is_none() && !mount.mountpoint().is_empty() {
        let path = std::path::PathBuf::from(mount.mountpoint());
        let there = cx.target().files.is_directory(path).await.unwrap_or(true);
        ensure(there, || {
            mount.finding("a volume whose creator has left has a directory to mount")
        })?;
    }
    let unmount = cx.unmount(&name, &id).await?;
    unmount.expect_ok("Unmount of a volume works though its creator has left")?;
    let remove = cx.remove(&name).await?;
    remove.expect_ok("Remove of a volume works though its creator has left")?;
    Ok(())
}

async fn during_mount(cx: &mut Cx, after: Duration) -> CaseResult {
    let name = cx.volume().await?;
    let (lost, id) = (cx.id(), cx.id());
    // Whether the hold of a client that left is kept is for mount.late-client to say.
    cx.may_hold(&name, &lost);
    leave(cx, Endpoint::Mount, hold_body(&name, &lost), after).await?;
    let mount = cx.mount(&name, &id).await?;
    mount.expect_ok("Mount succeeds after a client left during another Mount")?;
    let unmount = cx.unmount(&name, &id).await?;
    unmount.expect_ok("Unmount succeeds after a client left during a Mount")?;
    Ok(())
}

/// Makes a call and goes away without waiting for its answer.
async fn leave(cx: &Cx, endpoint: Endpoint, body: Vec<u8>, after: Duration) -> CaseResult {
    let request = Request::docker(endpoint.path(), body);
    let mut connection = cx.connect().await?;
    // A plugin that closes first has nobody left to be left by.
    let _ = connection.write(&request.bytes(), cx.limit()).await;
    cx.step(format!(
        "sent {endpoint} and closed the connection after {} µs",
        after.as_micros()
    ));
    if !after.is_zero() {
        tokio::time::sleep(after).await;
    }
    Ok(())
}
