//! `/VolumeDriver.Create`: a volume comes into being, once, whole and for good.

mod options;

use super::observed::Observed;
use super::volume_steps::{CALLS, known};
use super::without_storage;
use crate::protocol::Endpoint;
use crate::suite::{Case, CaseResult, Cx, Finding, Harm, Level, Mode, Need, ensure};

pub(super) const CASES: &[Case] = &[
    WORKS,
    REPEAT_SAME,
    options::REPEAT_DIFFERENT,
    KEEPS_MOUNTS,
    options::BAD_OPTIONS,
    options::ATOMIC,
    without_storage::CREATE,
    DURABLE,
    EMPTY_NAME,
];

const WORKS: Case = Case {
    id: "create.works",
    level: Level::Must,
    title: "after a successful Create, Get and List show the volume under the same name",
    why: "dockerd asks Get before every use: a volume that Get denies is made again, or a local \
          volume of the same name takes its place",
    harm: Harm::VolumeLost,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: Get before every Create, Mount, Unmount \
         and Remove",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "docker volume inspect {volume}",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &["enc.opts-null", "list.bodies"],
    run: |cx| Box::pin(works(cx)),
};

async fn works(cx: &mut Cx) -> CaseResult {
    let name = cx.name();
    cx.create(&name)
        .await?
        .expect_ok("Create of a new volume succeeds")?;
    let get = cx.get(&name).await?;
    ensure(get.volume().is_some(), || {
        get.finding("Get returns the volume that was just created")
    })?;
    let list = cx.list().await?;
    ensure(list.names().contains(&name.as_str()), || {
        let actual = match list.is_ok() {
            true => format!("List shows {} others and not `{name}`", list.names().len()),
            false => list.describe(),
        };
        Finding::new("List shows the volume that was just created", actual).because("list.complete")
    })
}

const REPEAT_SAME: Case = Case {
    id: "create.repeat-same",
    level: Level::Should,
    title: "Create of an existing name with the same options succeeds and changes nothing",
    why: "dockerd sends Create again after it lost its own record, and other hosts do for a global \
          driver; a refusal makes `docker run` fail on a volume that is there",
    harm: Harm::Refused,
    sources: &[
        "https://github.com/docker-archive/classicswarm/pull/2354",
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: Create is sent again when Get fails once",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "# from a second engine on the same storage:",
        "docker volume create -d {plugin} {volume}",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &[],
    run: |cx| Box::pin(repeat_same(cx)),
};

async fn repeat_same(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    known(cx, &name).await?;
    cx.create(&name)
        .await?
        .expect_ok("a second Create with the same options succeeds")?;
    let get = cx.get(&name).await?;
    ensure(get.volume().is_some(), || {
        get.finding("the volume is still there after a second Create")
    })
}

const KEEPS_MOUNTS: Case = Case {
    id: "create.keeps-mounts",
    level: Level::Must,
    title: "a repeated Create never resets the holders of a mounted volume",
    why: "dockerd sends Create for a volume in use when it has lost its record of it: a plugin that \
          starts over forgets who holds the volume, and takes it away from running containers",
    harm: Harm::DataLoss,
    sources: &[
        CALLS,
        "https://github.com/vieux/docker-volume-sshfs/blob/master/main.go (Create replaces the \
         record, and with it the number of connections)",
    ],
    docker: &[
        "docker run -d --name c1 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "docker run -d --name c2 -v {volume}:/data --volume-driver {plugin} busybox sleep 600",
        "# from a second engine, or after dockerd lost its record:",
        "docker volume create -d {plugin} {volume}",
        "docker stop c1 && docker exec c2 ls /data",
    ],
    needs: &[],
    mode: Mode::Shared,
    follows: &[
        "unmount.not-last",
        "ref.same-volume-twice",
        "mount.data-persists",
    ],
    run: |cx| Box::pin(keeps_mounts(cx)),
};

async fn keeps_mounts(cx: &mut Cx) -> CaseResult {
    let (first, second) = (cx.id(), cx.id());
    let mut volume = Observed::volume(cx).await?;
    volume.hold(cx, &first).await?;
    volume.hold(cx, &second).await?;
    volume.write(cx).await?;
    volume.check(cx).await?;
    // Whether it is accepted is another case's question.
    cx.create(&volume.name.clone()).await?;
    volume.remember("Create");
    volume.check(cx).await?;
    volume.unmount(cx, &first).await?;
    volume.check(cx).await?;
    volume.unmount(cx, &second).await
}

const DURABLE: Case = Case {
    id: "create.durable",
    level: Level::Must,
    title: "a volume whose Create was answered survives a crash of the plugin right after",
    why: "after the crash Get denies the volume: dockerd forgets it, and the next `docker run -v` \
          makes a local volume of the same name",
    harm: Harm::VolumeLost,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: a plugin that comes back without its \
         volumes is replaced by `local`, with exit status 0",
        "https://github.com/rclone/rclone/issues/6769",
    ],
    docker: &[
        "docker volume create -d {plugin} {volume}",
        "# kill -9 the plugin, start it again",
        "docker volume inspect {volume}",
    ],
    needs: &[Need::Exec],
    mode: Mode::Alone,
    follows: &["restart.remembers", "disc.rebind", "act.optional"],
    run: |cx| Box::pin(durable(cx)),
};

async fn durable(cx: &mut Cx) -> CaseResult {
    let name = cx.volume().await?;
    known(cx, &name).await?;
    cx.restart_plugin().await?;
    let get = cx.get(&name).await?;
    // Whoever comes next shall find the plugin as it was.
    cx.activate().await?;
    ensure(get.volume().is_some(), || {
        get.finding("the volume is still there after the plugin was killed and started again")
    })
}

const EMPTY_NAME: Case = Case {
    id: "create.empty-name",
    level: Level::Must,
    title: "Create without a name, or with an empty one, is refused",
    why: "dockerd repeats a call whose connection broke with an empty body: a plugin that makes a \
          volume of it tells dockerd of a success that never was",
    harm: Harm::VolumeLost,
    sources: &[
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: a retried Create has an empty body, and an \
         answer without Err is a success",
        "moby: pkg/plugins/client.go",
    ],
    docker: &[],
    needs: &[],
    mode: Mode::Shared,
    follows: &["create.works"],
    run: |cx| Box::pin(empty_name(cx)),
};

async fn empty_name(cx: &mut Cx) -> CaseResult {
    cx.create_strange("")
        .await?
        .expect_refusal("Create of a volume whose name is empty is refused")?;
    cx.call(Endpoint::Create, b"{\"Opts\":null}\n".to_vec(), None)
        .await?
        .expect_refusal("Create without a Name is refused")?;
    Ok(())
}
