//! Bodies that are no JSON, or JSON of the wrong shape.
//!
//! Only what no reader of JSON takes is sent: text without its end, without a quote or with a
//! letter for a brace. What lenient readers take (bytes behind the value, broken UTF-8, bare control
//! characters) is left out.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::protocol::{Endpoint, create_body, hold_body, name_body};
use crate::suite::{Answer, Case, CaseResult, Cx, Finding, Harm, Level, Mode, ensure};
use crate::wire::Request;

/// How many mutated bodies are sent, and for how long at the most.
const BODIES: usize = 200;
const BODIES_TIME: Duration = Duration::from_secs(3);

/// The calls that change something or name a volume.
const CALLS: [Endpoint; 6] = [
    Endpoint::Create,
    Endpoint::Get,
    Endpoint::Path,
    Endpoint::Mount,
    Endpoint::Unmount,
    Endpoint::Remove,
];

pub(super) const MALFORMED: Case = Case {
    id: "http.malformed",
    level: Level::Must,
    title: "a body that is no JSON, or of the wrong shape, is an error and harms nothing",
    why: "a body cut off by a broken connection, or sent by a tool, must not end the plugin: all \
          other calls under way end with it, and the mounts that it serves",
    harm: Harm::NoStart,
    sources: &["https://github.com/sapk/docker-volume-gluster/issues/58"],
    docker: &[],
    needs: &[],
    mode: Mode::Alone,
    follows: &["http.keep-alive"],
    run: |cx| Box::pin(malformed(cx)),
};

async fn malformed(cx: &mut Cx) -> CaseResult {
    let (held, id, _) = cx.held_volume().await?;
    let spare = cx.volume().await?;
    lifecycle(cx, |answer| answer.step("a volume's life works").map(drop)).await?;
    let before = names(cx).await?;

    let sent = send_all(cx, &held, &id, &spare).await;

    let after = names(cx).await;
    let made: Vec<_> = after
        .iter()
        .flatten()
        .filter(|name| !before.contains(*name))
        .cloned()
        .collect();
    made.iter().for_each(|name| cx.may_exist(name));
    sent?;
    after?;
    ensure(made.is_empty(), || {
        Finding::new(
            "malformed bodies make no volume",
            format!("new in List: {made:?}"),
        )
    })?;
    for name in [&held, &spare] {
        let get = cx.get(name).await?;
        ensure(get.volume().is_some(), || {
            get.finding("malformed bodies leave volumes as they are")
        })?;
    }
    lifecycle(cx, |answer| {
        let call = answer.endpoint();
        let what = format!("{call} works after malformed bodies as it did before");
        answer.expect_ok(&what).map(drop)
    })
    .await
}

async fn send_all(cx: &mut Cx, held: &str, id: &str, spare: &str) -> CaseResult {
    let begun = Instant::now();
    for number in 0..BODIES {
        if begun.elapsed() > BODIES_TIME {
            cx.note(format!(
                "sent {number} mutated bodies of {BODIES}: each took long"
            ));
            break;
        }
        let Some(&endpoint) = CALLS.get(number % CALLS.len()) else {
            break;
        };
        let whole = match endpoint {
            Endpoint::Create => {
                let fresh = cx.name();
                create_body(&fresh, &cx.opts_for(&fresh))
            }
            Endpoint::Mount | Endpoint::Unmount => hold_body(held, id),
            Endpoint::Remove => name_body(spare),
            _ => name_body(held),
        };
        let body = mutate(&whole, || cx.random());
        refused(cx, endpoint, body, held, id).await?;
    }
    let number = 100_000_000 + cx.random() % 900_000_000;
    for endpoint in CALLS {
        for shape in [
            "[]".to_owned(),
            "\"text\"".to_owned(),
            number.to_string(),
            "true".to_owned(),
            format!("{{\"Name\":{number}}}"),
            format!("{{\"Name\":[\"{spare}\"]}}"),
            format!("{{\"Name\":{{\"Name\":\"{spare}\"}}}}"),
            "{\"Name\":true}".to_owned(),
        ] {
            refused(cx, endpoint, shape.into_bytes(), held, id).await?;
        }
    }
    // A reader that calls itself for each level runs out of stack.
    refused(cx, Endpoint::Create, vec![b'['; 100_000], held, id).await
}

