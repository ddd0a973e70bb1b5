//! Is the plugin there, is it one, and is it still well?

use std::sync::Arc;

use crate::protocol::Endpoint;
use crate::suite::{Answer, Cx, Ledger};
use crate::target::{Broken, Target};
use crate::wire::{Request, WireError};

/// What was learnt before the first case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    /// The subsystems that the plugin says it implements.
    pub implements: Vec<String>,
    /// How many volumes it had before the run.
    pub volumes: usize,
}

/// Makes sure that a volume plugin answers, and keeps the run from the volumes that it has.
///
/// # Errors
/// One sentence that says what is there instead of a volume plugin.
pub async fn preflight(target: &Arc<Target>) -> Result<Preflight, String> {
    let mut cx = Cx::new(Arc::clone(target), Arc::default(), "preflight");
    let address = &target.address;
    let activate = handshake(&mut cx).await?;
    match activate.wire_error() {
        None => {}
        Some(WireError::Timeout(limit)) => {
            return Err(format!(
                "{address} takes connections but did not answer /Plugin.Activate within {} s",
                limit.as_secs_f32()
            ));
        }
        Some(WireError::NotHttp(what)) => {
            return Err(format!(
                "what listens on {address} is no HTTP server: {what}"
            ));
        }
        Some(error) => {
            return Err(format!(
                "what listens on {address} {error}, at /Plugin.Activate"
            ));
        }
    }
    let implements = implements(&activate);
    if is_volume_driver(&activate) {
        let list = cx.list().await.ok();
        let names: Vec<String> = list
            .iter()
            .flat_map(|list| list.names())
            .map(str::to_owned)
            .collect();
        names.iter().for_each(|name| target.naming.reserve(name));
        return Ok(Preflight {
            implements,
            volumes: names.len(),
        });
    }
    let answered = activate
        .response()
        .map(|response| (response.status, response.text()));
    let (status, body) = answered.unwrap_or_default();
    let body: String = body.trim().chars().take(120).collect();
    if implements.is_empty() {
        return Err(format!(
            "what listens on {address} is no volume plugin: /Plugin.Activate answered {status} {body:?}"
        ));
    }
    Err(format!(
        "the plugin on {address} implements {} and not VolumeDriver (case counts): dockerd would refuse it as a \
         volume driver",
        implements.join(", ")
    ))
}

/// Makes sure that a volume plugin answers on the second host, if there is one.
///
/// # Errors
/// One sentence that says what is there instead.
pub async fn check_peer(target: &Arc<Target>) -> Result<(), String> {
    let Some(peer) = &target.peer else {
        return Ok(());
    };
    let address = &peer.address;
    let told = |why: String| format!("--peer: {why}");
    if peer.address.to_string() == target.address.to_string() {
        return Err(told(format!(
            "{address} is the plugin under test itself: it has to be another instance of it"
        )));
    }
    crate::target::address::check(address, target.timeout)
        .await
        .map_err(told)?;
    let mut cx = Cx::new(Arc::clone(target), Arc::default(), "preflight").on_peer();
    let activate = handshake(&mut cx).await.map_err(told)?;
    if is_volume_driver(&activate) {
        return Ok(());
    }
    Err(told(format!(
        "what listens on {address} is no volume plugin: {}",
        activate.describe()
    )))
}

/// Activate as dockerd sends it; where that is refused, once more in the ways in which other clients
/// ask. A plugin that insists on one of them is a volume plugin that dockerd cannot use: that is for
/// cases to say.
async fn handshake(cx: &mut Cx) -> Result<Answer, String> {
    let path = Endpoint::Activate.path();
    let json = "application/json";
    let mut first = None;
    for request in [
        Request::docker(path, ""),
        Request::docker(path, "").header("Content-Type", json),
        Request::docker(path, "{}"),
        Request::docker(path, "{}").header("Content-Type", json),
    ] {
        let sent = cx.send(Endpoint::Activate, request).await;
        let answer = sent.map_err(|_| "the plugin cannot be called".to_owned())?;
        if answer.wire_error().is_some() || is_volume_driver(&answer) {
            return Ok(first
                .filter(|_| !is_volume_driver(&answer))
                .unwrap_or(answer));
        }
        first.get_or_insert(answer);
    }
    first.ok_or_else(|| "the plugin cannot be called".to_owned())
}

