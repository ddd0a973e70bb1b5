//! Calls that must not wait for the storage, or not for ever.

use super::{LONG, SHORT, UnderWay};
use crate::catalogue::activation::PROMPT_MS;
use crate::protocol::{Endpoint, create_body, hold_body, name_body};
use crate::suite::{CaseResult, Cx, Finding, ensure};

/// What dockerd allows a managed plugin for any call, unless told otherwise with `--timeout`.
const MANAGED_MS: u64 = 30_000;

pub(in crate::catalogue) async fn prompt_activate(cx: &mut Cx) -> CaseResult {
    let volume = cx.volume().await?;
    cx.cut_storage(&volume).await?;
    let mount = UnderWay::mount(cx, &volume).await?;
    let activate = cx.activate().await?;
    cx.restore_storage().await?;
    mount.end(cx, LONG).await;
    cx.forgive_trouble();

    let expected = "Activate answers within a second while the storage does not";
    ensure(activate.response().is_some(), || activate.finding(expected))?;
    ensure(activate.ms() < PROMPT_MS, || {
        Finding::new(expected, format!("it took {} ms", activate.ms()))
    })
}

pub(in crate::catalogue) async fn prompt_unmount(cx: &mut Cx) -> CaseResult {
    let (name, id, _) = cx.held_volume().await?;
    cx.cut_storage(&name).await?;
    let usual = cx.wait_for_calls(SHORT);
    let unmount = cx.unmount(&name, &id).await?;
    cx.wait_for_calls(usual);
    cx.restore_storage().await?;

    unmount.expect_answer("Unmount is answered within a minute while the storage is not there")?;
    if unmount.is_refusal() {
        // The hold stays, and is released when that can be done.
        cx.release(&name, &id).await?;
    }
    Ok(())
}

pub(in crate::catalogue) async fn in_time(cx: &mut Cx) -> CaseResult {
    let (made, mounted, removed) = (cx.name(), cx.volume().await?, cx.volume().await?);
    let (held, hold, _) = cx.held_volume().await?;
    cx.prepare(&made).await?;
    for volume in [&mounted, &removed, &held] {
        cx.cut_storage(volume).await?;
        if !cx.cuts_one_volume() {
            break;
        }
    }
    let id = cx.id();
    cx.may_exist(&made);
    cx.may_hold(&mounted, &id);
    let opts = cx.opts_for(&made);
    let create = UnderWay::begin(cx, Endpoint::Create, create_body(&made, &opts)).await?;
    let mount = UnderWay::begin(cx, Endpoint::Mount, hold_body(&mounted, &id)).await?;
    let remove = UnderWay::begin(cx, Endpoint::Remove, name_body(&removed)).await?;
    let unmount = UnderWay::begin(cx, Endpoint::Unmount, hold_body(&held, &hold)).await?;
    let answers: [_; 4] = tokio::join!(
        create.end(cx, LONG),
        mount.end(cx, LONG),
        remove.end(cx, SHORT),
        unmount.end(cx, SHORT)
    )
    .into();
    cx.restore_storage().await?;

    if answers.iter().all(|answer| answer.is_ok()) {
        cx.note(
            "Create, Mount, Remove and Unmount succeeded all the same: look whether --storage-cut \
             cuts what the plugin needs",
        );
    }
    for answer in &answers {
        let call = answer.endpoint();
        let limit = match call {
            Endpoint::Create | Endpoint::Mount => LONG,
            _ => SHORT,
        };
        answer.expect_answer(&format!(
            "{call} is answered within {} s, as long as dockerd waits",
            limit.as_secs()
        ))?;
        if answer.ms() > MANAGED_MS {
            cx.note(format!(
                "{call} took {} ms: were it a managed plugin, dockerd would have given up after \
                 {MANAGED_MS} ms",
                answer.ms()
            ));
        }
    }
    Ok(())
}
