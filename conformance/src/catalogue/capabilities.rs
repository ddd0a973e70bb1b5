//! `/VolumeDriver.Capabilities`: one word about the plugin, asked for very often.
//!
//! Not to serve it is tolerated: dockerd then takes the scope for local. So only `cap.served`
//! judges that.

use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Halt, Harm, Level, Mode, ensure};

/// How long the median call may take.
const CHEAP_MS: u64 = 50;

pub(super) const CASES: &[Case] = &[
    Case {
        id: "cap.shape",
        level: Level::Must,
        title: "Capabilities answers {\"Capabilities\":{\"Scope\":\"local\"}}, or \"global\"",
        why: "dockerd takes anything else for local, without a word: a plugin that means global is \
              asked for its volumes on one machine only",
        harm: Harm::Misled,
        sources: &[
            "https://docs.docker.com/engine/extend/plugins_volume/#volumedrivercapabilities",
            "moby: daemon/volume/drivers/adapter.go",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: `Global` counts as global, every other \
             word as local",
        ],
        docker: &["docker volume inspect --format '{{.Scope}}' {volume}"],
        needs: &[],
        mode: Mode::Shared,
        follows: &[
            "enc.object",
            "enc.clean-json",
            "enc.exactly-200",
            "enc.err-type",
        ],
        run: |cx| Box::pin(shape(cx)),
    },
    Case {
        id: "cap.served",
        level: Level::Should,
        title: "Capabilities is served",
        why: "where it fails, dockerd takes the scope for local and asks again before nearly every \
              operation",
        harm: Harm::Misled,
        sources: &[
            "https://docs.docker.com/engine/extend/plugins_volume/#volumedrivercapabilities",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: asked again at create, inspect, ls, \
             start and rm",
        ],
        docker: &["docker volume ls"],
        needs: &[],
        mode: Mode::Shared,
        follows: &[
            "enc.object",
            "enc.clean-json",
            "enc.exactly-200",
            "enc.err-type",
        ],
        run: |cx| Box::pin(served(cx)),
    },
    Case {
        id: "cap.constant",
        level: Level::Must,
        title: "the scope never changes while the plugin runs",
        why: "dockerd asks once and believes it until it restarts: the same volume is local to one \
              engine and global to the next",
        harm: Harm::Misled,
        sources: &[
            "moby: daemon/volume/drivers/adapter.go",
            "recorded: dockerd 20.10.24, 26.1.5 and 28.5.2: once for each daemon start",
        ],
        docker: &["docker volume inspect --format '{{.Scope}}' {volume}"],
        needs: &[],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(constant(cx)),
    },
    Case {
        id: "cap.cheap",
        level: Level::Should,
        title: "Capabilities answers in less than 50 ms",
        why: "dockerd asks a managed plugin before every single operation: whatever it costs, every \
              docker command costs it several times",
        harm: Harm::Hang,
        sources: &["moby: daemon/volume/drivers/extpoint.go, daemon/volume/drivers/adapter.go"],
        docker: &["time docker volume inspect {volume}"],
        needs: &[],
        mode: Mode::Shared,
        follows: &[],
        run: |cx| Box::pin(cheap(cx)),
    },
];

async fn shape(cx: &mut Cx) -> CaseResult {
    let answer = answered(cx).await?;
    let expected = "Capabilities answers a Scope inside of Capabilities, \"local\" or \"global\"";
    let scope = answer.reading().scope.as_deref().unwrap_or_default();
    if matches!(scope, "local" | "global") {
        return Ok(());
    }
    let finding = answer.finding(expected);
    Err(match scope.to_ascii_lowercase().as_str() {
        "local" | "global" => finding
            .at(Level::Should)
            .then("dockerd takes capitals for small letters here; other readers need not"),
        _ => finding,
    }
    .into())
}

async fn served(cx: &mut Cx) -> CaseResult {
    let answer = cx.capabilities().await?;
    answer.expect_ok("Capabilities is served")?;
    Ok(())
}

async fn constant(cx: &mut Cx) -> CaseResult {
    let first = answered(cx).await?.reading().scope.clone();
    for asked in 2..=50 {
        let answer = cx.capabilities().await?;
        ensure(answer.is_ok() && answer.reading().scope == first, || {
            Finding::new(
                format!(
                    "50 calls of Capabilities answer the same, {}",
                    first.as_deref().unwrap_or("no scope")
                ),
                format!("call {asked}: {}", answer.describe()),
            )
        })?;
    }
    Ok(())
}

async fn cheap(cx: &mut Cx) -> CaseResult {
    answered(cx).await?;
    let mut median = u64::MAX;
    // What a busy machine delays once is measured again.
    for _ in 0..2 {
        let mut took = Vec::new();
        for _ in 0..7 {
            took.push(cx.capabilities().await?.ms());
        }
        took.sort_unstable();
        median = median.min(took.get(3).copied().unwrap_or_default());
        if median < CHEAP_MS {
            return Ok(());
        }
    }
    Err(Finding::new(
        format!("most calls of Capabilities take less than {CHEAP_MS} ms"),
        format!("half of them took {median} ms and more"),
    )
    .into())
}

/// An answer that tells the capabilities, good or bad.
async fn answered(cx: &mut Cx) -> CaseResult<Answer> {
    let answer = cx.capabilities().await?;
    answer.expect_answer("Capabilities is answered")?;
    if answer.is_ok() {
        return Ok(answer);
    }
    Err(Halt::skip(format!(
        "Capabilities is not served, which cap.served judges: {}",
        answer.describe()
    )))
}