fn is_volume_driver(activate: &Answer) -> bool {
    implements(activate)
        .iter()
        .any(|name| name == "VolumeDriver")
}

/// `Implements`, whatever the status is: that has a case of its own.
fn implements(activate: &Answer) -> Vec<String> {
    if activate.is_ok() {
        return activate.reading().implements.clone();
    }
    let body = activate
        .response()
        .map(|response| response.text())
        .unwrap_or_default();
    let value: serde_json::Value =
        serde_json::from_str(body.trim_start_matches('\u{feff}')).unwrap_or_default();
    let names = value
        .get("Implements")
        .and_then(|names| names.as_array())
        .cloned()
        .unwrap_or_default();
    names
        .iter()
        .filter_map(|name| name.as_str())
        .map(str::to_owned)
        .collect()
}

/// Looks after the plugin when calls of `case` went unanswered: tries each call once in its plainest
/// form, starts the plugin anew where that helps and is allowed, and gives up on calls that hang
/// all the same. Returns what the user should know.
pub(crate) async fn recover(target: &Arc<Target>, case: &str, what: &str) -> Option<String> {
    let mut notice = None;
    if let Some(plugin) = &target.plugin {
        let running = plugin.is_running().await;
        let ailing = if running { probe(target).await } else { None };
        if running && ailing.is_none() {
            return None;
        }
        let died = plugin.has_died().await;
        if died {
            let how = format!("ended during {case}; {}", plugin.last_line());
            target.health.died(Broken {
                case: case.to_owned(),
                what: how,
            });
        }
        notice = Some(match (&ailing, plugin.restart().await) {
            (_, Err(why)) => {
                let broken = Broken {
                    case: case.to_owned(),
                    what: format!("cannot be made: {why}"),
                };
                target.health.give_up(Endpoint::Activate, broken);
                return Some(format!(
                    "the plugin could not be started again after {case}: {why}"
                ));
            }
            (Some((endpoint, what)), Ok(_)) => {
                format!(
                    "after {case} the plugin no longer answered ({endpoint} {what}): started anew"
                )
            }
            (None, Ok(_)) if died => {
                format!("the plugin's process ended during {case}: started anew")
            }
            (None, Ok(_)) => format!("{case} left the plugin stopped: started anew"),
        });
        target.health.reset();
    }
    // One call after the other: what hangs is given up, and the rest is tried without it.
    let mut given_up = Vec::new();
    while let Some((endpoint, what)) = probe(target).await {
        given_up.push(endpoint.to_string());
        target.health.give_up(
            endpoint,
            Broken {
                case: case.to_owned(),
                what,
            },
        );
        if endpoint == Endpoint::Activate || given_up.len() == Endpoint::ALL.len() {
            break;
        }
    }
    if given_up.is_empty() {
        return notice;
    }
    Some(format!(
        "{} no longer answered after {case} ({what}): not called again",
        given_up.join(", ")
    ))
}

/// Makes each call in its plainest form; the first one that goes unanswered, and how.
async fn probe(target: &Arc<Target>) -> Option<(Endpoint, String)> {
    let ledger = Arc::new(Ledger::default());
    let mut cx = Cx::new(Arc::clone(target), Arc::clone(&ledger), "probe");
    // A call that is already given up ends the round, which is all that can be learnt.
    let _: Result<(), crate::suite::Halt> = async {
        cx.activate().await?;
        cx.list().await?;
        let (name, id) = (cx.name(), cx.id());
        cx.get(&name).await?;
        cx.create(&name).await?;
        if cx.mount(&name, &id).await?.is_ok() {
            cx.unmount(&name, &id).await?;
        }
        cx.remove(&name).await?;
        Ok(())
    }
    .await;
    let trouble = ledger.first_trouble();
    if trouble.is_none() {
        super::cleanup::take_back(target, &ledger, "probe").await;
    }
    trouble.map(|trouble| (trouble.endpoint, trouble.what))
}
