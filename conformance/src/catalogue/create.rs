//! `/VolumeDriver.Create`: a volume comes into being, once, whole and for good.

use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Harm, Level, Mode, ensure};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "create.works",
        level: Level::Must,
        title: "after a successful Create, Get and List show the volume under the same name",
        why: "dockerd asks Get before every use: a volume that Get denies is made again, or a local \
              volume of the same name takes its place",
        harm: Harm::VolumeLost,
        sources: &["docs.docker.com: engine/extend/plugins_volume, /VolumeDriver.Create"],
        docker: &[
            "docker volume create -d {plugin} {volume}",
            "docker volume inspect {volume}",
        ],
        needs: &[],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(works(cx)),
    },
    Case {
        id: "create.repeat-same",
        level: Level::Should,
        title: "Create of an existing name with the same options succeeds and changes nothing",
        why: "dockerd sends Create again after it lost its own record, and other hosts do for a \
              global driver; a refusal makes `docker run` fail on a volume that is there",
        harm: Harm::Refused,
        sources: &[
            "https://github.com/docker-archive/classicswarm/pull/2354",
            "recording: create-forgotten",
        ],
        docker: &[
            "docker volume create -d {plugin} {volume}",
            "# from a second engine, or after dockerd lost its record:",
            "docker volume create -d {plugin} {volume}",
        ],
        needs: &[],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(repeat_same(cx)),
    },
];

async fn works(cx: &mut Cx) -> CaseResult {
    let name = cx.name();
    cx.create(&name)
        .await?
        .expect_ok("Create of a new volume succeeds")?;
    let get = cx.get(&name).await?;
    let shown = get.volume().map(|volume| volume.name.as_str());
    ensure(shown.is_some(), || {
        get.finding("Get returns the volume that was just created")
    })?;
    let list = cx.list().await?;
    list.expect_ok("List succeeds")?;
    ensure(list.names().contains(&name.as_str()), || {
        listed(&list, &name)
    })
}

async fn repeat_same(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    let before = cx.get(&name).await?;
    cx.create(&name)
        .await?
        .expect_ok("a second Create with the same options succeeds")?;
    let after = cx.get(&name).await?;
    ensure(
        before.volume().map(|v| &v.created_at) == after.volume().map(|v| &v.created_at),
        || after.finding("a second Create leaves the volume as it was"),
    )
}

fn listed(list: &Answer, name: &str) -> Finding {
    Finding::new(
        "List shows the volume that was just created",
        format!(
            "List shows {} volumes, and `{name}` is not among them",
            list.names().len()
        ),
    )
}