async fn refused(
    cx: &mut Cx,
    endpoint: Endpoint,
    body: Vec<u8>,
    held: &str,
    id: &str,
) -> CaseResult {
    let mut shown: String = String::from_utf8_lossy(&body).chars().take(120).collect();
    if shown.len() < body.len() {
        shown += &format!("… ({} bytes)", body.len());
    }
    let answer = cx
        .send(endpoint, Request::docker(endpoint.path(), body))
        .await?;
    let expected = format!("{endpoint} with the body `{shown}` is an error");
    // A Get that answers no volume has found none, which is an error to dockerd.
    if endpoint == Endpoint::Get && answer.response().is_some() && answer.volume().is_none() {
        return Ok(());
    }
    if endpoint == Endpoint::Mount && answer.is_ok() {
        cx.may_hold(held, id);
    }
    answer.expect_refusal(&expected)?;
    Ok(())
}

/// A whole life of a fresh volume, each answer judged by `judge`.
async fn lifecycle(cx: &mut Cx, judge: impl Fn(&Answer) -> CaseResult) -> CaseResult {
    let (name, id) = (cx.name(), cx.id());
    judge(&cx.create(&name).await?)?;
    judge(&cx.get(&name).await?)?;
    judge(&cx.mount(&name, &id).await?)?;
    judge(&cx.unmount(&name, &id).await?)?;
    judge(&cx.remove(&name).await?)
}

async fn names(cx: &mut Cx) -> CaseResult<HashSet<String>> {
    let list = cx.list().await?;
    list.step("List succeeds")?;
    Ok(list.names().into_iter().map(str::to_owned).collect())
}

/// Breaks a JSON body in one place, so that it no longer starts with a whole value.
fn mutate(whole: &[u8], mut random: impl FnMut() -> u64) -> Vec<u8> {
    let whole = whole.trim_ascii_end();
    let mut pick = |below: usize| {
        let below = u64::try_from(below.max(1)).unwrap_or(1);
        usize::try_from(random() % below).unwrap_or(0)
    };
    let marks: Vec<usize> = whole
        .iter()
        .enumerate()
        .filter(|(_, byte)| b"{}\":,".contains(byte))
        .map(|(at, _)| at)
        .collect();
    for _ in 0..8 {
        let mut body = whole.to_vec();
        let mark = marks.get(pick(marks.len())).copied().unwrap_or(0);
        match pick(4) {
            0 => body.truncate(1 + pick(whole.len() - 1)),
            1 => drop(body.splice(mark..=mark, [])),
            2 => drop(body.splice(mark..=mark, *b"x")),
            _ => drop(body.splice(mark..mark, *b"}")),
        }
        if is_malformed(&body) {
            return body;
        }
    }
    // All but the last brace.
    whole
        .split_last()
        .map_or_else(Vec::new, |(_, rest)| rest.to_vec())
}

fn is_malformed(body: &[u8]) -> bool {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Value>();
    matches!(values.next(), Some(Err(_)))
}

#[cfg(test)]
mod tests {
    use super::{is_malformed, mutate};

    #[test]
    fn mutated_bodies_are_no_json_and_never_empty() {
        let mut state = 7_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 33
        };
        for _ in 0..1000 {
            let body = mutate(b"{\"Name\":\"v1\",\"Opts\":{\"a\":\"\"}}\n", &mut random);
            assert!(is_malformed(&body), "{}", String::from_utf8_lossy(&body));
            assert!(!body.is_empty());
        }
    }
}
