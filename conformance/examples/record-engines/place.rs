//! Where the plugins of a scenario listen.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use volplug_conformance::recording::{Recording, Step};

/// The plugin's name in scenarios that call none.
const NAME: &str = "recvol";

/// Scenarios in which the plugin that is called listens somewhere else than in a socket of its name,
/// and no step says where; or in one in spite of a step.
const ELSEWHERE: [(&str, &str); 4] = [
    (
        "discovery-sock-beats-spec",
        "/run/docker/plugins/recvol.sock",
    ),
    ("discovery-sock-in-etc", "/etc/docker/plugins/recvol.sock"),
    (
        "discovery-sock-other-subdir",
        "/run/docker/plugins/other/recvol.sock",
    ),
    (
        "discovery-sock-subdir",
        "/run/docker/plugins/recvol/recvol.sock",
    ),
];

/// A plugin, and where it is found.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) at: At,
    /// Whether the plugin is there when the scenario begins.
    pub(crate) present: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// A unix socket, by its recorded path.
    Socket(String),
    /// A port of this host.
    Tcp(u16),
    /// A port of this host where TLS is spoken.
    Tls(u16),
}

/// The plugins of a scenario: those that are called come first.
pub(crate) fn places(recorded: &Recording) -> Vec<Place> {
    let mut names: Vec<String> = Vec::new();
    let called = recorded.calls().map(|(_, call)| call.plugin.clone());
    let known = recorded.plugin_final_state.as_object();
    let known = known.into_iter().flatten().map(|(name, _)| name.clone());
    for name in called.chain(known) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        names.push(NAME.to_owned());
    }
    let elsewhere = ELSEWHERE.iter().find(|(of, _)| *of == recorded.scenario);
    let mut elsewhere = elsewhere.map(|(_, path)| At::Socket((*path).to_owned()));
    let mut given = recorded.commands.iter().filter_map(given);
    let described = recorded.commands.iter().any(is_description);
    let place = |name: String| {
        let at = elsewhere.take().or_else(|| given.next());
        // A plugin whose description gives no address is not found.
        let lost = at.is_none() && described;
        let at = at.unwrap_or_else(|| At::Socket(format!("/run/docker/plugins/{name}.sock")));
        Place {
            present: !lost && !is_late(recorded, &name, &at),
            name,
            at,
        }
    };
    names.into_iter().map(place).collect()
}

/// The words of a step.
fn words(step: &Step) -> Vec<&str> {
    step.argv.iter().map(String::as_str).collect()
}

/// Whether a step writes a file that describes a plugin.
fn is_description(step: &Step) -> bool {
    matches!(*words(step), ["@write-file", path, _] if path.ends_with(".spec") || path.ends_with(".json"))
}

/// The address that a step gives to a plugin.
fn given(step: &Step) -> Option<At> {
    match *words(step) {
        ["@symlink", _, target] => Some(At::Socket(target.to_owned())),
        ["@write-file", _, content] => {
            let json: Option<Value> = serde_json::from_str(content).ok();
            let address = json.as_ref().and_then(|json| json["Addr"].as_str());
            let (scheme, rest) = address.unwrap_or(content).trim().split_once("://")?;
            if scheme == "unix" {
                return Some(At::Socket(rest.to_owned()));
            }
            let host = rest.split('/').next().unwrap_or_default();
            let port = host.rsplit(':').next()?.parse().ok()?;
            Some(match scheme {
                "https" => At::Tls(port),
                _ => At::Tcp(port),
            })
        }
        _ => None,
    }
}

/// Whether a plugin is not there from the beginning: something else is in its place, or it is
/// started before anything else is done to it.
fn is_late(recorded: &Recording, name: &str, at: &At) -> bool {
    let mut steps = recorded.commands.iter().map(words);
    let occupied = steps.clone().any(|step| match (&*step, at) {
        (["@stale-socket", path] | ["@write-file", path, _], At::Socket(place)) => {
            path.split(' ').next() == Some(place.as_str())
        }
        _ => false,
    });
    let first = steps
        .find(|step| matches!(**step, ["@plugin-start" | "@plugin-kill", of, ..] if of == name));
    occupied || first.is_some_and(|step| step.starts_with(&["@plugin-start"]))
}

/// Passes on what comes to a port.
pub(crate) async fn forward(listener: TcpListener, tls: Option<TlsAcceptor>, to: PathBuf) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, to) = (tls.clone(), to.clone());
        // Who gives up on either side has ended the connection.
        tokio::spawn(async move { pass(stream, tls, &to).await.ok() });
    }
}

async fn pass(mut from: TcpStream, tls: Option<TlsAcceptor>, to: &PathBuf) -> std::io::Result<()> {
    let mut to = UnixStream::connect(to).await?;
    match tls {
        Some(tls) => {
            let mut from = tls.accept(from).await?;
            tokio::io::copy_bidirectional(&mut from, &mut to).await?;
        }
        None => _ = tokio::io::copy_bidirectional(&mut from, &mut to).await?,
    }
    Ok(())
}

/// A certificate for this host, as PEM, and what serves with it.
pub(crate) fn certified() -> Result<(String, TlsAcceptor), Box<dyn std::error::Error>> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names)?;
    let key = certified.signing_key.serialize_der().try_into()?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)?;
    Ok((certified.cert.pem(), TlsAcceptor::from(Arc::new(config))))
}
