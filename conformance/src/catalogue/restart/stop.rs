//! An orderly end.

use std::time::Duration;

use crate::suite::{Answer, CaseResult, Cx, Finding, Halt, ensure};
use crate::target::Stopped;
use crate::wire::WireError;

/// What dockerd gives a managed plugin.
const PATIENCE: Duration = Duration::from_secs(10);

/// A Mount that takes less is over before the signal is sent for sure.
const LONG_ENOUGH: Duration = Duration::from_millis(30);

pub(super) async fn graceful(cx: &mut Cx) -> CaseResult {
    let measured = cx.volume().await?;
    let id = cx.id();
    let mount = cx.mount(&measured, &id).await?;
    mount.step("Mount of an existing volume succeeds")?;
    let usual = Duration::from_millis(mount.ms());
    cx.release(&measured, &id).await?;

    // dockerd keeps a connection open all the time, and so does this client.
    let (name, id) = (cx.volume().await?, cx.id());
    let mut client = cx.fork("restart.graceful caller");
    client
        .get(&name)
        .await?
        .step("Get knows an existing volume, also on another connection")?;
    let stop = async {
        tokio::time::sleep(usual / 3).await;
        cx.step("SIGTERM while a Mount is under way");
        Ok::<_, Halt>(cx.plugin()?.terminate(PATIENCE).await)
    };
    let (mount, stopped) = tokio::join!(client.mount(&name, &id), stop);
    let (mount, stopped) = (mount?, stopped?);
    // Calls that end with the process are what was asked for.
    cx.forgive_trouble();
    cx.hang_up();
    cx.start_plugin().await?;
    judge(cx, usual, &mount, &stopped)
}

fn judge(cx: &Cx, usual: Duration, mount: &Answer, stopped: &Stopped) -> CaseResult {
    ensure(*stopped != Stopped::Killed, || {
        Finding::new(
            "the plugin ends within 10 s of SIGTERM",
            format!("it {stopped}"),
        )
    })?;
    let Some(error) = mount.wire_error() else {
        return Ok(());
    };
    let expected = "a call that is under way when SIGTERM comes is answered";
    if matches!(error, WireError::Truncated(_)) {
        return Err(mount.finding(expected).into());
    }
    if usual >= LONG_ENOUGH {
        return Err(Finding::new(
            expected,
            format!(
                "SIGTERM came after {} of about {} ms of a Mount, and {}",
                (usual / 3).as_millis(),
                usual.as_millis(),
                mount.describe()
            ),
        )
        .into());
    }
    cx.note("a Mount is too fast to be under way for sure: that calls are finished was not judged");
    Ok(())
}
