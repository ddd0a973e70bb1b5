//! How fast Get answers, also while the volume is being mounted.

use std::time::Duration;

use crate::catalogue::volume_steps::CALLS;
use crate::suite::{Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, ensure};

pub(super) const FAST: Case = Case {
    id: "get.fast",
    level: Level::Should,
    title: "Get answers within a second",
    why: "dockerd sends a Get before each Create, Mount, Unmount and Remove, and one per volume when it \
          starts: every docker command waits for it",
    harm: Harm::Hang,
    sources: &[
        CALLS,
        "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: four Gets for one `docker run`",
    ],
    docker: &["time docker volume inspect {volume}"],
    needs: &[],
    mode: Mode::Alone,
    follows: &[],
    run: |cx| Box::pin(fast(cx)),
};

async fn fast(cx: &mut Cx) -> CaseResult {
    const ENOUGH: u64 = 1000;
    let name = cx.volume().await?;
    let mut took = Vec::new();
    // Slow ones need not be asked often to be known.
    while took.len() < 3 || (took.len() < 50 && took.iter().sum::<u64>() < ENOUGH) {
        let get = cx.get(&name).await?;
        get.step("Get of an existing volume succeeds")?;
        took.push(get.ms());
    }
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or(0);
    ensure(median < ENOUGH, || {
        Finding::new(
            "Get answers within a second",
            format!("half of {} Gets took {median} ms or more", took.len()),
        )
    })
}

pub(super) const DURING_MOUNT: Case = Case {
    id: "get.during-mount",
    level: Level::Should,
    title: "Get of a volume answers while the volume is being mounted",
    why: "`docker volume inspect`, and every container that is to use the volume, wait until a slow \
          Mount is done",
    harm: Harm::Hang,
    sources: &["https://github.com/moby/moby/issues/18504"],
    docker: &[
        "docker run -d -v {volume}:/data --volume-driver {plugin} busybox sleep 600 &",
        "time docker volume inspect {volume}",
    ],
    needs: &[],
    mode: Mode::Alone,
    follows: &["get.fast"],
    run: |cx| Box::pin(during_mount(cx)),
};

async fn during_mount(cx: &mut Cx) -> CaseResult {
    /// A Mount below this is over before a Get could be seen to wait for it.
    const SLOW: u64 = 150;
    let (first, id) = (cx.volume().await?, cx.id());
    cx.slow_storage(&first).await?;
    let trial = cx.mount(&first, &id).await?;
    trial.step("Mount of an existing volume succeeds")?;
    cx.release(&first, &id).await?;
    if trial.ms() < SLOW {
        return Err(Halt::skip(
            "its Mount is over too soon to see whether Get waits for it (with --storage-slow it \
             could be)",
        ));
    }
    let (name, id) = (cx.volume().await?, cx.id());
    cx.slow_storage(&name).await?;
    // A Get that is as slow at other times waits for no Mount: get.fast is about that.
    let idle = cx.get(&name).await?;
    idle.step("Get of an existing volume succeeds")?;
    let mut other = cx.fork("get.during-mount-2");
    let (mount, get) = tokio::join!(other.mount(&name, &id), async {
        tokio::time::sleep(Duration::from_millis(SLOW / 3)).await;
        cx.get(&name).await
    });
    let (mount, get) = (mount?, get?);
    mount.step("Mount of an existing volume succeeds")?;
    // It began a third of SLOW after Mount: if it waited for it, it took about the rest.
    let rest = mount.ms().saturating_sub(SLOW / 3);
    let waited = get.ms().saturating_sub(idle.ms());
    ensure(waited < rest / 2 || mount.ms() < SLOW, || {
        Finding::new(
            "Get answers while Mount is under way",
            format!(
                "Get took {} ms, and {} ms before; Mount took {} ms",
                get.ms(),
                idle.ms(),
                mount.ms()
            ),
        )
    })
}
