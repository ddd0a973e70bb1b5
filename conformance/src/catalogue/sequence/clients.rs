//! Other clients' ways: Compose, which drives dockerd through its API, and Podman, which is an engine
//! of its own.

use super::SEQUENCE;
use crate::catalogue::observed::Observed;
use crate::protocol::{Endpoint, create_body, hold_body, name_body};
use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Halt, Harm};
use crate::wire::Request;

pub(super) const COMPOSE: Case = Case {
    id: "sequence.compose",
    title: "two services share a volume, one is made anew beside the other, and all is taken down",
    why: "`docker compose up` creates the new container before it stops the old one, and does so with a \
          volume in use: the service does not come up again, or the other one loses its data",
    harm: Harm::DataLoss,
    sources: &[
        "https://github.com/docker/compose/blob/main/pkg/compose/convergence.go (recreateContainer)",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2, container-create-mount, two-containers-share",
    ],
    docker: &[
        "docker volume create -d {plugin} --label com.docker.compose.project=app {volume}",
        "docker create --name app-db-1 --mount type=volume,src={volume},dst=/data busybox sleep 600",
        "docker create --name app-web-1 --mount type=volume,src={volume},dst=/data busybox sleep 600",
        "docker start app-db-1 && docker start app-web-1",
        "docker exec app-db-1 sh -c 'echo one > /data/one' && docker exec app-web-1 cat /data/one",
        "docker create --name app-web-2 --mount type=volume,src={volume},dst=/data busybox sleep 600",
        "docker stop app-web-1 && docker rm app-web-1 && docker start app-web-2",
        "docker exec app-web-2 cat /data/one && docker exec app-db-1 sh -c 'echo two > /data/two'",
        "docker exec app-web-2 cat /data/two",
        "docker stop app-web-2 && docker stop app-db-1 && docker rm app-web-2 && docker rm app-db-1",
        "docker volume rm {volume}",
    ],
    ..SEQUENCE
};

pub(super) const PODMAN: Case = Case {
    id: "sequence.podman",
    title: "Podman's volumes are kept apart, though it mounts all of them with one ID",
    why: "Podman counts by itself, and sends the same ID for every volume of every container: one volume \
          is released with another, and a container loses its data",
    harm: Harm::DataLoss,
    sources: &[
        "podman: libpod/volume_internal_common.go, pseudoCtrID",
        "podman: libpod/plugin/volume_api.go",
    ],
    docker: &[
        "podman run -d --name c1 -v {volume}:/data busybox sleep 600   # volumes of `podman volume create -d {plugin}`",
        "podman run -d --name c2 -v {other}:/data busybox sleep 600",
        "podman rm -f c2",
        "podman exec c1 ls /data",
        "podman rm -f c1 && podman volume rm {volume} {other}",
    ],
    follows: &[
        "http.any-content-type",
        "mount.id-opaque",
        "path.served",
        "path.value",
    ],
    run: |cx| Box::pin(podman(cx)),
    ..SEQUENCE
};

/// The ID of every mount of Podman's: the SHA-256 of the word "placeholder" and a newline.
const PODMAN_ID: &str = "2f73349cfc4630255319c6c8dfc1b46a8996ace9d14d8e07563b165915918ec2";

/// What Podman names in `Content-Type`, which dockerd does not send at all.
const PODMAN_CONTENT_TYPE: &str = "application/vnd.docker.plugins.v1.1+json";

/// A call as Podman sends it: Go's client with a content type, and no `Accept`.
async fn call(cx: &mut Cx, endpoint: Endpoint, mut body: Vec<u8>) -> CaseResult<Answer> {
    // Podman's encoder ends no line.
    body.pop_if(|last| *last == b'\n');
    let request = Request::docker(endpoint.path(), body)
        .without("Accept")
        .header("Host", "plugin")
        .header("Content-Type", PODMAN_CONTENT_TYPE);
    cx.send(endpoint, request).await
}

/// A call that has to succeed.
async fn succeed(cx: &mut Cx, endpoint: Endpoint, body: Vec<u8>) -> CaseResult<Answer> {
    let answer = call(cx, endpoint, body).await?;
    if answer.is_ok() {
        return Ok(answer);
    }
    let finding = answer.finding(&format!("{endpoint} as Podman sends it succeeds"));
    Err(Halt::Setup(endpoint, Box::new(finding)))
}

async fn podman(cx: &mut Cx) -> CaseResult {
    let names = [cx.name(), cx.name()];
    succeed(cx, Endpoint::Activate, Vec::new()).await?;
    let mut volumes = Vec::new();
    for name in &names {
        cx.prepare(name).await?;
        cx.may_exist(name);
        let opts = cx.opts_for(name);
        succeed(cx, Endpoint::Create, create_body(name, &opts)).await?;
        let body = hold_body(name, PODMAN_ID);
        let mounted = succeed(cx, Endpoint::Mount, body).await?;
        cx.may_hold(name, PODMAN_ID);
        let mut volume = Observed::of(name.clone());
        volume.held(cx, PODMAN_ID, mounted.mountpoint()).await?;
        volume.write(cx).await?;
        let path = succeed(cx, Endpoint::Path, name_body(name)).await?;
        if path.mountpoint() != mounted.mountpoint() {
            return Err(Finding::new(
                format!("Path tells where Mount mounted, {}", mounted.mountpoint()),
                path.describe(),
            )
            .because("path.value")
            .into());
        }
        volumes.push(volume);
    }
    // The second one goes first.
    while let Some(mut volume) = volumes.pop() {
        volume.check(cx).await?;
        for other in &mut volumes {
            other.check(cx).await?;
        }
        cx.step(format!("podman rm -f of the container of {}", volume.name));
        volume.unmount(cx, PODMAN_ID).await?;
        for other in &mut volumes {
            other.check(cx).await?;
        }
        volume.finish(cx).await?;
    }
    Ok(())
}
